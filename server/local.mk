# SPDX-License-Identifier: Apache-2.0
# All but main.c, so that tests can link it.
noinst_LIBRARIES += %D%/libserver.a
%C%_libserver_a_CPPFLAGS = $(AM_CPPFLAGS) $(MHD_CFLAGS) $(UV_CFLAGS) $(JANSSON_CFLAGS) \
	$(SQLITE_CFLAGS) $(NETTLE_CFLAGS)
SERVER_LIBS = server/libserver.a $(PROTO_LIBS) $(ENGINE_LIBS) $(MHD_LIBS) $(UV_LIBS) \
	$(SQLITE_LIBS) $(NETTLE_LIBS)
%C%_libserver_a_SOURCES = \
	%D%/clock.h \
	%D%/create.c %D%/create.h \
	%D%/create_options.c %D%/create_options.h \
	%D%/daemon.c %D%/daemon.h \
	%D%/lifecycle.c %D%/lifecycle.h \
	%D%/network_create.c %D%/network_create.h \
	%D%/notify.c %D%/notify.h \
	%D%/options.c %D%/options.h \
	%D%/options_help.c \
	%D%/options_table.c %D%/options_table.h \
	%D%/routes.c \
	%D%/services.h \
	%D%/repair_command.c %D%/repair_command.h \
	%D%/state_dir.c %D%/state_dir.h \
	%D%/status_map.c %D%/status_map.h \
	%D%/subcommand.c %D%/subcommand.h \
	%D%/tensor_bridge.c %D%/tensor_bridge.h \
	%D%/whole_file.c %D%/whole_file.h

bin_PROGRAMS += inferd
inferd_SOURCES = %D%/main.c
inferd_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS)
inferd_LDADD = $(SERVER_LIBS)

include server/http/local.mk
include server/handlers/local.mk
include server/jobs/local.mk
include server/learning/local.mk
include server/serving/local.mk
include server/observe/local.mk
include server/training/local.mk
