/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* A slot has a sector of its own: magic, format, sequence, generation, identity, chain, digest. */
enum {
    SLOT_STRIDE = 512,
    SLOTS = 2,
    AT_FORMAT = 8,
    AT_SEQUENCE = 16,
    AT_GENERATION = 24,
    AT_IDENTITY = 32,
    AT_CHAIN = 48,
    AT_DIGEST = 80,
    SLOT_BYTES = 112,
    FORMAT = 1,
};

const char head_file[] = "journal.head";
static const char magic[8] = {'i', 'n', 'f', 'd', 'h', 'e', 'a', 'd'};

static void put(unsigned char *at, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(number >> (8 * i));
}

static uint64_t get(const unsigned char *at)
{
    uint64_t number = 0;

    for (int i = 0; i < 8; i++)
        number |= (uint64_t)at[i] << (8 * i);
    return number;
}

static void encode(unsigned char slot[SLOT_BYTES], uint64_t sequence, const struct head_note *note)
{
    struct digest digest;

    memcpy(slot, magic, sizeof(magic));
    put(slot + AT_FORMAT, FORMAT);
    put(slot + AT_SEQUENCE, sequence);
    put(slot + AT_GENERATION, note->generation);
    memcpy(slot + AT_IDENTITY, note->identity, sizeof(note->identity));
    memcpy(slot + AT_CHAIN, note->chain.bytes, sizeof(note->chain.bytes));
    digest = digest_of(slot, AT_DIGEST);
    memcpy(slot + AT_DIGEST, digest.bytes, sizeof(digest.bytes));
}

static bool decode(const unsigned char slot[SLOT_BYTES], uint64_t *ret_sequence,
                   struct head_note *ret_note)
{
    struct digest digest = digest_of(slot, AT_DIGEST);

    if (memcmp(digest.bytes, slot + AT_DIGEST, sizeof(digest.bytes)) != 0 ||
        memcmp(slot, magic, sizeof(magic)) != 0 || get(slot + AT_FORMAT) != FORMAT)
        return false;
    *ret_sequence = get(slot + AT_SEQUENCE);
    ret_note->generation = get(slot + AT_GENERATION);
    memcpy(ret_note->identity, slot + AT_IDENTITY, sizeof(ret_note->identity));
    memcpy(ret_note->chain.bytes, slot + AT_CHAIN, sizeof(ret_note->chain.bytes));
    return true;
}

enum storage_status head_open(const struct storage_dir *dir, struct head *ret,
                              struct storage_fault *fault)
{
    enum { FILE_BYTES = (SLOTS - 1) * SLOT_STRIDE + SLOT_BYTES };
    unsigned char bytes[FILE_BYTES];
    struct head_note note;
    uint64_t sequence;
    bool found = false;
    ssize_t n;

    memset(ret, 0, sizeof(*ret));
    ret->fd = openat(dir->fd, head_file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (ret->fd < 0 && errno == ENOENT)
        return STORAGE_NOT_FOUND;
    if (ret->fd < 0)
        return storage_fault_errno(fault, head_file, "open it", errno);
    do
        n = pread(ret->fd, bytes, sizeof(bytes), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        storage_fault_errno(fault, head_file, "read it", errno);
        head_close(ret);
        return STORAGE_IO;
    }
    for (int i = 0; i < SLOTS && n == FILE_BYTES; i++) {
        if (decode(bytes + i * SLOT_STRIDE, &sequence, &note) &&
            (!found || sequence > ret->sequence)) {
            ret->sequence = sequence;
            ret->note = note;
            found = true;
        }
    }
    if (found)
        return STORAGE_OK;
    head_close(ret);
    if (n == 0)
        return STORAGE_NOT_FOUND;
    return storage_fault_set(fault, STORAGE_DAMAGED, head_file, 0, "%s: neither of its slots holds",
                             head_file);
}

enum storage_status head_create(const struct storage_dir *dir, const struct head_note *note,
                                struct head *ret, struct storage_fault *fault)
{
    unsigned char bytes[SLOTS * SLOT_STRIDE] = {0};
    int error;

    memset(ret, 0, sizeof(*ret));
    ret->sequence = 2;
    ret->note = *note;
    encode(bytes + SLOT_STRIDE, 1, note);
    encode(bytes, 2, note);
    ret->fd = openat(dir->fd, head_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (ret->fd >= 0 && storage_pwrite_all(ret->fd, bytes, sizeof(bytes), 0) == 0 &&
        fsync(ret->fd) == 0)
        return STORAGE_OK;
    error = errno;
    head_close(ret);
    return storage_fault_errno(fault, head_file, "make it", error);
}

enum storage_status head_write(struct head *head, const struct head_note *note,
                               struct storage_fault *fault)
{
    unsigned char slot[SLOT_BYTES];
    uint64_t sequence = head->sequence + 1;

    encode(slot, sequence, note);
    if (storage_pwrite_all(head->fd, slot, sizeof(slot), (off_t)(sequence % SLOTS) * SLOT_STRIDE) != 0)
        return storage_fault_errno(fault, head_file, "write it", errno);
    head->sequence = sequence;
    head->note = *note;
    return STORAGE_OK;
}

enum storage_status head_sync(struct head *head, struct storage_fault *fault)
{
    if (fdatasync(head->fd) != 0)
        return storage_fault_errno(fault, head_file, "sync it", errno);
    return STORAGE_OK;
}

void head_close(struct head *head)
{
    if (head->fd >= 0)
        close(head->fd);
    head->fd = -1;
}
