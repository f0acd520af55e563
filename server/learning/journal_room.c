/* SPDX-License-Identifier: Apache-2.0
 * server/learning/journal_room.c - how large the journal is, and whether more fits. Asked before each
 * update: so the exact size is measured only where an upper bound does not answer, and the disk is asked
 * a few times a second. */
#include "server/learning/journal_private.h"

#include "server/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Left on the disk whatever learning does: for a checkpoint, and for everybody else. */
#define DISK_RESERVE_BYTES (UINT64_C(16) << 20)
/* What the disk said counts so long, and for so much. */
#define DISK_ANSWER_NS (UINT64_C(100) * 1000 * 1000)
#define DISK_ANSWER_BYTES (DISK_RESERVE_BYTES / 4)

static uint64_t file_bytes(const struct journal *journal, const char *name)
{
    struct stat info;

    return fstatat(journal->dir->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)info.st_size
                                                                           : 0;
}

static enum storage_status used_bytes(struct journal *journal, uint64_t *ret,
                                      struct storage_fault *fault)
{
    enum { PAGE_BYTES = 4096 };
    int64_t pages = 0;
    int result;

    pthread_mutex_lock(&journal->lock);
    result = database_number(journal->reads[JOURNAL_READ_PAGES], &pages);
    *ret = (uint64_t)pages * PAGE_BYTES;
    if (result == SQLITE_ROW)
        journal->used_most = *ret;
    pthread_mutex_unlock(&journal->lock);
    return result == SQLITE_ROW ? STORAGE_OK : journal_fault(journal->reader, "measure it", fault);
}

enum storage_status journal_measure(struct journal *journal, struct journal_size *ret,
                                    struct storage_fault *fault)
{
    enum storage_status status = used_bytes(journal, &ret->used_bytes, fault);

    if (status != STORAGE_OK)
        return status;
    ret->file_bytes = file_bytes(journal, journal_file) + file_bytes(journal, journal_log_file);
    ret->floor = atomic_load(&journal->floor);
    ret->last = atomic_load(&journal->last);
    ret->generations = ret->last - ret->floor;
    return STORAGE_OK;
}

void journal_grown(struct journal *journal, uint64_t bytes)
{
    pthread_mutex_lock(&journal->lock);
    journal->used_most += bytes < UINT64_MAX - journal->used_most ? bytes : 0;
    pthread_mutex_unlock(&journal->lock);
}

/* The bound leaves room for it. */
static bool surely_within(struct journal *journal, uint64_t bytes)
{
    uint64_t most;

    pthread_mutex_lock(&journal->lock);
    most = journal->used_most;
    pthread_mutex_unlock(&journal->lock);
    return most <= journal->options.bytes_max && bytes <= journal->options.bytes_max - most;
}

enum storage_status journal_within(struct journal *journal, uint64_t bytes,
                                   struct storage_fault *fault)
{
    uint64_t bytes_max = journal->options.bytes_max, used;
    enum storage_status status;

    if (bytes_max == 0 || surely_within(journal, bytes))
        return STORAGE_OK;
    status = used_bytes(journal, &used, fault);
    if (status == STORAGE_OK && (used >= bytes_max || bytes > bytes_max - used))
        return storage_fault_set(fault, STORAGE_LIMIT, journal_file, 0,
                                 "the journal holds %" PRIu64 " bytes and may hold %" PRIu64
                                 "; the update needs up to %" PRIu64, used, bytes_max, bytes);
    return status;
}

/* The disk has been asked just now, and what has been granted since is little beside what it keeps free. */
static bool disk_was_asked(struct journal *journal, uint64_t bytes, uint64_t now_ns)
{
    bool was;

    pthread_mutex_lock(&journal->lock);
    was = now_ns - journal->disk_asked_ns < DISK_ANSWER_NS && journal->disk_room > bytes;
    if (was)
        journal->disk_room -= bytes;
    pthread_mutex_unlock(&journal->lock);
    return was;
}

enum storage_status journal_room(struct journal *journal, uint64_t bytes,
                                 struct storage_fault *fault)
{
    enum storage_status status = journal_within(journal, bytes, fault);
    uint64_t now_ns = clock_now_ns(), left;
    struct statvfs disk;

    if (status != STORAGE_OK || disk_was_asked(journal, bytes, now_ns) ||
        fstatvfs(journal->dir->fd, &disk) != 0)
        return status;
    left = (uint64_t)disk.f_bavail * disk.f_frsize;
    /* Once in the log and once, later, in the database. */
    if (left < DISK_RESERVE_BYTES || bytes > (left - DISK_RESERVE_BYTES) / 2)
        return storage_fault_set(fault, STORAGE_NO_SPACE, journal_file, 0,
                                 "the disk has %" PRIu64 " bytes left, of which %" PRIu64
                                 " stay free; the update may need twice %" PRIu64,
                                 left, (uint64_t)DISK_RESERVE_BYTES, bytes);
    pthread_mutex_lock(&journal->lock);
    journal->disk_asked_ns = now_ns;
    journal->disk_room = DISK_ANSWER_BYTES;
    pthread_mutex_unlock(&journal->lock);
    return STORAGE_OK;
}
