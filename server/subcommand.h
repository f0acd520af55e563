/* SPDX-License-Identifier: Apache-2.0
 * server/subcommand.h - what the daemon's binary does besides serving, because it needs the engine or the
 * daemon's files: `inferd create`, `inspect MODEL.onnx`, `ops`, `repair` and `train`. */
#ifndef SERVER_SUBCOMMAND_H
#define SERVER_SUBCOMMAND_H

#include <stdbool.h>

/* True if the first argument names a subcommand; it has run then and *ret_code is the exit code.
 * A model file that bears such a name can be served as ./inspect. */
bool subcommand_run(int argc, char **argv, int *ret_code);

#endif
