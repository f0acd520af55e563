# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libproto.a
%C%_libproto_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(ZLIB_CFLAGS)
PROTO_LIBS = proto/libproto.a $(JANSSON_LIBS) $(ZLIB_LIBS) -lm
%C%_libproto_a_SOURCES = \
	%D%/base64.c \
	%D%/base64.h \
	%D%/datatype.c \
	%D%/datatype.h \
	%D%/half.c \
	%D%/half.h \
	%D%/infer_message.h \
	%D%/infer_request.c \
	%D%/infer_response.c \
	%D%/infer_scan.c \
	%D%/infer_scan.h \
	%D%/infer_tensors.c \
	%D%/infer_tensors.h \
	%D%/json_envelope.c \
	%D%/json_envelope.h \
	%D%/json_fields.c \
	%D%/json_fields.h \
	%D%/json_text.c \
	%D%/json_text.h \
	%D%/layer_spec.c \
	%D%/layer_spec.h \
	%D%/layer_spec_encode.c \
	%D%/learn_message.h \
	%D%/learn_request.c \
	%D%/learn_response.c \
	%D%/message_memory.c \
	%D%/message_memory.h \
	%D%/metadata_message.c \
	%D%/metadata_message.h \
	%D%/nearest_double.c \
	%D%/nearest_double.h \
	%D%/number_fault.c \
	%D%/number_print.c \
	%D%/number_print.h \
	%D%/number_scan.c \
	%D%/number_scan.h \
	%D%/power_table.c \
	%D%/power_table.h \
	%D%/predict_message.h \
	%D%/predict_request.c \
	%D%/predict_response.c \
	%D%/problem.c \
	%D%/problem.h \
	%D%/tensor_print.c \
	%D%/tensor_print.h \
	%D%/tensor_scan.c \
	%D%/tensor_scan.h \
	%D%/text.c \
	%D%/text.h \
	%D%/utf8.c \
	%D%/utf8.h \
	%D%/wire_tensor.c \
	%D%/wire_tensor.h
EXTRA_DIST += %D%/openapi.yaml %D%/power_table.py

include proto/data/local.mk
