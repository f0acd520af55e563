# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/batches.c %D%/batches.h \
	%D%/dataset.c %D%/dataset.h \
	%D%/dataset_chunks.c %D%/dataset_chunks.h \
	%D%/evaluation.c %D%/evaluation.h \
	%D%/evaluation_classes.c %D%/evaluation_classes.h \
	%D%/evaluation_ranking.c %D%/evaluation_ranking.h \
	%D%/evaluation_sums.c %D%/evaluation_sums.h \
	%D%/labels.c %D%/labels.h \
	%D%/loss.c %D%/loss.h \
	%D%/loss_targets.c %D%/loss_targets.h \
	%D%/optimiser.c %D%/optimiser.h \
	%D%/parameters.c %D%/parameters.h \
	%D%/schedule.c %D%/schedule.h \
	%D%/shuffle.c %D%/shuffle.h \
	%D%/split.c %D%/split.h
