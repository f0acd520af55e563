/* SPDX-License-Identifier: Apache-2.0
 * server/learning/storage_fault.h - how durable storage says no: a status, the file or row it is
 * about, and one sentence. Nothing here logs. */
#ifndef SERVER_LEARNING_STORAGE_FAULT_H
#define SERVER_LEARNING_STORAGE_FAULT_H

#include <stdint.h>

#define STORAGE_STATUS_MAP(X) \
    X(OK, "ok") \
    X(NO_MEMORY, "out of memory") \
    X(IO, "the file system refused") \
    X(NO_SPACE, "no space left") \
    X(LIMIT, "over a configured limit") \
    X(DAMAGED, "damaged") \
    X(NEWER, "written by a newer inferd") \
    X(OTHER_MODEL, "belongs to another model") \
    X(CONFLICT, "idempotency key used with another body") \
    X(IN_FLIGHT, "idempotency key is being worked on") \
    X(LATCHED, "storage has failed; a restart recovers") \
    X(OUT_OF_ORDER, "not the next generation") \
    X(NOT_FOUND, "not found") \
    X(BUSY, "locked by another process")

#define X(name, text) STORAGE_##name,
enum storage_status { STORAGE_STATUS_MAP(X) };
#undef X

enum { STORAGE_FILE_NAME_MAX = 80 };

struct storage_fault {
    enum storage_status status;
    uint64_t generation;                /* of the row it is about; 0: about no row */
    char file[STORAGE_FILE_NAME_MAX];   /* within the model's directory; "": about no file */
    char text[320];
};

/* Keeps the first fault (later calls change nothing) and returns `status`, so that a caller can
 * `return storage_fault_set(...)`. `file` NULL: about no file. `fault` may be NULL. */
enum storage_status storage_fault_set(struct storage_fault *fault, enum storage_status status,
                                      const char *file, uint64_t generation, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* From errno: NO_SPACE for a full disk or quota, else IO; `action` is what was tried ("sync"). */
enum storage_status storage_fault_errno(struct storage_fault *fault, const char *file,
                                        const char *action, int error);
/* The constant text of a status, for logs, metrics and tests. */
const char *storage_status_text(enum storage_status status);

#endif
