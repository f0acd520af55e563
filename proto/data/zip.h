/* SPDX-License-Identifier: Apache-2.0
 * proto/data/zip.h - the members of a ZIP file (PKWARE's APPNOTE 6.3, with 64-bit sizes) that are
 * stored or deflated: what NumPy's savez and savez_compressed write. */
#ifndef PROTO_DATA_ZIP_H
#define PROTO_DATA_ZIP_H

#include "proto/data/source.h"

enum { ZIP_MEMBERS_MAX = 4096, ZIP_NAME_BYTES_MAX = 1024 };

struct zip_member {
    char *name; /* UTF-8, NUL-terminated */
    uint16_t method;
    uint32_t crc;
    uint64_t packed, length; /* bytes */
    uint64_t header;         /* where its local header begins */
};

struct zip {
    struct storage storage;
    struct zip_member *members;
    int n_members;
};

/* Reads the directory. False with `problem` and nothing held if it is no ZIP file, is damaged, in
 * several parts, or has too many members. */
bool zip_open(const struct storage *storage, struct zip *ret_zip, struct problem *problem);
void zip_finish(struct zip *zip);
/* The content of a member, to be destroyed; NULL with `problem`. */
struct source *zip_source(const struct zip *zip, int member, struct problem *problem);

#endif
