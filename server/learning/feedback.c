/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/feedback.h"

#include "server/learning/learner.h"
#include "server/tensor_bridge.h"

#include <stdio.h>
#include <string.h>

/* One key for each prediction: its nonce tells it from others of the same id, and nobody outside knows it. */
static void make_key(struct learn_served *served)
{
    char hex[DIGEST_TEXT_BYTES + 1];
    struct digester digester;
    struct digest digest;

    digest_start(&digester, "inferd feedback key 1");
    digest_text(&digester, served->id);
    digest_number(&digester, served->nonce);
    digest = digest_finish(&digester);
    snprintf(served->key, sizeof(served->key), "feedback:%s", digest_hex(&digest, hex));
}

/* Values alone count, in order; and names where there are several targets. */
static struct digest label_of(const struct learn_job *job)
{
    struct digester digester;

    digest_start(&digester, "inferd feedback label 1");
    digest_number(&digester, (uint64_t)job->n_targets);
    for (int i = 0; i < job->n_targets; i++) {
        int64_t count = shape_elements(&job->targets[i].shape);

        digest_text(&digester, job->n_targets > 1 ? job->target_names[i] : "");
        digest_number(&digester, (uint64_t)count);
        for (int64_t k = 0; k < count; k++) {
            double value = tensor_double_at(&job->targets[i], k);

            digest_raw(&digester, &value, sizeof(value));
        }
    }
    return digest_finish(&digester);
}

/* Not one of its own dimensions, and not the rows that were joined, may differ. */
static bool input_fits(const struct tensor *input, const struct tensor_spec *spec)
{
    bool good = wire_type_from_dtype(input->dtype) == spec->type && input->shape.rank == spec->rank;

    for (int d = 0; d < spec->rank && good; d++)
        good = spec->dims[d] < 0 || spec->dims[d] == input->shape.dims[d];
    return good;
}

static bool fits_model(const struct learn_job *job, const struct tap_sample *sample)
{
    bool good = sample->n_inputs == job->entry->n_inputs;

    for (int i = 0; i < job->entry->n_inputs && good; i++)
        good = input_fits(&sample->inputs[i], &job->entry->inputs[i]);
    return good;
}

static bool check_targets(const struct learn_job *job, struct problem *problem)
{
    for (int i = 0; i < job->n_targets && job->entry->batchable; i++)
        if (job->targets[i].shape.dims[0] != job->rows)
            return problem_set(problem, 422, "wrong_shape",
                               "target '%.128s' has %lld rows, the prediction '%.128s' has %lld",
                               job->target_names[i], (long long)job->targets[i].shape.dims[0],
                               job->served.id, (long long)job->rows);
    return true;
}

bool feedback_join(struct learn_job *job, const struct prediction_found *found,
                   struct problem *problem)
{
    struct learn_served *served = &job->served;

    served->sample = found->sample;
    served->generation = found->generation;
    served->time_ms = found->time_ms;
    served->nonce = found->nonce;
    served->label = label_of(job);
    make_key(served);
    if (found->sample == NULL) {   /* settled: the journal has the answer, unless it is a new one */
        problem_set(&served->problem, 409, "label_known",
                    "the label of prediction '%.128s' has been learnt before", served->id);
        return true;
    }
    if (!fits_model(job, found->sample))
        return problem_set(problem, 409, "other_model",
                           "prediction '%.128s' was made by another model of the name '%s': its inputs "
                           "do not fit",
                           served->id, job->entry->name);
    memcpy(job->inputs, found->sample->inputs, (size_t)job->entry->n_inputs * sizeof(*job->inputs));
    job->rows = found->sample->rows;
    return check_targets(job, problem);
}
