# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	server/serving/batcher.c server/serving/batcher.h \
	server/serving/cost_model.c \
	server/serving/inline.c \
	server/serving/model_config.c server/serving/model_config.h \
	server/serving/model_entry.c server/serving/model_entry.h \
	server/serving/model_store.c server/serving/model_store.h \
	server/serving/registry.c server/serving/registry.h server/serving/registry_state.h \
	server/serving/registry_apply.c \
	server/serving/registry_loader.c \
	server/serving/repository.c server/serving/repository.h \
	server/serving/repository_files.c server/serving/repository_files.h \
	server/serving/repository_load.c \
	server/serving/repository_model.c \
	server/serving/scheduler.c server/serving/scheduler.h server/serving/scheduler_state.h \
	server/serving/tap.c server/serving/tap.h \
	server/serving/wide.c \
	server/serving/worker.c server/serving/worker.h
