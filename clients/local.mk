# SPDX-License-Identifier: Apache-2.0
# The C library, inferctl over it, and the Python module. They know proto/ alone.
noinst_LIBRARIES += %D%/libinferd_client.a
%C%_libinferd_client_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CURL_CFLAGS)
CLIENT_LIBS = clients/libinferd_client.a $(PROTO_LIBS) $(CURL_LIBS)
%C%_libinferd_client_a_SOURCES = \
	%D%/c/inferd_call.c \
	%D%/c/inferd_call.h \
	%D%/c/inferd_client.c \
	%D%/c/inferd_client.h \
	%D%/c/inferd_learn.c \
	%D%/c/inferd_model.c \
	%D%/c/inferd_model.h

bin_PROGRAMS += inferctl
inferctl_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CURL_CFLAGS)
inferctl_LDADD = $(CLIENT_LIBS)
inferctl_SOURCES = \
	%D%/ctl/bench_command.c \
	%D%/ctl/ctl.h \
	%D%/ctl/inferctl.c \
	%D%/ctl/input.c \
	%D%/ctl/input.h \
	%D%/ctl/job_commands.c \
	%D%/ctl/learn_commands.c \
	%D%/ctl/model_commands.c \
	%D%/ctl/predict_command.c

EXTRA_DIST += %D%/python/inferd_client.py
