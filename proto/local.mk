# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libproto.a
%C%_libproto_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
PROTO_LIBS = proto/libproto.a $(JANSSON_LIBS) -lm
%C%_libproto_a_SOURCES = \
	%D%/datatype.c \
	%D%/datatype.h \
	%D%/infer_message.h \
	%D%/metadata_message.h \
	%D%/number_print.c \
	%D%/number_print.h \
	%D%/power_table.c \
	%D%/power_table.h \
	%D%/predict_message.h \
	%D%/problem.c \
	%D%/problem.h \
	%D%/text.c \
	%D%/text.h \
	%D%/utf8.c \
	%D%/utf8.h \
	%D%/wire_tensor.c \
	%D%/wire_tensor.h
EXTRA_DIST += %D%/power_table.py
