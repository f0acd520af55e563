# SPDX-License-Identifier: Apache-2.0
proto_libproto_a_SOURCES += \
	%D%/array_files.c \
	%D%/array_table.c %D%/array_table.h \
	%D%/csv_record.c %D%/csv_record.h \
	%D%/csv_table.c \
	%D%/csv_value.c %D%/csv_value.h \
	%D%/json_lines.c \
	%D%/npy.c %D%/npy.h \
	%D%/record_reader.c %D%/record_reader.h \
	%D%/source.c %D%/source.h \
	%D%/table.c %D%/table.h \
	%D%/table_class.h \
	%D%/text_windows.c \
	%D%/zip.c %D%/zip.h
