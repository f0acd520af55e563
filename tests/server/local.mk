# SPDX-License-Identifier: Apache-2.0
SERVER_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(MHD_CFLAGS) $(UV_CFLAGS) $(JANSSON_CFLAGS)
SERVER_TEST_LIBS = $(SERVER_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/test_metrics
%C%_test_metrics_SOURCES = %D%/test_metrics.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_metrics_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_metrics_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_batcher
%C%_test_batcher_SOURCES = %D%/test_batcher.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_batcher_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_batcher_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_repository
%C%_test_repository_SOURCES = %D%/test_repository.c tests/support/run_suite.c \
	tests/support/run_suite.h
%C%_test_repository_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_repository_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_body
%C%_test_body_SOURCES = %D%/test_body.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_body_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_body_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_gate
%C%_test_gate_SOURCES = %D%/test_gate.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_gate_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_gate_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_log
%C%_test_log_SOURCES = %D%/test_log.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_log_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_log_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_options
%C%_test_options_SOURCES = %D%/test_options.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_options_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_options_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_router
%C%_test_router_SOURCES = %D%/test_router.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_router_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_router_LDADD = $(SERVER_TEST_LIBS)

SCALE_MODEL = tests/support/scale_model.c tests/support/scale_model.h $(ONNX_BYTES)
check_PROGRAMS += %D%/test_registry
%C%_test_registry_SOURCES = %D%/test_registry.c tests/support/run_suite.c \
	tests/support/run_suite.h $(SCALE_MODEL)
%C%_test_registry_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_registry_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_scheduler
%C%_test_scheduler_SOURCES = %D%/test_scheduler.c tests/support/run_suite.c \
	tests/support/run_suite.h $(SCALE_MODEL)
%C%_test_scheduler_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_scheduler_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_tap
%C%_test_tap_SOURCES = %D%/test_tap.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_tap_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_tap_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_tensor_bridge
%C%_test_tensor_bridge_SOURCES = %D%/test_tensor_bridge.c tests/support/run_suite.c \
	tests/support/run_suite.h
%C%_test_tensor_bridge_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_tensor_bridge_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_openapi
%C%_test_openapi_SOURCES = %D%/test_openapi.c tests/support/run_suite.c tests/support/run_suite.h
%C%_test_openapi_CPPFLAGS = $(SERVER_TEST_CPPFLAGS) \
	-DOPENAPI_PATH='"$(abs_top_srcdir)/proto/openapi.yaml"'
%C%_test_openapi_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_learn_config
%C%_test_learn_config_SOURCES = %D%/test_learn_config.c tests/support/run_suite.c \
	tests/support/run_suite.h
%C%_test_learn_config_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_learn_config_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_network_create
%C%_test_network_create_SOURCES = %D%/test_network_create.c tests/support/run_suite.c \
	tests/support/run_suite.h
%C%_test_network_create_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_network_create_LDADD = $(SERVER_TEST_LIBS)

check_PROGRAMS += %D%/test_cost_model
%C%_test_cost_model_SOURCES = %D%/test_cost_model.c tests/support/run_suite.c \
	tests/support/run_suite.h
%C%_test_cost_model_CPPFLAGS = $(SERVER_TEST_CPPFLAGS)
%C%_test_cost_model_LDADD = $(SERVER_TEST_LIBS)
