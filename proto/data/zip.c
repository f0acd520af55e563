/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data/zip.h"

#include "proto/utf8.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22,
    END_COMMENT_MAX = 65535,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    DIRECTORY_BYTES_MAX = 16 << 20,
    METHOD_STORED = 0,
    METHOD_DEFLATED = 8,
    FLAG_ENCRYPTED = 1,
};
#define END_MAGIC UINT32_C(0x06054b50)
#define LOCATOR_MAGIC UINT32_C(0x07064b50)
#define END64_MAGIC UINT32_C(0x06064b50)
#define ENTRY_MAGIC UINT32_C(0x02014b50)
#define LOCAL_MAGIC UINT32_C(0x04034b50)

struct directory {
    uint64_t offset, bytes, members;
};

static bool bad(struct problem *problem, const char *text)
{
    return problem_set(problem, 400, "bad_data", "%s", text);
}

static bool no_memory(struct problem *problem)
{
    return problem_set(problem, 507, "no_memory", "out of memory");
}

/* The machine is little-endian, as the format is. */
static uint16_t u16(const unsigned char *p)
{
    uint16_t value;

    memcpy(&value, p, sizeof(value));
    return value;
}

static uint32_t u32(const unsigned char *p)
{
    uint32_t value;

    memcpy(&value, p, sizeof(value));
    return value;
}

static uint64_t u64(const unsigned char *p)
{
    uint64_t value;

    memcpy(&value, p, sizeof(value));
    return value;
}

/* Where the 64-bit end record says that the directory is. */
static bool find_directory64(const struct storage *storage, uint64_t end, struct directory *ret,
                             struct problem *problem)
{
    unsigned char locator[LOCATOR_BYTES], record[END64_BYTES];

    if (end < LOCATOR_BYTES ||
        !storage_read(storage, end - LOCATOR_BYTES, locator, sizeof(locator), problem) ||
        u32(locator) != LOCATOR_MAGIC ||
        !storage_read(storage, u64(locator + 8), record, sizeof(record), problem) ||
        u32(record) != END64_MAGIC)
        return bad(problem, "its 64-bit directory is not where it should be");
    *ret = (struct directory){u64(record + 48), u64(record + 40), u64(record + 32)};
    return true;
}

static bool find_directory(const struct storage *storage, struct directory *ret,
                           struct problem *problem)
{
    const size_t most = END_BYTES + END_COMMENT_MAX;
    size_t n = storage->length < most ? (size_t)storage->length : most, i;
    unsigned char *tail = malloc(n + 1);
    bool good = false;

    if (tail == NULL)
        return no_memory(problem);
    if (!storage_read(storage, storage->length - n, tail, n, problem)) {
        free(tail);
        return false;
    }
    for (i = n >= END_BYTES ? n - END_BYTES + 1 : 0; i-- > 0;)
        if (u32(tail + i) == END_MAGIC && u16(tail + i + 20) == n - END_BYTES - i)
            break;
    if (i == (size_t)-1) {
        bad(problem, "it has no end of a ZIP file");
    } else if (u16(tail + i + 4) != 0 && u16(tail + i + 4) != 0xffff) {
        bad(problem, "it is one of several parts of a ZIP file");
    } else if (u16(tail + i + 10) == 0xffff || u32(tail + i + 12) == UINT32_MAX ||
               u32(tail + i + 16) == UINT32_MAX) {
        good = find_directory64(storage, storage->length - n + i, ret, problem);
    } else {
        *ret = (struct directory){u32(tail + i + 16), u32(tail + i + 12), u16(tail + i + 10)};
        good = true;
    }
    free(tail);
    return good;
}

/* Sizes that do not fit 32 bits stand in the extra field of number 1, in this order. */
static bool read_extra(const unsigned char *extra, size_t n, struct zip_member *member,
                       struct problem *problem)
{
    uint64_t *wanted[3];
    int n_wanted = 0, i;
    size_t size;

    if (member->length == UINT32_MAX)
        wanted[n_wanted++] = &member->length;
    if (member->packed == UINT32_MAX)
        wanted[n_wanted++] = &member->packed;
    if (member->header == UINT32_MAX)
        wanted[n_wanted++] = &member->header;
    for (; n_wanted > 0 && n >= 4; extra += 4 + size, n -= 4 + size) {
        size = u16(extra + 2);
        if (size > n - 4)
            break;
        if (u16(extra) != 1)
            continue;
        if (size < 8 * (size_t)n_wanted)
            break;
        for (i = 0; i < n_wanted; i++)
            *wanted[i] = u64(extra + 4 + 8 * i);
        return true;
    }
    return n_wanted == 0 || bad(problem, "a member lacks its 64-bit sizes");
}

/* One entry at `p` of `n` bytes; returns its size, 0 on failure. */
static size_t read_entry(const unsigned char *p, size_t n, struct zip_member *ret,
                         struct problem *problem)
{
    size_t name, extra, total;

    if (n < ENTRY_BYTES || u32(p) != ENTRY_MAGIC)
        return bad(problem, "its directory is damaged");
    name = u16(p + 28);
    extra = u16(p + 30);
    total = ENTRY_BYTES + name + extra + u16(p + 32);
    if (total > n)
        return bad(problem, "its directory is damaged");
    if (name > ZIP_NAME_BYTES_MAX || !utf8_valid((const char *)p + ENTRY_BYTES, name) ||
        memchr(p + ENTRY_BYTES, '\0', name) != NULL)
        return bad(problem, "a member's name is too long or not UTF-8");
    if ((u16(p + 8) & FLAG_ENCRYPTED) != 0)
        return bad(problem, "a member is encrypted");
    *ret = (struct zip_member){
        .method = u16(p + 10),
        .crc = u32(p + 16),
        .packed = u32(p + 20),
        .length = u32(p + 24),
        .header = u32(p + 42),
    };
    if (!read_extra(p + ENTRY_BYTES + name, extra, ret, problem))
        return 0;
    ret->name = strndup((const char *)p + ENTRY_BYTES, name);
    if (ret->name == NULL)
        return no_memory(problem);
    return total;
}

bool zip_open(const struct storage *storage, struct zip *ret_zip, struct problem *problem)
{
    struct zip zip = {.storage = *storage};
    struct directory directory = {0};
    unsigned char *bytes;
    size_t at = 0, size;

    if (!find_directory(storage, &directory, problem))
        return false;
    if (directory.members > ZIP_MEMBERS_MAX || directory.bytes > DIRECTORY_BYTES_MAX)
        return bad(problem, "it has too many members");
    bytes = malloc((size_t)directory.bytes + 1);
    zip.members = calloc((size_t)directory.members + 1, sizeof(zip.members[0]));
    if (bytes == NULL || zip.members == NULL) {
        no_memory(problem);
        goto fail;
    }
    if (!storage_read(storage, directory.offset, bytes, (size_t)directory.bytes, problem))
        goto fail;
    for (; zip.n_members < (int)directory.members; zip.n_members++, at += size) {
        size = read_entry(bytes + at, (size_t)directory.bytes - at, &zip.members[zip.n_members],
                          problem);
        if (size == 0)
            goto fail;
    }
    free(bytes);
    *ret_zip = zip;
    return true;
fail:
    free(bytes);
    zip_finish(&zip);
    return false;
}

void zip_finish(struct zip *zip)
{
    for (int i = 0; i < zip->n_members; i++)
        free(zip->members[i].name);
    free(zip->members);
    *zip = (struct zip){0};
}

struct source *zip_source(const struct zip *zip, int index, struct problem *problem)
{
    const struct zip_member *member = &zip->members[index];
    unsigned char local[LOCAL_BYTES];
    struct source *source;
    uint64_t begin;

    if (!storage_read(&zip->storage, member->header, local, sizeof(local), problem))
        return NULL;
    begin = member->header + LOCAL_BYTES;
    if (u32(local) == LOCAL_MAGIC)
        begin += (uint64_t)u16(local + 26) + u16(local + 28);
    if (u32(local) != LOCAL_MAGIC || begin > zip->storage.length ||
        member->packed > zip->storage.length - begin) {
        bad(problem, "a member is not where the directory says");
        return NULL;
    }
    if (member->method != METHOD_STORED && member->method != METHOD_DEFLATED) {
        problem_set(problem, 400, "bad_data",
                    "a member is packed by method %d; stored (0) or deflated (8) is expected",
                    member->method);
        return NULL;
    }
    source = source_unpack(source_create(&zip->storage, begin, member->packed),
                           member->method == METHOD_STORED ? PACKED_STORED : PACKED_DEFLATE,
                           member->length, member->crc);
    if (source == NULL)
        no_memory(problem);
    return source;
}
