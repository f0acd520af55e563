# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES += \
	%D%/augment.c %D%/augment.h \
	%D%/batches.c %D%/batches.h \
	%D%/curve.c %D%/curve.h \
	%D%/curve_svg.c \
	%D%/curve_text.h \
	%D%/dataset.c %D%/dataset.h \
	%D%/dataset_chunks.c %D%/dataset_chunks.h \
	%D%/evaluation.c %D%/evaluation.h \
	%D%/evaluation_classes.c %D%/evaluation_classes.h \
	%D%/evaluation_labels.c %D%/evaluation_labels.h \
	%D%/evaluation_ranking.c %D%/evaluation_ranking.h \
	%D%/evaluation_sums.c %D%/evaluation_sums.h \
	%D%/head.c %D%/head.h \
	%D%/labels.c %D%/labels.h \
	%D%/lora.c %D%/lora.h \
	%D%/loss.c %D%/loss.h \
	%D%/loss_targets.c %D%/loss_targets.h \
	%D%/optimiser.c %D%/optimiser.h \
	%D%/parameters.c %D%/parameters.h \
	%D%/schedule.c %D%/schedule.h \
	%D%/shuffle.c %D%/shuffle.h \
	%D%/split.c %D%/split.h \
	%D%/standardise.c %D%/standardise.h \
	%D%/trainer.c %D%/trainer.h \
	%D%/trainer_batch.c \
	%D%/trainer_private.h \
	%D%/trainer_select.c %D%/trainer_select.h \
	%D%/trainer_state.c \
	%D%/trainer_step.c \
	%D%/trainer_tapes.c
