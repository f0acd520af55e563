# SPDX-License-Identifier: Apache-2.0
PROTO_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
PROTO_TEST_LIBS = $(PROTO_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/test_half
%C%_test_half_SOURCES = %D%/test_half.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_half_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_half_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_infer_binary
%C%_test_infer_binary_SOURCES = %D%/test_infer_binary.c %D%/infer_case.h tests/support/run_suite.c tests/support/run_suite.h
%C%_test_infer_binary_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_infer_binary_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_infer_request
%C%_test_infer_request_SOURCES = %D%/test_infer_request.c %D%/infer_case.h tests/support/run_suite.c tests/support/run_suite.h
%C%_test_infer_request_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_infer_request_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_layer_spec
%C%_test_layer_spec_SOURCES = %D%/test_layer_spec.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_layer_spec_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_layer_spec_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_metadata_message
%C%_test_metadata_message_SOURCES = %D%/test_metadata_message.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_metadata_message_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_metadata_message_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_number_print
%C%_test_number_print_SOURCES = %D%/test_number_print.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_number_print_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_number_print_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_number_scan
%C%_test_number_scan_SOURCES = %D%/test_number_scan.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_number_scan_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_number_scan_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_predict_message
%C%_test_predict_message_SOURCES = %D%/test_predict_message.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_predict_message_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_predict_message_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_text
%C%_test_text_SOURCES = %D%/test_text.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_text_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_text_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_learn_message
%C%_test_learn_message_SOURCES = %D%/test_learn_message.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_learn_message_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_learn_message_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_npy
%C%_test_npy_SOURCES = %D%/test_npy.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_npy_CPPFLAGS = $(PROTO_TEST_CPPFLAGS)
%C%_test_npy_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += %D%/test_table
%C%_test_table_SOURCES = %D%/test_table.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_table_CPPFLAGS = $(PROTO_TEST_CPPFLAGS) -DTABLES_DIR='"$(abs_top_srcdir)/%D%/tables"'
%C%_test_table_LDADD = $(PROTO_TEST_LIBS)
