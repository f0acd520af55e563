# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	server/handlers/classification.c server/handlers/classification.h \
	server/handlers/datasets.c \
	server/handlers/handlers.c server/handlers/handlers.h \
	server/handlers/health.c \
	server/handlers/index.c \
	server/handlers/infer.c \
	server/handlers/jobs.c \
	server/handlers/learning.c \
	server/handlers/metadata.c \
	server/handlers/metrics.c \
	server/handlers/models.c \
	server/handlers/predict.c \
	server/handlers/prediction.c server/handlers/prediction.h \
	server/handlers/repository.c \
	server/handlers/statistics.c
