# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/batches.c %D%/batches.h \
	%D%/dataset.c %D%/dataset.h \
	%D%/dataset_chunks.c %D%/dataset_chunks.h \
	%D%/labels.c %D%/labels.h \
	%D%/shuffle.c %D%/shuffle.h \
	%D%/split.c %D%/split.h
