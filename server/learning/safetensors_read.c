/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/safetensors.h"

#include <stdlib.h>
#include <string.h>

/* The JSON here has one shape: an object of objects whose members are known. So the reader is a
 * cursor and never recurses. */
struct reader {
    const char *file;
    const char *text;           /* the header */
    size_t length, at;
    uint64_t data_bytes;
    char *words_end;            /* where the next word is written; never behind the text read */
    struct safetensors *out;
    size_t tensors_capacity;
    struct storage_fault *fault;
};

static bool damaged(struct reader *reader, const char *what)
{
    storage_fault_set(reader->fault, STORAGE_DAMAGED, reader->file, 0, "%s: %s at byte %zu",
                      reader->file, what, reader->at + 8);
    return false;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->length && strchr(" \t\r\n", reader->text[reader->at]) != NULL &&
           reader->text[reader->at] != '\0')
        reader->at++;
}

static bool peek(struct reader *reader, char c)
{
    skip_blanks(reader);
    return reader->at < reader->length && reader->text[reader->at] == c;
}

static bool accept(struct reader *reader, char c)
{
    if (!peek(reader, c))
        return false;
    reader->at++;
    return true;
}

static bool expect(struct reader *reader, char c)
{
    char what[] = "expected ' '";

    what[10] = c;
    return accept(reader, c) || damaged(reader, what);
}

/* The four digits of \uXXXX; -1 if they are not. */
static int32_t read_unit(struct reader *reader)
{
    int32_t unit = 0;

    if (reader->length - reader->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = reader->text[reader->at++];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static void put_code_point(struct reader *reader, uint32_t code)
{
    char *out = reader->words_end;

    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    reader->words_end = out;
}

static bool read_escape(struct reader *reader)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found;
    int32_t unit, low;
    char c;

    if (reader->at >= reader->length)
        return damaged(reader, "a string ends within an escape");
    c = reader->text[reader->at++];
    found = c != '\0' ? strchr(from, c) : NULL;
    if (found != NULL) {
        *reader->words_end++ = to[found - from];
        return true;
    }
    unit = c == 'u' ? read_unit(reader) : -1;
    if (unit >= 0xd800 && unit < 0xdc00) {
        if (reader->length - reader->at < 2 || memcmp(reader->text + reader->at, "\\u", 2) != 0)
            return damaged(reader, "half of a surrogate pair");
        reader->at += 2;
        low = read_unit(reader);
        if (low < 0xdc00 || low > 0xdfff)
            return damaged(reader, "half of a surrogate pair");
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    } else if (unit <= 0 || (unit >= 0xdc00 && unit < 0xe000)) {
        return damaged(reader, "an escape that no name may have");
    }
    put_code_point(reader, (uint32_t)unit);
    return true;
}

/* A string's text into the words; NULL on damage. An escape is never shorter than what it means, and
 * each string has two quotes where its word has one NUL: the words never outgrow the header. */
static const char *read_string(struct reader *reader)
{
    const char *word = reader->words_end;

    if (!expect(reader, '"'))
        return NULL;
    while (reader->at < reader->length) {
        char c = reader->text[reader->at++];

        if (c == '"') {
            *reader->words_end++ = '\0';
            return word;
        }
        if ((unsigned char)c < 0x20) {
            damaged(reader, "a control character in a string");
            return NULL;
        }
        if (c != '\\')
            *reader->words_end++ = c;
        else if (!read_escape(reader))
            return NULL;
    }
    damaged(reader, "a string without an end");
    return NULL;
}

static bool read_number(struct reader *reader, uint64_t *ret)
{
    uint64_t number = 0;
    size_t start;

    skip_blanks(reader);
    start = reader->at;
    while (reader->at < reader->length && reader->text[reader->at] >= '0' &&
           reader->text[reader->at] <= '9') {
        uint64_t digit = (uint64_t)(reader->text[reader->at] - '0');

        if (number > (INT64_MAX - digit) / 10)
            return damaged(reader, "a number out of range");
        number = number * 10 + digit;
        reader->at++;
    }
    if (reader->at == start)
        return damaged(reader, "expected a number of digits");
    if (reader->text[start] == '0' && reader->at - start > 1)
        return damaged(reader, "a number with a leading zero");
    *ret = number;
    return true;
}

static bool read_dtype(struct reader *reader, struct named_tensor *tensor)
{
    const char *word = read_string(reader);

    if (word == NULL)
        return false;
    for (int dtype = DTYPE_F32; dtype <= DTYPE_BF16; dtype++) {
        const char *name = safetensors_dtype_name((enum dtype)dtype);

        if (name != NULL && strcmp(name, word) == 0) {
            tensor->dtype = (enum dtype)dtype;
            return true;
        }
    }
    return damaged(reader, "a type that is not known");
}

static bool read_shape(struct reader *reader, struct named_tensor *tensor)
{
    uint64_t number;

    if (!expect(reader, '['))
        return false;
    if (accept(reader, ']'))
        return true;
    do {
        if (!read_number(reader, &number))
            return false;
        if (tensor->shape.rank == SHAPE_RANK_MAX)
            return damaged(reader, "a shape of more than eight dimensions");
        tensor->shape.dims[tensor->shape.rank++] = (int64_t)number;
    } while (accept(reader, ','));
    return expect(reader, ']');
}

/* The data's place is kept in `data` as an offset until the tensor is checked. */
static bool read_tensor(struct reader *reader, struct named_tensor *tensor)
{
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };
    uint64_t begin = 0, end = 0;
    int seen = 0, member;
    size_t bytes;

    if (!expect(reader, '{'))
        return false;
    do {
        const char *name = read_string(reader);
        bool ok;

        if (name == NULL || !expect(reader, ':'))
            return false;
        member = strcmp(name, "dtype") == 0          ? DTYPE
                 : strcmp(name, "shape") == 0        ? SHAPE
                 : strcmp(name, "data_offsets") == 0 ? OFFSETS
                                                     : 0;
        if (member == 0 || (seen & member) != 0)
            return damaged(reader, "a member that is unknown or comes twice");
        seen |= member;
        if (member == DTYPE)
            ok = read_dtype(reader, tensor);
        else if (member == SHAPE)
            ok = read_shape(reader, tensor);
        else
            ok = expect(reader, '[') && read_number(reader, &begin) && expect(reader, ',') &&
                 read_number(reader, &end) && expect(reader, ']');
        if (!ok)
            return false;
    } while (accept(reader, ','));
    if (!expect(reader, '}'))
        return false;
    if (seen != ALL)
        return damaged(reader, "a tensor without dtype, shape or data_offsets");
    if (begin > end || end > reader->data_bytes)
        return damaged(reader, "data_offsets outside the file");
    if (!shape_check(&tensor->shape, dtype_size(tensor->dtype), &bytes) || bytes != end - begin)
        return damaged(reader, "data_offsets that shape and dtype do not fit");
    tensor->bytes = bytes;
    tensor->data = reader->text + reader->length + begin;
    return true;
}

static bool read_notes(struct reader *reader)
{
    struct safetensors *out = reader->out;

    if (out->notes != NULL)
        return damaged(reader, "__metadata__ twice");
    out->notes = calloc(SAFETENSORS_NOTES_MAX, sizeof(*out->notes));
    if (out->notes == NULL) {
        storage_fault_set(reader->fault, STORAGE_NO_MEMORY, reader->file, 0, "out of memory");
        return false;
    }
    if (!expect(reader, '{'))
        return false;
    if (accept(reader, '}'))
        return true;
    do {
        struct safetensors_note *note = &out->notes[out->n_notes];

        if (out->n_notes == SAFETENSORS_NOTES_MAX)
            return damaged(reader, "too many members of __metadata__");
        note->name = read_string(reader);
        if (note->name == NULL || !expect(reader, ':'))
            return false;
        note->value = read_string(reader);
        if (note->value == NULL)
            return false;
        for (size_t i = 0; i < out->n_notes; i++)
            if (strcmp(out->notes[i].name, note->name) == 0)
                return damaged(reader, "a member of __metadata__ twice");
        out->n_notes++;
    } while (accept(reader, ','));
    return expect(reader, '}');
}

static struct named_tensor *add_tensor(struct reader *reader)
{
    struct safetensors *out = reader->out;

    if (out->n_tensors == reader->tensors_capacity) {
        size_t capacity = reader->tensors_capacity == 0 ? 16 : 2 * reader->tensors_capacity;
        struct named_tensor *grown = NULL;

        if (capacity <= SAFETENSORS_TENSORS_MAX)
            grown = realloc(out->tensors, capacity * sizeof(*grown));
        if (grown == NULL) {
            storage_fault_set(reader->fault, STORAGE_LIMIT, reader->file, 0,
                              "%s: too many tensors for memory", reader->file);
            return NULL;
        }
        out->tensors = grown;
        reader->tensors_capacity = capacity;
    }
    memset(&out->tensors[out->n_tensors], 0, sizeof(*out->tensors));
    return &out->tensors[out->n_tensors++];
}

static bool read_header(struct reader *reader)
{
    if (reader->length == 0 || reader->text[0] != '{')
        return damaged(reader, "a header that is no JSON object");
    reader->at = 1;
    if (!accept(reader, '}')) {
        do {
            const char *name = read_string(reader);
            struct named_tensor *tensor;

            if (name == NULL || !expect(reader, ':'))
                return false;
            if (strcmp(name, "__metadata__") == 0) {
                if (!read_notes(reader))
                    return false;
                continue;
            }
            if (name[0] == '\0' || strlen(name) > SAFETENSORS_NAME_BYTES_MAX)
                return damaged(reader, "a name that is empty or too long");
            tensor = add_tensor(reader);
            if (tensor == NULL)
                return false;
            tensor->name = name;
            if (!read_tensor(reader, tensor))
                return false;
        } while (accept(reader, ','));
        if (!expect(reader, '}'))
            return false;
    }
    skip_blanks(reader);
    return reader->at == reader->length || damaged(reader, "bytes after the JSON object");
}

static int by_name(const void *a, const void *b)
{
    const struct named_tensor *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static int by_place(const void *a, const void *b)
{
    const struct named_tensor *left = a, *right = b;

    if (left->data != right->data)
        return (const char *)left->data < (const char *)right->data ? -1 : 1;
    return left->bytes < right->bytes ? -1 : left->bytes > right->bytes;
}

static bool check_tensors(struct reader *reader)
{
    struct named_tensor *tensors = reader->out->tensors;
    size_t n = reader->out->n_tensors;
    const char *next = reader->text + reader->length;

    if (n > 1)
        qsort(tensors, n, sizeof(*tensors), by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(tensors[i - 1].name, tensors[i].name) == 0)
            return damaged(reader, "two tensors of one name");
    if (n > 1)
        qsort(tensors, n, sizeof(*tensors), by_place);
    for (size_t i = 0; i < n; i++) {
        if (tensors[i].data != next)
            return damaged(reader, "data that overlaps or has gaps");
        next += tensors[i].bytes;
    }
    if (next != reader->text + reader->length + reader->data_bytes)
        return damaged(reader, "data that belongs to no tensor");
    return true;
}

enum storage_status safetensors_read(const char *file, const unsigned char *file_bytes, size_t bytes,
                                     struct safetensors *ret, struct storage_fault *fault)
{
    struct storage_fault local = {0};
    struct reader reader = {.file = file, .out = ret, .fault = fault != NULL ? fault : &local};
    uint64_t length = 0;

    memset(ret, 0, sizeof(*ret));
    if (bytes < 8)
        return storage_fault_set(fault, STORAGE_DAMAGED, file, 0, "%s: only %zu bytes", file, bytes);
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)file_bytes[i] << (8 * i);
    if (length > SAFETENSORS_HEADER_BYTES_MAX || length > bytes - 8)
        return storage_fault_set(fault, STORAGE_DAMAGED, file, 0,
                                 "%s: a header of %llu bytes in a file of %zu", file,
                                 (unsigned long long)length, bytes);
    reader.text = (const char *)file_bytes + 8;
    reader.length = (size_t)length;
    reader.data_bytes = bytes - 8 - length;
    ret->data_at = 8 + (size_t)length;
    ret->words = malloc((size_t)length + 1);
    if (ret->words == NULL)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, file, 0, "no memory to read %s", file);
    reader.words_end = ret->words;
    if (read_header(&reader) && check_tensors(&reader))
        return STORAGE_OK;
    safetensors_finish(ret);
    return reader.fault->status;
}

void safetensors_finish(struct safetensors *safetensors)
{
    free(safetensors->tensors);
    free(safetensors->notes);
    free(safetensors->words);
    memset(safetensors, 0, sizeof(*safetensors));
}

const char *safetensors_note(const struct safetensors *safetensors, const char *name)
{
    for (size_t i = 0; i < safetensors->n_notes; i++)
        if (strcmp(safetensors->notes[i].name, name) == 0)
            return safetensors->notes[i].value;
    return NULL;
}

const struct named_tensor *safetensors_find(const struct safetensors *safetensors, const char *name)
{
    for (size_t i = 0; i < safetensors->n_tensors; i++)
        if (strcmp(safetensors->tensors[i].name, name) == 0)
            return &safetensors->tensors[i];
    return NULL;
}
