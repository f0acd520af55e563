# SPDX-License-Identifier: Apache-2.0
# engine/train/: they link libengine.a alone.
check_PROGRAMS += %D%/test_batches
%C%_test_batches_SOURCES = %D%/test_batches.c $(RUN_SUITE)
%C%_test_batches_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_batches_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_dataset
%C%_test_dataset_SOURCES = %D%/test_dataset.c $(RUN_SUITE)
%C%_test_dataset_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_dataset_LDADD = $(ENGINE_TEST_LIBS)

EXTRA_DIST += %D%/make_evaluation_cases.py
check_PROGRAMS += %D%/test_evaluation
%C%_test_evaluation_SOURCES = %D%/evaluation_cases.h %D%/test_evaluation.c $(RUN_SUITE)
%C%_test_evaluation_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_evaluation_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_labels
%C%_test_labels_SOURCES = %D%/test_labels.c $(RUN_SUITE)
%C%_test_labels_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_labels_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_split
%C%_test_split_SOURCES = %D%/test_split.c $(RUN_SUITE)
%C%_test_split_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_split_LDADD = $(ENGINE_TEST_LIBS)

# What learns, against PyTorch: *_cases.h are written by make_units.py.
EXTRA_DIST += %D%/make_units.py

check_PROGRAMS += %D%/test_loss
%C%_test_loss_SOURCES = %D%/test_loss.c %D%/loss_cases.h $(OP_CASE) $(RUN_SUITE)
%C%_test_loss_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_loss_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_optimiser
%C%_test_optimiser_SOURCES = %D%/test_optimiser.c %D%/optimiser_cases.h $(OP_CASE) $(RUN_SUITE)
%C%_test_optimiser_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_optimiser_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_schedule
%C%_test_schedule_SOURCES = %D%/test_schedule.c %D%/schedule_cases.h $(RUN_SUITE)
%C%_test_schedule_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_schedule_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_standardise
%C%_test_standardise_SOURCES = %D%/test_standardise.c $(RUN_SUITE)
%C%_test_standardise_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_standardise_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_head
%C%_test_head_SOURCES = %D%/test_head.c $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)
%C%_test_head_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_head_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_trainer
%C%_test_trainer_SOURCES = %D%/test_trainer.c $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)
%C%_test_trainer_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_trainer_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_trainer_select
%C%_test_trainer_select_SOURCES = %D%/test_trainer_select.c $(GRAPH_CASE) $(OP_CASE) $(RUN_SUITE)
%C%_test_trainer_select_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_trainer_select_LDADD = $(ENGINE_TEST_LIBS)

EXTRA_DIST += %D%/make_curves.py %D%/mlp.onnx
check_PROGRAMS += %D%/test_curves
%C%_test_curves_SOURCES = %D%/test_curves.c %D%/curve_cases.h $(RUN_SUITE)
%C%_test_curves_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS) -DTRAIN_FOLDER='"$(abs_top_srcdir)/%D%"' \
	-DFIXTURES='"$(abs_top_srcdir)/tests/fixtures"'
%C%_test_curves_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_curve
%C%_test_curve_SOURCES = %D%/test_curve.c $(RUN_SUITE)
%C%_test_curve_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_curve_LDADD = $(ENGINE_TEST_LIBS)

# A real text, against PyTorch: gpt.onnx and text_curve.h are written by make_text.py.
EXTRA_DIST += %D%/gpt.onnx %D%/make_text.py
check_PROGRAMS += %D%/test_text
%C%_test_text_SOURCES = %D%/test_text.c %D%/text_curve.h $(RUN_SUITE)
%C%_test_text_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS) -DTRAIN_FOLDER='"$(abs_top_srcdir)/%D%"' \
	-DTEXT_FILE='"$(abs_top_srcdir)/LICENSE"'
%C%_test_text_LDADD = $(ENGINE_TEST_LIBS)
