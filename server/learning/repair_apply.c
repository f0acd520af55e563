/* SPDX-License-Identifier: Apache-2.0
 * server/learning/repair_apply.c - what repair.c has found is done: the new journal is written beside the
 * old one, the old one and what else does not hold are moved aside, the new one gets its name and witness,
 * and is opened as the daemon will open it. */
#include "server/learning/repair.h"

#include "server/clock.h"
#include "server/learning/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum storage_status set_aside(const struct storage_dir *dir, struct repair *repair,
                                     struct storage_fault *fault)
{
    enum storage_status status = STORAGE_OK;
    int fd;

    snprintf(repair->aside, sizeof(repair->aside), "damaged-%" PRId64, clock_unix_ms());
    if (mkdirat(dir->fd, repair->aside, 0700) != 0)
        return storage_fault_errno(fault, repair->aside, "make it", errno);
    fd = openat(dir->fd, repair->aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return storage_fault_errno(fault, repair->aside, "open it", errno);
    for (size_t i = 0; status == STORAGE_OK && i < repair->n_names; i++)
        if (renameat(dir->fd, repair->names[i], fd, repair->names[i]) != 0 && errno != ENOENT)
            status = storage_fault_errno(fault, repair->names[i], "set it aside", errno);
    if (status == STORAGE_OK && fsync(fd) != 0)
        status = storage_fault_errno(fault, repair->aside, "sync it", errno);
    close(fd);
    return status == STORAGE_OK ? storage_dir_sync(dir, fault) : status;
}

static enum storage_status put_in_place(const struct storage_dir *dir, const struct repair *repair,
                                        const struct salvage_reach *reach,
                                        struct storage_fault *fault)
{
    struct head_note note = {.generation = reach->last, .chain = reach->chain};
    struct head head;
    enum storage_status status;

    if (renameat(dir->fd, repair_remade, dir->fd, journal_file) != 0)
        return storage_fault_errno(fault, journal_file, "put it in its place", errno);
    memcpy(note.identity, repair->anchor.identity, sizeof(note.identity));
    status = head_create(dir, &note, &head, fault);
    if (status == STORAGE_OK)
        head_close(&head);
    return status == STORAGE_OK ? storage_dir_sync(dir, fault) : status;
}

/* The proof: it opens as the daemon will open it. */
static enum storage_status prove(const struct storage_dir *dir, const struct repair *repair,
                                 struct storage_fault *fault)
{
    const struct journal_options options = {.base = repair->anchor.base};
    struct journal *journal = NULL;
    enum storage_status status = journal_open(dir, &options, &journal, fault);

    if (status == STORAGE_OK && journal_last(journal) != repair->kept)
        status = storage_fault_set(fault, STORAGE_DAMAGED, journal_file, 0,
                                   "%s: it was to end at generation %" PRIu64, journal_file,
                                   repair->kept);
    journal_close(journal);
    return status;
}

enum storage_status repair_apply(const struct storage_dir *dir, struct repair *repair,
                                 struct storage_fault *fault)
{
    struct salvage_reach reach = {.last = repair->anchor.generation, .chain = repair->anchor.chain};
    struct storage_fault ignored = {0};
    struct salvage *salvage = NULL;
    enum storage_status status = STORAGE_OK;

    if (repair_is_whole(repair))
        return STORAGE_OK;
    if (repair->remake && repair->keeps && storage_file_exists(dir, journal_file)) {
        if (repair->kept > repair->anchor.generation) {
            salvage = salvage_open(dir, journal_file, fault);
            if (salvage == NULL)
                return fault->status;
        } else {
            salvage = salvage_open(dir, journal_file, &ignored);   /* for its answers, if it opens */
        }
        reach = salvage_walk(repair->kept > repair->anchor.generation ? salvage : NULL,
                             &repair->anchor, repair->kept, &ignored);
        status = salvage_write(salvage, dir, repair_remade, &repair->anchor, repair->kept, fault);
        salvage_close(salvage);
    } else if (repair->remake && repair->keeps && !storage_file_exists(dir, repair_remade)) {
        status = salvage_write(NULL, dir, repair_remade, &repair->anchor, repair->kept, fault);
    } else if (repair->remake && repair->keeps) {
        salvage = salvage_open(dir, repair_remade, fault);     /* an interrupted repair had got that far */
        reach = salvage_walk(salvage, &repair->anchor, repair->kept, &ignored);
        salvage_close(salvage);
    }
    if (status == STORAGE_OK)
        status = storage_dir_sync(dir, fault);
    if (status == STORAGE_OK)
        status = set_aside(dir, repair, fault);
    if (status != STORAGE_OK || !repair->remake || !repair->keeps)
        return status;
    status = put_in_place(dir, repair, &reach, fault);
    return status == STORAGE_OK ? prove(dir, repair, fault) : status;
}
