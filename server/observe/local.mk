# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	server/observe/access_log.c server/observe/access_log.h \
	server/observe/health.c server/observe/health.h \
	server/observe/histogram.c server/observe/histogram.h \
	server/observe/learning_stats.c server/observe/learning_stats.h \
	server/observe/log.c server/observe/log.h \
	server/observe/metrics.c server/observe/metrics.h \
	server/observe/metrics_table.c server/observe/metrics_table.h \
	server/observe/process.c server/observe/process.h \
	server/observe/slice.c server/observe/slice.h \
	server/observe/statistics.c server/observe/statistics.h
