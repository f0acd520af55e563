/* SPDX-License-Identifier: Apache-2.0
 * server/create.h - `inferd create`: a network from a preset or from a specification's file, as an
 * ONNX file with first weights. Main thread, no daemon. */
#ifndef SERVER_CREATE_H
#define SERVER_CREATE_H

/* The arguments behind "create"; returns the exit code (sysexits.h), having said why. */
int create_run(int argc, char **argv);

#endif
