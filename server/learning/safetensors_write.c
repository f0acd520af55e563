/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/safetensors.h"

#include <string.h>

const char *safetensors_dtype_name(enum dtype dtype)
{
    static const char *const names[] = {
        [DTYPE_F32] = "F32", [DTYPE_U8] = "U8",   [DTYPE_I8] = "I8",   [DTYPE_U16] = "U16",
        [DTYPE_I16] = "I16", [DTYPE_I32] = "I32", [DTYPE_I64] = "I64", [DTYPE_BOOL] = "BOOL",
        [DTYPE_F16] = "F16", [DTYPE_F64] = "F64", [DTYPE_U32] = "U32", [DTYPE_U64] = "U64",
        [DTYPE_BF16] = "BF16",
    };

    return (size_t)dtype < sizeof(names) / sizeof(names[0]) ? names[dtype] : NULL;
}

static enum storage_status check(const struct named_tensor *tensor, struct storage_fault *fault)
{
    size_t bytes, length = strlen(tensor->name);

    if (length == 0 || length > SAFETENSORS_NAME_BYTES_MAX)
        return storage_fault_set(fault, STORAGE_LIMIT, NULL, 0,
                                 "a tensor's name has %zu bytes; expected 1 to %d", length,
                                 SAFETENSORS_NAME_BYTES_MAX);
    if (safetensors_dtype_name(tensor->dtype) == NULL)
        return storage_fault_set(fault, STORAGE_LIMIT, NULL, 0, "tensor '%.100s' has type %s",
                                 tensor->name, dtype_name(tensor->dtype));
    if (!shape_check(&tensor->shape, dtype_size(tensor->dtype), &bytes) || bytes != tensor->bytes)
        return storage_fault_set(fault, STORAGE_LIMIT, NULL, 0,
                                 "tensor '%.100s' has %zu bytes, which its shape does not say",
                                 tensor->name, tensor->bytes);
    return STORAGE_OK;
}

static void put_notes(struct text *header, const struct safetensors_note *notes, size_t n_notes)
{
    text_puts(header, "\"__metadata__\":{");
    for (size_t i = 0; i < n_notes; i++) {
        if (i > 0)
            text_puts(header, ",");
        text_json_string(header, notes[i].name, strlen(notes[i].name));
        text_puts(header, ":");
        text_json_string(header, notes[i].value, strlen(notes[i].value));
    }
    text_puts(header, "}");
}

static void put_tensor(struct text *header, const struct named_tensor *tensor, size_t at)
{
    text_json_string(header, tensor->name, strlen(tensor->name));
    text_printf(header, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_dtype_name(tensor->dtype));
    for (int i = 0; i < tensor->shape.rank; i++)
        text_printf(header, i > 0 ? ",%lld" : "%lld", (long long)tensor->shape.dims[i]);
    text_printf(header, "],\"data_offsets\":[%zu,%zu]}", at, at + tensor->bytes);
}

enum storage_status safetensors_write_header(const struct named_tensor *tensors, size_t n_tensors,
                                             const struct safetensors_note *notes, size_t n_notes,
                                             struct text *header, struct storage_fault *fault)
{
    enum { LENGTH_BYTES = 8 };
    uint64_t length;
    size_t at = 0;

    if (n_tensors > SAFETENSORS_TENSORS_MAX || n_notes > SAFETENSORS_NOTES_MAX)
        return storage_fault_set(fault, STORAGE_LIMIT, NULL, 0, "%zu tensors; at most %d are stored",
                                 n_tensors, SAFETENSORS_TENSORS_MAX);
    text_append(header, "\0\0\0\0\0\0\0", LENGTH_BYTES);
    text_puts(header, "{");
    put_notes(header, notes, n_notes);
    for (size_t i = 0; i < n_tensors; i++) {
        enum storage_status status = check(&tensors[i], fault);

        if (status != STORAGE_OK)
            return status;
        if (tensors[i].bytes > SIZE_MAX / 2 - at)
            return storage_fault_set(fault, STORAGE_LIMIT, NULL, 0, "the tensors are too large");
        text_puts(header, ",");
        put_tensor(header, &tensors[i], at);
        at += tensors[i].bytes;
    }
    text_puts(header, "}");
    while (!header->failed && header->length % 8 != 0)
        text_puts(header, " ");
    if (header->failed)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for a header");
    length = header->length - LENGTH_BYTES;
    if (length > SAFETENSORS_HEADER_BYTES_MAX)
        return storage_fault_set(fault, STORAGE_LIMIT, NULL, 0, "the header has %llu bytes",
                                 (unsigned long long)length);
    for (int i = 0; i < LENGTH_BYTES; i++)
        header->data[i] = (char)(length >> (8 * i));
    return STORAGE_OK;
}
