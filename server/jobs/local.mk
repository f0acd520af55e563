# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	server/jobs/job.c server/jobs/job.h \
	server/jobs/job_evaluate.c server/jobs/job_evaluate.h \
	server/jobs/job_hooks.c server/jobs/job_hooks.h \
	server/jobs/job_learner.c server/jobs/job_learner.h \
	server/jobs/job_request.c server/jobs/job_request.h \
	server/jobs/job_run.c server/jobs/job_run.h \
	server/jobs/job_store.c server/jobs/job_store.h \
	server/jobs/jobs.c server/jobs/jobs.h \
	server/jobs/jobs_calls.c \
	server/jobs/jobs_private.h \
	server/jobs/jobs_queue.c
