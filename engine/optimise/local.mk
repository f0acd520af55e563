# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/identity.c \
	%D%/optimise.c %D%/optimise.h
