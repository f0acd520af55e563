/* SPDX-License-Identifier: Apache-2.0
 * server/training/train.h - `inferd train`: a model, examples, and a model that has learned them. Main
 * thread, no daemon. */
#ifndef SERVER_TRAINING_TRAIN_H
#define SERVER_TRAINING_TRAIN_H

/* The arguments behind "train"; returns the exit code (sysexits.h), having said why. */
int train_run_command(int argc, char **argv);

#endif
