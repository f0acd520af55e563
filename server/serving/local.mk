# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	server/serving/registry.h \
	server/serving/scheduler.h
