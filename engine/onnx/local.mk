# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/legalise.c %D%/legalise.h \
	%D%/legalise_broadcast.c \
	%D%/legalise_edit.c %D%/legalise_edit.h \
	%D%/legalise_image.c \
	%D%/legalise_norm.c \
	%D%/legalise_scan.c \
	%D%/legalise_shape.c \
	%D%/onnx_attribute.c \
	%D%/onnx_external.c %D%/onnx_external.h \
	%D%/onnx_function.c \
	%D%/onnx_graph.c \
	%D%/onnx_model.c %D%/onnx_model.h \
	%D%/onnx_names.c %D%/onnx_names.h \
	%D%/onnx_node.c \
	%D%/onnx_reader.h \
	%D%/onnx_scope.c \
	%D%/onnx_sequence.c \
	%D%/onnx_sparse.c \
	%D%/onnx_splice.c %D%/onnx_splice.h \
	%D%/onnx_splice_find.c \
	%D%/onnx_splice_private.h \
	%D%/onnx_standardise.c %D%/onnx_standardise.h \
	%D%/onnx_tensor.c %D%/onnx_tensor.h \
	%D%/onnx_type.c \
	%D%/onnx_writer.c %D%/onnx_writer.h \
	%D%/protobuf_reader.c %D%/protobuf_reader.h \
	%D%/protobuf_writer.c %D%/protobuf_writer.h
