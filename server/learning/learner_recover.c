/* SPDX-License-Identifier: Apache-2.0
 * The trainer as recovery.h wants it: five callbacks on the state of a learner. */
#include "server/learning/learner_private.h"

#include <stdlib.h>
#include <string.h>

struct named_tensor *learner_tensors(const struct learner *learner, size_t *ret_n)
{
    size_t n = learner->trainer != NULL ? (size_t)trainer_n_entries(learner->trainer) : 0;
    struct named_tensor *tensors = calloc(n + 1, sizeof(*tensors));

    for (size_t i = 0; i < n && tensors != NULL; i++) {
        struct trainer_entry entry = trainer_entry(learner->trainer, (int)i);

        tensors[i] = (struct named_tensor){entry.name, entry.tensor.dtype, entry.tensor.shape,
                                           entry.tensor.data, tensor_bytes(&entry.tensor)};
    }
    *ret_n = n;
    return tensors;
}

struct digest learner_digest(const struct learner *learner)
{
    size_t n;
    struct named_tensor *tensors = learner_tensors(learner, &n);
    struct digest digest = {{0}};

    if (tensors != NULL)
        digest = checkpoint_state(tensors, n);
    free(tensors);
    return digest;
}

static enum storage_status recover_base(void *self, struct storage_fault *fault)
{
    struct problem problem = {0};

    if (learner_make_trainer(self, &problem))
        return STORAGE_OK;
    return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "%s", problem.text);
}

/* The format aligns its data to nothing; what reads them wants elements at multiples of their size. The
 * copy is the caller's to free. NULL when out of memory. */
static void *align_entry(struct trainer_entry *entry, const struct named_tensor *tensor)
{
    void *copy = malloc(tensor->bytes + 1);

    entry->tensor = (struct tensor){tensor->dtype, tensor->shape, copy};
    return copy != NULL ? memcpy(copy, tensor->data, tensor->bytes) : NULL;
}

static enum storage_status take_entries(struct learner *learner, const struct checkpoint *checkpoint,
                                        int count, struct trainer_entry *entries, void **copies,
                                        struct storage_fault *fault)
{
    struct engine_error err = {0};

    for (int i = 0; i < count; i++) {
        const struct named_tensor *tensor;

        entries[i] = trainer_entry(learner->trainer, i);
        tensor = safetensors_find(&checkpoint->tensors, entries[i].name);
        if (tensor == NULL)
            return storage_fault_set(fault, STORAGE_OTHER_MODEL, NULL, checkpoint->note.generation,
                                     "the checkpoint lacks '%.64s': what learns was configured "
                                     "otherwise when it was written",
                                     entries[i].name);
        copies[i] = align_entry(&entries[i], tensor);
        if (copies[i] == NULL)
            return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for '%.64s'",
                                     entries[i].name);
    }
    if (trainer_restore(learner->trainer, count, entries, &err) == ENGINE_OK)
        return STORAGE_OK;
    return storage_fault_set(fault, STORAGE_DAMAGED, NULL, checkpoint->note.generation, "%s",
                             err.text);
}

static enum storage_status recover_load(void *self, const struct checkpoint *checkpoint,
                                        struct storage_fault *fault)
{
    struct learner *learner = self;
    struct problem problem = {0};
    enum storage_status status;
    struct trainer_entry *entries;
    void **copies;
    int count;

    /* There is none where memory for another ran out. */
    if (learner->trainer == NULL && !learner_make_trainer(learner, &problem))
        return storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "%s", problem.text);
    count = trainer_n_entries(learner->trainer);
    entries = calloc((size_t)count + 1, sizeof(*entries));
    copies = calloc((size_t)count + 1, sizeof(*copies));
    if (entries != NULL && copies != NULL)
        status = take_entries(learner, checkpoint, count, entries, copies, fault);
    else
        status = storage_fault_set(fault, STORAGE_NO_MEMORY, NULL, 0, "no memory for a checkpoint");
    for (int i = 0; i < count && copies != NULL; i++)
        free(copies[i]);
    free(copies);
    free(entries);
    return status;
}

static enum storage_status recover_apply(void *self, const struct journal_row *row,
                                         struct storage_fault *fault)
{
    return learner_replay(self, row, fault);
}

static struct digest recover_state(void *self)
{
    return learner_digest(self);
}

static bool recover_serves(void *self, const struct checkpoint *checkpoint)
{
    (void)self;
    return strcmp(checkpoint->note.trainer, checkpoint_serves) == 0;
}

static enum storage_status recover_begin(void *self, struct journal *journal,
                                         struct storage_fault *fault)
{
    return learner_method_recover(self, journal, fault);
}

struct recovery_trainer learner_recovery(struct learner *learner)
{
    return (struct recovery_trainer){learner, recover_base, recover_load, recover_apply, recover_state,
                                     learner->gate.policy != GATE_OPEN ? recover_serves : NULL,
                                     recover_begin};
}
