# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libproto.a
%C%_libproto_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
PROTO_LIBS = proto/libproto.a $(JANSSON_LIBS) -lm
%C%_libproto_a_SOURCES = \
	%D%/datatype.h \
	%D%/infer_message.h \
	%D%/metadata_message.h \
	%D%/predict_message.h \
	%D%/problem.h \
	%D%/text.h \
	%D%/wire_tensor.h
