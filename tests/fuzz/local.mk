# SPDX-License-Identifier: Apache-2.0
# Harnesses for libFuzzer (./dev fuzz); here each runs over its committed corpus.
EXTRA_DIST += %D%/corpus

check_PROGRAMS += %D%/replay_infer
%C%_replay_infer_SOURCES = %D%/fuzz_infer.c %D%/replay.c
%C%_replay_infer_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS_DIR='"$(abs_top_srcdir)/%D%/corpus/infer"'
%C%_replay_infer_LDADD = $(PROTO_LIBS)

check_PROGRAMS += %D%/replay_network
%C%_replay_network_SOURCES = %D%/fuzz_network.c %D%/replay.c
%C%_replay_network_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS_DIR='"$(abs_top_srcdir)/%D%/corpus/network"'
%C%_replay_network_LDADD = $(PROTO_LIBS) $(ENGINE_LIBS)

check_PROGRAMS += %D%/replay_onnx
%C%_replay_onnx_SOURCES = %D%/fuzz_onnx.c %D%/replay.c
%C%_replay_onnx_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS_DIR='"$(abs_top_srcdir)/%D%/corpus/onnx"'
%C%_replay_onnx_LDADD = $(ENGINE_LIBS)

check_PROGRAMS += %D%/replay_predict
%C%_replay_predict_SOURCES = %D%/fuzz_predict.c %D%/replay.c
%C%_replay_predict_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS_DIR='"$(abs_top_srcdir)/%D%/corpus/predict"'
%C%_replay_predict_LDADD = $(PROTO_LIBS)

check_PROGRAMS += %D%/storm_onnx
%C%_storm_onnx_SOURCES = %D%/fuzz_onnx.c %D%/mutate_onnx.c %D%/mutate_onnx.h %D%/storm_onnx.c \
	tests/support/onnx_bytes.c tests/support/onnx_bytes.h
%C%_storm_onnx_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS_DIR='"$(abs_top_srcdir)/%D%/corpus/onnx"'
%C%_storm_onnx_LDADD = $(ENGINE_LIBS)

check_PROGRAMS += %D%/replay_table
%C%_replay_table_SOURCES = %D%/fuzz_table.c %D%/replay.c
%C%_replay_table_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS_DIR='"$(abs_top_srcdir)/%D%/corpus/table"'
%C%_replay_table_LDADD = $(PROTO_LIBS)

check_PROGRAMS += %D%/replay_reader
%C%_replay_reader_SOURCES = %D%/fuzz_reader.c %D%/replay.c
%C%_replay_reader_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS_DIR='"$(abs_top_srcdir)/%D%/corpus/onnx"'
%C%_replay_reader_LDADD = $(ENGINE_LIBS)
