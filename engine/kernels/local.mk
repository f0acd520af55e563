# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/cpu.c %D%/cpu.h \
	%D%/gemm.c %D%/gemm.h \
	%D%/move.c %D%/move.h
