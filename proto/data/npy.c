/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/data/npy.h"

#include "proto/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool bad(struct problem *problem, const char *text)
{
    return problem_set(problem, 400, "bad_npy", "%s", text);
}

/* After 'key': in the text, or NULL. */
static const char *find_key(const char *text, const char *key)
{
    const char *found = strstr(text, key);

    if (found == NULL)
        return NULL;
    found += strlen(key);
    while (*found == ' ')
        found++;
    if (*found != ':')
        return NULL;
    found++;
    while (*found == ' ')
        found++;
    return found;
}

static bool parse_descr(const char *p, struct npy_header *header, struct problem *problem)
{
    char *end;
    unsigned long size;

    if (p == NULL || *p != '\'')
        return bad(problem, "its header has no simple 'descr': records are not read");
    p++;
    if (*p == '>')
        return bad(problem,
                   "it is big-endian: save it as array.astype(array.dtype.newbyteorder('<'))");
    if (*p != '<' && *p != '|' && *p != '=')
        return bad(problem, "its 'descr' is malformed");
    header->kind = p[1];
    size = isdigit((unsigned char)p[1 + (p[1] != '\0')]) ? strtoul(p + 2, &end, 10) : 0;
    if (size == 0 || size > 1 << 20 || *end != '\'')
        return bad(problem, "its element type is not one that tensors have");
    header->item_bytes = size * (header->kind == 'U' ? 4 : 1);
    return true;
}

static bool parse_shape(const char *p, struct npy_header *header, struct problem *problem)
{
    char *end;
    long long dim;

    if (p == NULL || *p != '(')
        return bad(problem, "its header has no 'shape'");
    for (p++; *p != ')';) {
        if (!isdigit((unsigned char)*p))
            return bad(problem, "its 'shape' is malformed");
        dim = strtoll(p, &end, 10);
        if (header->rank == WIRE_RANK_MAX || dim < 0)
            return bad(problem, "it has too many dimensions");
        header->dims[header->rank++] = dim;
        for (p = end; *p == ' ' || *p == ',' || *p == 'L'; p++)
            ;
    }
    return true;
}

static enum wire_type type_of(const struct npy_header *header)
{
    static const struct {
        char kind;
        size_t bytes;
        enum wire_type type;
    } types[] = {
        {'b', 1, WIRE_BOOL},   {'u', 1, WIRE_UINT8}, {'u', 2, WIRE_UINT16}, {'u', 4, WIRE_UINT32},
        {'u', 8, WIRE_UINT64}, {'i', 1, WIRE_INT8},  {'i', 2, WIRE_INT16},  {'i', 4, WIRE_INT32},
        {'i', 8, WIRE_INT64},  {'f', 2, WIRE_FP16},  {'f', 4, WIRE_FP32},   {'f', 8, WIRE_FP64},
    };
    size_t i;

    if (header->kind == 'S' || header->kind == 'U')
        return WIRE_BYTES;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].kind == header->kind && types[i].bytes == header->item_bytes)
            return types[i].type;
    return WIRE_NONE;
}

size_t npy_data_offset(const unsigned char *prefix, struct problem *problem)
{
    size_t text_length, start = 10;

    if (memcmp(prefix, "\x93NUMPY", 6) != 0)
        return bad(problem, "it is no .npy file");
    if (prefix[6] < 1 || prefix[6] > 3)
        return bad(problem, "its version of the .npy format is unknown");
    text_length = prefix[8] | (size_t)prefix[9] << 8;
    if (prefix[6] > 1) {
        text_length |= (size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
        start = 12;
    }
    if (text_length > NPY_HEADER_BYTES_MAX)
        return bad(problem, "its header is too long");
    return start + text_length;
}

size_t npy_parse_header(const unsigned char *bytes, size_t length, struct npy_header *ret_header,
                        struct problem *problem)
{
    struct npy_header header = {0};
    size_t start, data;
    const char *order;
    bool good = false;
    char *text;

    if (length < NPY_PREFIX_BYTES)
        return bad(problem, "it is no .npy file");
    data = npy_data_offset(bytes, problem);
    if (data == 0)
        return 0;
    if (data > length)
        return bad(problem, "it ends inside its header");
    start = bytes[6] > 1 ? 12 : 10;
    text = strndup((const char *)bytes + start, data - start);
    if (text == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    order = find_key(text, "'fortran_order'");
    if (order == NULL)
        bad(problem, "its header has no 'fortran_order'");
    else
        good = parse_descr(find_key(text, "'descr'"), &header, problem) &&
               parse_shape(find_key(text, "'shape'"), &header, problem);
    header.column_major = order != NULL && strncmp(order, "True", 4) == 0;
    free(text);
    header.type = type_of(&header);
    if (good && header.type == WIRE_NONE)
        good = bad(problem, "its element type is not one that tensors have");
    *ret_header = header;
    return good ? data : 0;
}

void npy_rearrange(const char *from, char *to, const struct npy_header *header, int64_t count)
{
    int64_t index[WIRE_RANK_MAX] = {0};
    int64_t offset, stride, i;
    int d;

    for (i = 0; i < count; i++) {
        offset = 0;
        stride = 1;
        for (d = 0; d < header->rank; d++) {
            offset += index[d] * stride;
            stride *= header->dims[d];
        }
        memcpy(to + (size_t)i * header->item_bytes, from + (size_t)offset * header->item_bytes,
               header->item_bytes);
        for (d = header->rank - 1; d >= 0 && ++index[d] == header->dims[d]; d--)
            index[d] = 0;
    }
}

bool npy_string(const char *item, const struct npy_header *header, char *to,
                struct wire_bytes *ret_bytes, struct problem *problem)
{
    size_t length = header->item_bytes, i;
    uint32_t rune;
    char *out = to;

    if (header->kind == 'S') {
        while (length > 0 && item[length - 1] == '\0')
            length--;
        memcpy(to, item, length);
        *ret_bytes = (struct wire_bytes){to, length};
        return true;
    }
    for (i = 0; i < length; i += 4) {
        memcpy(&rune, item + i, 4);
        if (rune == 0)
            break;
        if (rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
            return bad(problem, "it has a string that is not Unicode");
        out += utf8_write(rune, out);
    }
    *ret_bytes = (struct wire_bytes){to, (size_t)(out - to)};
    return true;
}

static bool read_strings(const char *data, const struct npy_header *header,
                         struct message_memory *memory, struct wire_tensor *tensor,
                         struct problem *problem)
{
    size_t count = (size_t)tensor->count, i;
    struct wire_bytes *elements = message_memory_take_block(memory, count * sizeof(elements[0]));
    char *text = message_memory_take_block(memory, count * header->item_bytes);

    if (elements == NULL || text == NULL)
        return problem_set(problem, 507, "no_memory", "out of memory");
    for (i = 0; i < count; i++)
        if (!npy_string(data + i * header->item_bytes, header, text + i * header->item_bytes,
                        &elements[i], problem))
            return false;
    tensor->data = elements;
    tensor->owned = true;
    return true;
}

bool npy_read(const void *bytes, size_t length, struct message_memory *memory,
              struct wire_tensor *ret_tensor, struct problem *problem)
{
    struct npy_header header = {0};
    struct wire_tensor tensor = {0};
    const char *data = bytes;
    size_t start = npy_parse_header(bytes, length, &header, problem);
    char *copy;

    if (start == 0)
        return false;
    data += start;
    tensor.type = header.type;
    tensor.rank = header.rank;
    memcpy(tensor.dims, header.dims, sizeof(tensor.dims));
    if (!wire_count(tensor.dims, tensor.rank, header.item_bytes + sizeof(struct wire_bytes),
                    &tensor.count) ||
        (size_t)tensor.count * header.item_bytes != length - start)
        return bad(problem, "its length is not what its shape says");
    if (header.column_major || (uintptr_t)data % 8 != 0) {
        copy = message_memory_take_block(memory, length - start);
        if (copy == NULL)
            return problem_set(problem, 507, "no_memory", "out of memory");
        if (header.column_major)
            npy_rearrange(data, copy, &header, tensor.count);
        else
            memcpy(copy, data, length - start);
        data = copy;
    }
    if (tensor.type == WIRE_BYTES && !read_strings(data, &header, memory, &tensor, problem))
        return false;
    if (tensor.type != WIRE_BYTES)
        tensor.data = (void *)(uintptr_t)data;
    *ret_tensor = tensor;
    return true;
}
