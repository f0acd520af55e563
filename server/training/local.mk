# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	%D%/train.c %D%/train.h \
	%D%/train_data.c %D%/train_data.h \
	%D%/train_files.c %D%/train_files.h \
	%D%/train_judge.c %D%/train_judge.h \
	%D%/train_options.c %D%/train_options.h \
	%D%/train_report.c %D%/train_report.h \
	%D%/train_run.c %D%/train_run.h \
	%D%/train_search.c %D%/train_search.h \
	%D%/train_session.c %D%/train_session.h \
	%D%/train_space.c %D%/train_space.h
