# SPDX-License-Identifier: Apache-2.0
# Black-box tests of the real daemon, by Python's standard library.
dist_check_SCRIPTS += \
	%D%/test_clients.py \
	%D%/test_create.py \
	%D%/test_daemon.py \
	%D%/test_datasets.py \
	%D%/test_feedback.py \
	%D%/test_hard_http.py \
	%D%/test_infer.py \
	%D%/test_jobs.py \
	%D%/test_learning.py \
	%D%/test_learning_around.py \
	%D%/test_learning_config.py \
	%D%/test_models.py \
	%D%/test_promotion.py \
	%D%/test_repair.py \
	%D%/test_repository.py \
	%D%/test_train.py \
	%D%/test_waiting.py
EXTRA_DIST += %D%/run tests/support/daemon.py tests/support/daemon_fixture.py tests/support/onnx_writer.py
