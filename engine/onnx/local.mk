# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/legalise.h \
	%D%/onnx_model.h
