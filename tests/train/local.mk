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

check_PROGRAMS += %D%/test_labels
%C%_test_labels_SOURCES = %D%/test_labels.c $(RUN_SUITE)
%C%_test_labels_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_labels_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_split
%C%_test_split_SOURCES = %D%/test_split.c $(RUN_SUITE)
%C%_test_split_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_split_LDADD = $(ENGINE_TEST_LIBS)
