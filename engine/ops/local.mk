# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/op_table.c
