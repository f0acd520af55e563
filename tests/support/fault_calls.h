/* SPDX-License-Identifier: Apache-2.0
 * tests/support/fault_calls.h - a file system that fails. A test binary that links this has its file
 * calls (and SQLite's) replaced by ones that count those beneath one directory, let the K-th fail, and
 * keep a model of what a disk that honours flush would hold if the power went now: file data as of the
 * last sync, names as of the last sync of their directory, and of what came after any part, in any
 * order, torn within a sector's reach. For one thread, in a process forked for the purpose. */
#ifndef TESTS_SUPPORT_FAULT_CALLS_H
#define TESTS_SUPPORT_FAULT_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#define FAULT_KIND_MAP(X) \
    X(NONE, "none") \
    X(KILL, "kill")         /* SIGKILL before the call */ \
    X(POWER, "power")       /* the machine stops before the call: see fault_calls_image() */ \
    X(EIO, "EIO") \
    X(ENOSPC, "ENOSPC")     /* calls that need space; others go through */ \
    X(EINTR, "EINTR")       /* calls that may sleep */ \
    X(SHORT, "short")       /* reads and writes do half */ \
    X(SYNC_LOSS, "sync")    /* a sync fails and what it was for never reaches the disk, although it
                               is still read back: Linux after a write-back error */

#define X(name, text) FAULT_##name,
enum fault_kind { FAULT_KIND_MAP(X) FAULT_KINDS };
#undef X

extern const char *const fault_kind_names[FAULT_KINDS];

struct fault_plan {
    enum fault_kind kind;
    long at;                /* the call that fails, from 1 */
    bool on;                /* and every later one */
    uint64_t seed;          /* of what a power cut leaves */
};

/* Everything beneath `root` (which exists, empty or not) is durable now; calls count from here.
 * `image` does not exist: a power cut leaves its state there. */
void fault_calls_begin(const char *root, const char *image, const struct fault_plan *plan);
/* Lets all further calls through; the model goes on. */
void fault_calls_relent(void);
/* The calls seen so far, and whether the fault has come. */
long fault_calls_seen(void);
bool fault_calls_struck(void);
/* Writes what a power cut now would leave, and ends the process. */
void fault_calls_cut(void) __attribute__((noreturn));

#endif
