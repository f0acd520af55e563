# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	server/serving/batcher.c server/serving/batcher.h \
	server/serving/cost_model.c \
	server/serving/registry.h \
	server/serving/scheduler.c server/serving/scheduler.h \
	server/serving/worker.c server/serving/worker.h
