# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	server/observe/health.h \
	server/observe/log.c server/observe/log.h \
	server/observe/metrics.h \
	server/observe/statistics.h
