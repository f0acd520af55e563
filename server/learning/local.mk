# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	server/learning/checkpoint.c server/learning/checkpoint.h \
	server/learning/checkpoint_files.c \
	server/learning/database.c server/learning/database.h \
	server/learning/dataset_describe.c server/learning/dataset_describe.h \
	server/learning/dataset_store.c server/learning/dataset_store.h \
	server/learning/digest.c server/learning/digest.h \
	server/learning/feedback.c server/learning/feedback.h \
	server/learning/head.c server/learning/head.h \
	server/learning/history.c server/learning/history.h \
	server/learning/journal.h server/learning/journal_private.h \
	server/learning/journal_append.c \
	server/learning/journal_change.c \
	server/learning/journal_copy.c \
	server/learning/journal_digest.c \
	server/learning/journal_find.c \
	server/learning/journal_open.c \
	server/learning/journal_read.c \
	server/learning/journal_room.c \
	server/learning/journal_schema.c \
	server/learning/journal_verify.c \
	server/learning/learn_config.c server/learning/learn_config.h \
	server/learning/learn_method.c server/learning/learn_method.h \
	server/learning/learn_row.c \
	server/learning/learner.c server/learning/learner.h \
	server/learning/learner_adopt.c \
	server/learning/learner_alarm.c server/learning/learner_alarm.h \
	server/learning/learner_answer.c \
	server/learning/learner_back.c \
	server/learning/learner_commit.c \
	server/learning/learner_drift.c \
	server/learning/learner_file.c \
	server/learning/learner_gate.c server/learning/learner_gate.h \
	server/learning/learner_judge.c \
	server/learning/learner_label.c \
	server/learning/learner_layers.c \
	server/learning/learner_list.c \
	server/learning/learner_feedback.c \
	server/learning/learner_method.c \
	server/learning/learner_mix.c \
	server/learning/learner_open.c \
	server/learning/learner_private.h \
	server/learning/learner_promote.c \
	server/learning/learner_publish.c \
	server/learning/learner_recover.c \
	server/learning/learner_shadow.c server/learning/learner_shadow.h \
	server/learning/learner_step.c \
	server/learning/learner_store.c \
	server/learning/learner_tap.c \
	server/learning/learner_watch.c \
	server/learning/learner_window.c server/learning/learner_window.h \
	server/learning/learning.c server/learning/learning.h \
	server/learning/pace.c server/learning/pace.h \
	server/learning/prediction_log.c server/learning/prediction_log.h \
	server/learning/prediction_record.c server/learning/prediction_record.h \
	server/learning/prediction_store.c server/learning/prediction_store.h \
	server/learning/prediction_store_open.c \
	server/learning/prediction_store_private.h \
	server/learning/recovery.c server/learning/recovery.h \
	server/learning/repair.c server/learning/repair.h \
	server/learning/repair_apply.c \
	server/learning/replay.c server/learning/replay.h \
	server/learning/safetensors.h \
	server/learning/safetensors_read.c \
	server/learning/safetensors_write.c \
	server/learning/salvage.c server/learning/salvage.h \
	server/learning/storage_dir.c server/learning/storage_dir.h \
	server/learning/storage_fault.c server/learning/storage_fault.h
