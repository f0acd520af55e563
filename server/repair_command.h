/* SPDX-License-Identifier: Apache-2.0
 * server/repair_command.h - `inferd repair`: what is damaged in a state directory, and on --apply the
 * directory made consistent at the newest state that holds. Main thread, no daemon. */
#ifndef SERVER_REPAIR_COMMAND_H
#define SERVER_REPAIR_COMMAND_H

/* The arguments behind "repair"; returns the exit code, having said why: 0 nothing is (left) to be
 * repaired, 1 something is, 64 and more of sysexits.h. */
int repair_run(int argc, char **argv);

#endif
