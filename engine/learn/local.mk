# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/adwin.c %D%/adwin.h \
	%D%/feature_drift.c %D%/feature_drift.h \
	%D%/page_hinkley.c %D%/page_hinkley.h \
	%D%/prequential.c %D%/prequential.h \
	%D%/promotion.c %D%/promotion.h \
	%D%/publish_policy.c %D%/publish_policy.h \
	%D%/replay_buffer.c %D%/replay_buffer.h \
	%D%/train_budget.c %D%/train_budget.h
