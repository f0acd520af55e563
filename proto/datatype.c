/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/datatype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
    const char *tf_name;
} types[] = {
    {"", 0, "DT_INVALID"},
#define X(name, size, tf) {#name, size, tf},
    WIRE_TYPE_MAP(X)
#undef X
};

enum { TYPES = sizeof(types) / sizeof(types[0]) };

enum wire_type wire_type_find(const char *name, size_t length)
{
    int i;

    for (i = 1; i < TYPES; i++)
        if (strlen(types[i].name) == length && memcmp(types[i].name, name, length) == 0)
            return (enum wire_type)i;
    return WIRE_NONE;
}

const char *wire_type_name(enum wire_type type)
{
    return (unsigned)type < TYPES ? types[type].name : "";
}

const char *wire_type_tf_name(enum wire_type type)
{
    return types[(unsigned)type < TYPES ? type : WIRE_NONE].tf_name;
}

size_t wire_type_bytes(enum wire_type type)
{
    return (unsigned)type < TYPES ? types[type].bytes : 0;
}
