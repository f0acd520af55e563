# SPDX-License-Identifier: Apache-2.0
# ONNX's backend suite: run by hand or by `./dev onnx`, since its data is a package of its own.
noinst_PROGRAMS += %D%/onnx_suite
EXTRA_DIST += %D%/skips.tsv
%C%_onnx_suite_SOURCES = \
	%D%/onnx_suite.c \
	%D%/suite_case.c %D%/suite_case.h \
	%D%/suite_compare.c %D%/suite_compare.h \
	%D%/suite_list.c %D%/suite_list.h
%C%_onnx_suite_CPPFLAGS = $(AM_CPPFLAGS) -DSKIPS_FILE='"$(abs_top_srcdir)/%D%/skips.tsv"'
%C%_onnx_suite_LDADD = $(ENGINE_LIBS)
