# SPDX-License-Identifier: Apache-2.0
# Mirrors the tree. Engine tests link libengine.a and nothing else of ours, proto tests libproto.a
# alone: the linker proves the arrows.
# Black-box tests find the program by this.
# Check's own four seconds are short under a sanitizer on a busy machine.
AM_TESTS_ENVIRONMENT = INFERD='$(abs_top_builddir)/inferd'; PYTHONDONTWRITEBYTECODE=1; CK_DEFAULT_TIMEOUT=60; \
	export INFERD PYTHONDONTWRITEBYTECODE CK_DEFAULT_TIMEOUT;

include tests/engine/local.mk
include tests/engine/grad/local.mk
include tests/fuzz/local.mk
include tests/http/local.mk
include tests/onnx/local.mk
include tests/server/local.mk
include tests/train/local.mk
include tests/server/learning/local.mk

# These start no thread, so ThreadSanitizer has nothing to see in them; the daemon's own tests run proto
# on its threads.
if !SANITIZE_THREAD
include tests/engine/learn/local.mk
include tests/proto/local.mk
endif

dist_check_SCRIPTS += %D%/check_layering.sh
