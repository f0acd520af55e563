/* SPDX-License-Identifier: Apache-2.0
 * proto/data/npy.h - arrays as NumPy saves them (format 1 to 3), read into tensors: booleans,
 * integers and floats of little-endian byte order, and strings (S, U) as BYTES. table.h reads them
 * as rows. */
#ifndef PROTO_DATA_NPY_H
#define PROTO_DATA_NPY_H

#include "proto/message_memory.h"
#include "proto/wire_tensor.h"

/* The header of a file: a Python dictionary as text. */
struct npy_header {
    char kind; /* 'f', 'i', 'u', 'b', 'S', 'U' */
    size_t item_bytes;
    bool column_major;
    int rank;
    int64_t dims[WIRE_RANK_MAX];
    enum wire_type type;
};

enum { NPY_PREFIX_BYTES = 12, NPY_HEADER_BYTES_MAX = 1 << 20 };

/* Reads the bytes of a file. Row-major data stays in `bytes`; what must be rearranged (column-major
 * arrays, strings) lives in `memory`. False with `problem` for a file that is no .npy or holds what
 * we do not take. The tensor has no name. */
bool npy_read(const void *bytes, size_t length, struct message_memory *memory,
              struct wire_tensor *ret_tensor, struct problem *problem);

/* Where the data begin, by the first NPY_PREFIX_BYTES of a file; 0 with `problem`. */
size_t npy_data_offset(const unsigned char *prefix, struct problem *problem);
/* Parses `length` bytes from the front of a file, at least all before the data, and returns where
 * the data begin; 0 with `problem`. */
size_t npy_parse_header(const unsigned char *bytes, size_t length, struct npy_header *ret_header,
                        struct problem *problem);
/* Column-major to row-major, item by item: `count` items in all. */
void npy_rearrange(const char *from, char *to, const struct npy_header *header, int64_t count);
/* One string of fixed width: zeros at its end are padding, UCS-4 becomes UTF-8. Written to `to`, which
 * has room for item_bytes. */
bool npy_string(const char *item, const struct npy_header *header, char *to,
                struct wire_bytes *ret_bytes, struct problem *problem);

#endif
