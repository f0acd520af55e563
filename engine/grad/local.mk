# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/conv.c \
	%D%/families.h \
	%D%/grad.h \
	%D%/grad_compare.c \
	%D%/grad_table.c \
	%D%/tape.c %D%/tape.h \
	%D%/tape_analyse.c \
	%D%/tape_bind.c %D%/tape_bind.h \
	%D%/tape_layout.c \
	%D%/tape_private.h
