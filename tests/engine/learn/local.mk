# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/make_oracle.py

check_PROGRAMS += %D%/test_drift
%C%_test_drift_SOURCES = %D%/test_drift.c %D%/oracle.h $(RUN_SUITE)
%C%_test_drift_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_drift_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_gate
%C%_test_gate_SOURCES = %D%/test_gate.c %D%/oracle.h $(RUN_SUITE)
%C%_test_gate_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_gate_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_publish_policy
%C%_test_publish_policy_SOURCES = %D%/test_publish_policy.c $(RUN_SUITE)
%C%_test_publish_policy_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_publish_policy_LDADD = $(ENGINE_TEST_LIBS)

check_PROGRAMS += %D%/test_replay_buffer
%C%_test_replay_buffer_SOURCES = %D%/test_replay_buffer.c $(RUN_SUITE)
%C%_test_replay_buffer_CPPFLAGS = $(ENGINE_TEST_CPPFLAGS)
%C%_test_replay_buffer_LDADD = $(ENGINE_TEST_LIBS)
