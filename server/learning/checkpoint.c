/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/learning/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The members of "__metadata__", in the order of the file. "sha256" is over the whole file with its
 * own 64 digits as '0'. */
enum { NOTE_FORMAT, NOTE_GENERATION, NOTE_TIME, NOTE_IDENTITY, NOTE_BASE, NOTE_CHAIN, NOTE_STATE,
       NOTE_TRAINER, NOTE_SHA, NOTES };

static const char *const note_names[NOTES] = {
    "inferd_checkpoint", "generation", "time_ms", "journal", "base_model_sha256",
    "journal_chain",     "state_sha256", "trainer", "sha256",
};
static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

struct digest checkpoint_state(const struct named_tensor *tensors, size_t n_tensors)
{
    struct digester digester;

    digest_start(&digester, "inferd state 1");
    digest_number(&digester, n_tensors);
    for (size_t i = 0; i < n_tensors; i++) {
        digest_text(&digester, tensors[i].name);
        digest_number(&digester, (uint64_t)tensors[i].dtype);
        digest_number(&digester, (uint64_t)tensors[i].shape.rank);
        for (int k = 0; k < tensors[i].shape.rank; k++)
            digest_number(&digester, (uint64_t)tensors[i].shape.dims[k]);
        digest_bytes(&digester, tensors[i].data, tensors[i].bytes);
    }
    return digest_finish(&digester);
}

void checkpoint_file_name(uint64_t generation, char name[STORAGE_FILE_NAME_MAX])
{
    snprintf(name, STORAGE_FILE_NAME_MAX, "checkpoint-%020" PRIu64 ".safetensors", generation);
}

void trained_file_name(uint64_t generation, char name[STORAGE_FILE_NAME_MAX])
{
    snprintf(name, STORAGE_FILE_NAME_MAX, "trained-%020" PRIu64 ".safetensors", generation);
}

static void identity_hex(const unsigned char *identity, char text[2 * STORAGE_IDENTITY_BYTES + 1])
{
    for (int i = 0; i < STORAGE_IDENTITY_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", identity[i]);
}

/* The header with its sha256 filled in. */
static enum storage_status make_header(const struct checkpoint_note *note,
                                       const struct named_tensor *tensors, size_t n_tensors,
                                       struct text *header, struct storage_fault *fault)
{
    char generation[24], time_ms[24], format[8], identity[2 * STORAGE_IDENTITY_BYTES + 1];
    char base[DIGEST_TEXT_BYTES + 1], chain[DIGEST_TEXT_BYTES + 1], state[DIGEST_TEXT_BYTES + 1];
    char sha[DIGEST_TEXT_BYTES + 1];
    struct digest digest = checkpoint_state(tensors, n_tensors);
    struct digester digester;
    struct safetensors_note notes[NOTES];
    enum storage_status status;
    char *place;

    for (int i = 0; i < NOTES; i++)
        notes[i].name = note_names[i];
    snprintf(format, sizeof(format), "%d", CHECKPOINT_FORMAT);
    snprintf(generation, sizeof(generation), "%" PRIu64, note->generation);
    snprintf(time_ms, sizeof(time_ms), "%" PRId64, note->time_ms);
    identity_hex(note->identity, identity);
    notes[NOTE_FORMAT].value = format;
    notes[NOTE_GENERATION].value = generation;
    notes[NOTE_TIME].value = time_ms;
    notes[NOTE_IDENTITY].value = identity;
    notes[NOTE_BASE].value = digest_hex(&note->base, base);
    notes[NOTE_CHAIN].value = digest_hex(&note->chain, chain);
    notes[NOTE_STATE].value = digest_hex(&digest, state);
    notes[NOTE_TRAINER].value = note->trainer != NULL ? note->trainer : "";
    notes[NOTE_SHA].value = zeros;
    status = safetensors_write_header(tensors, n_tensors, notes, NOTES, header, fault);
    if (status != STORAGE_OK)
        return status;
    /* The last member of "__metadata__": the trainer's words, which come before, cannot hold it,
     * as their quotes are escaped. */
    place = memmem(header->data, header->length, "\"sha256\":\"", 10);
    sha256_init(&digester.sha);
    digest_raw(&digester, header->data, header->length);
    for (size_t i = 0; i < n_tensors; i++)
        digest_raw(&digester, tensors[i].data, tensors[i].bytes);
    digest = digest_finish(&digester);
    memcpy(place + 10, digest_hex(&digest, sha), DIGEST_TEXT_BYTES);
    return STORAGE_OK;
}

static enum storage_status write_file(const struct storage_dir *dir, const char *name,
                                      const struct text *header, const struct named_tensor *tensors,
                                      size_t n_tensors, struct storage_fault *fault)
{
    struct iovec *parts = calloc(n_tensors + 1, sizeof(*parts));
    enum storage_status status;

    if (parts == NULL)
        return storage_fault_set(fault, STORAGE_NO_MEMORY, name, 0, "no memory to write %s", name);
    parts[0] = (struct iovec){header->data, header->length};
    for (size_t i = 0; i < n_tensors; i++)
        parts[i + 1] = (struct iovec){(void *)tensors[i].data, tensors[i].bytes};
    status = storage_file_write(dir, name, parts, n_tensors + 1, fault);
    free(parts);
    return status;
}

static enum storage_status write_named(const struct storage_dir *dir, const char *name,
                                       const struct checkpoint_note *note,
                                       const struct named_tensor *tensors, size_t n_tensors,
                                       uint64_t *ret_bytes, struct storage_fault *fault)
{
    struct text header;
    enum storage_status status;
    uint64_t bytes = 0;

    for (size_t i = 0; i < n_tensors; i++) {
        if (tensors[i].bytes == 0)
            return storage_fault_set(fault, STORAGE_LIMIT, name, 0,
                                     "tensor '%.100s' has no elements", tensors[i].name);
        bytes += tensors[i].bytes;
    }
    if (note->trainer != NULL && strlen(note->trainer) > CHECKPOINT_TRAINER_BYTES_MAX)
        return storage_fault_set(fault, STORAGE_LIMIT, name, 0, "the trainer's note has over %d bytes",
                                 CHECKPOINT_TRAINER_BYTES_MAX);
    text_init(&header);
    status = make_header(note, tensors, n_tensors, &header, fault);
    if (status == STORAGE_OK)
        status = write_file(dir, name, &header, tensors, n_tensors, fault);
    if (status == STORAGE_OK && ret_bytes != NULL)
        *ret_bytes = bytes + header.length;
    text_free(&header);
    return status;
}

enum storage_status checkpoint_write(const struct storage_dir *dir,
                                     const struct checkpoint_note *note,
                                     const struct named_tensor *tensors, size_t n_tensors,
                                     uint64_t *ret_bytes, struct storage_fault *fault)
{
    char name[STORAGE_FILE_NAME_MAX];

    checkpoint_file_name(note->generation, name);
    return write_named(dir, name, note, tensors, n_tensors, ret_bytes, fault);
}

enum storage_status trained_write(const struct storage_dir *dir, const struct checkpoint_note *note,
                                  const struct named_tensor *tensors, size_t n_tensors,
                                  struct storage_fault *fault)
{
    char name[STORAGE_FILE_NAME_MAX];

    trained_file_name(note->generation, name);
    return write_named(dir, name, note, tensors, n_tensors, NULL, fault);
}

/* ---- reading ---- */

static bool parse_number(const char *text, uint64_t *ret)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse_identity(const char *text, unsigned char *identity)
{
    for (int i = 0; i < STORAGE_IDENTITY_BYTES; i++) {
        unsigned int byte;

        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        identity[i] = (unsigned char)byte;
    }
    return text[2 * STORAGE_IDENTITY_BYTES] == '\0';
}

static bool parse_digest(const char *text, struct digest *digest)
{
    return strlen(text) == DIGEST_TEXT_BYTES && digest_parse(text, DIGEST_TEXT_BYTES, digest);
}

/* The file's digest against the one it carries, before anything in it is believed. */
static bool digest_holds(const unsigned char *bytes, size_t size)
{
    static const char key[] = "\"sha256\":\"";
    enum { KEY_BYTES = sizeof(key) - 1 };
    const unsigned char *place = NULL;
    struct digester digester;
    struct digest written, found;
    size_t at, header = size < SAFETENSORS_HEADER_BYTES_MAX ? size : SAFETENSORS_HEADER_BYTES_MAX;

    place = memmem(bytes, header, key, KEY_BYTES);
    if (place == NULL)
        return false;
    at = (size_t)(place - bytes) + KEY_BYTES;
    if (!digest_parse((const char *)bytes + at, size - at, &written))
        return false;
    sha256_init(&digester.sha);
    digest_raw(&digester, bytes, at);
    digest_raw(&digester, zeros, DIGEST_TEXT_BYTES);
    digest_raw(&digester, bytes + at + DIGEST_TEXT_BYTES, size - at - DIGEST_TEXT_BYTES);
    found = digest_finish(&digester);
    return digest_equal(&found, &written);
}

static enum storage_status parse_notes(const char *file, struct checkpoint *checkpoint,
                                       struct storage_fault *fault)
{
    struct checkpoint_note *note = &checkpoint->note;
    const char *values[NOTES];
    uint64_t format, time_ms;
    struct digest state;

    for (int i = 0; i < NOTES; i++) {
        values[i] = safetensors_note(&checkpoint->tensors, note_names[i]);
        if (values[i] == NULL)
            return storage_fault_set(fault, STORAGE_DAMAGED, file, 0, "%s: no '%s' in its metadata",
                                     file, note_names[i]);
    }
    if (!parse_number(values[NOTE_FORMAT], &format))
        return storage_fault_set(fault, STORAGE_DAMAGED, file, 0, "%s: no format number", file);
    if (format > CHECKPOINT_FORMAT)
        return storage_fault_set(fault, STORAGE_NEWER, file, 0,
                                 "%s: format %llu; this inferd knows %d", file,
                                 (unsigned long long)format, CHECKPOINT_FORMAT);
    if (!parse_number(values[NOTE_GENERATION], &note->generation) ||
        !parse_number(values[NOTE_TIME], &time_ms) ||
        !parse_identity(values[NOTE_IDENTITY], note->identity) ||
        !parse_digest(values[NOTE_BASE], &note->base) ||
        !parse_digest(values[NOTE_CHAIN], &note->chain) ||
        !parse_digest(values[NOTE_STATE], &note->state))
        return storage_fault_set(fault, STORAGE_DAMAGED, file, 0, "%s: malformed metadata", file);
    note->time_ms = (int64_t)time_ms;
    note->trainer = values[NOTE_TRAINER];
    state = checkpoint_state(checkpoint->tensors.tensors, checkpoint->tensors.n_tensors);
    if (!digest_equal(&state, &note->state))
        return storage_fault_set(fault, STORAGE_DAMAGED, file, note->generation,
                                 "%s: the tensors are not those of its state_sha256", file);
    return STORAGE_OK;
}

enum storage_status checkpoint_parse(const char *file, unsigned char *bytes, size_t size,
                                     struct checkpoint *ret, struct storage_fault *fault)
{
    enum storage_status status;

    memset(ret, 0, sizeof(*ret));
    ret->bytes = bytes;
    ret->size = size;
    if (!digest_holds(bytes, size))
        status = storage_fault_set(fault, STORAGE_DAMAGED, file, 0,
                                   "%s: its bytes are not those of its sha256", file);
    else
        status = safetensors_read(file, bytes, size, &ret->tensors, fault);
    if (status == STORAGE_OK)
        status = parse_notes(file, ret, fault);
    if (status != STORAGE_OK)
        checkpoint_finish(ret);
    return status;
}

static enum storage_status read_named(const struct storage_dir *dir, const char *name,
                                      uint64_t generation, size_t bytes_max, struct checkpoint *ret,
                                      struct storage_fault *fault)
{
    unsigned char *bytes;
    size_t size;
    enum storage_status status;

    memset(ret, 0, sizeof(*ret));
    status = storage_file_read(dir, name, bytes_max, &bytes, &size, fault);
    if (status == STORAGE_OK)
        status = checkpoint_parse(name, bytes, size, ret, fault);
    if (status == STORAGE_OK && ret->note.generation != generation) {
        status = storage_fault_set(fault, STORAGE_DAMAGED, name, generation,
                                   "%s: it holds generation %" PRIu64, name, ret->note.generation);
        checkpoint_finish(ret);
    }
    return status;
}

enum storage_status checkpoint_read(const struct storage_dir *dir, uint64_t generation,
                                    size_t bytes_max, struct checkpoint *ret,
                                    struct storage_fault *fault)
{
    char name[STORAGE_FILE_NAME_MAX];

    checkpoint_file_name(generation, name);
    return read_named(dir, name, generation, bytes_max, ret, fault);
}

enum storage_status trained_read(const struct storage_dir *dir, uint64_t generation, size_t bytes_max,
                                 struct checkpoint *ret, struct storage_fault *fault)
{
    char name[STORAGE_FILE_NAME_MAX];

    trained_file_name(generation, name);
    return read_named(dir, name, generation, bytes_max, ret, fault);
}

void checkpoint_finish(struct checkpoint *checkpoint)
{
    safetensors_finish(&checkpoint->tensors);
    free(checkpoint->bytes);
    memset(checkpoint, 0, sizeof(*checkpoint));
}
