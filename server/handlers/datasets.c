/* SPDX-License-Identifier: Apache-2.0
 * Datasets: upload, description, list, removal. A request becomes a job of the dataset store, whose
 * thread answers. */
#include "server/handlers/handlers.h"
#include "server/learning/dataset_store.h"

#include <stdlib.h>
#include <string.h>

struct dataset_call {
    struct dataset_job job; /* first */
    struct exchange *exchange;
};

static bool call_is_abandoned(const struct dataset_job *job)
{
    return exchange_is_abandoned(((const struct dataset_call *)job)->exchange);
}

static void call_finished(struct dataset_job *job, struct text *body, bool created,
                          const struct problem *problem)
{
    struct exchange *exchange = ((struct dataset_call *)job)->exchange;

    free(job);
    if (problem->status != 0)
        exchange_reply_problem(exchange, problem);
    else
        handler_reply_json(exchange, created ? 201 : 200, body);
}

static void start(struct exchange *exchange, struct services *services, enum dataset_work work)
{
    const char *name = exchange_param(exchange, "dataset");
    struct dataset_call *call = calloc(1, sizeof(*call));
    struct problem problem = {0};

    if (call == NULL)
        problem_set(&problem, 507, "no_memory", "no memory for the request");
    else if (name == NULL || dataset_name_check(name, &problem)) {
        if (name != NULL)
            memcpy(call->job.name, name, strlen(name) + 1);
        call->exchange = exchange;
        call->job.work = work;
        call->job.is_abandoned = call_is_abandoned;
        call->job.finished = call_finished;
        exchange_take_upload(exchange, &call->job.upload);
        exchange_defer(exchange);
        if (dataset_store_submit(services->datasets, &call->job, &problem))
            return;
        upload_finish(&call->job.upload);
    }
    free(call);
    exchange_reply_problem(exchange, &problem);
}

bool begin_dataset_upload(struct exchange *exchange, struct services *services,
                          struct problem *problem)
{
    uint64_t bytes_max;
    int dir_fd;

    return dataset_name_check(exchange_param(exchange, "dataset"), problem) &&
           dataset_store_admit(services->datasets, &dir_fd, &bytes_max, problem) &&
           exchange_begin_upload(exchange, dir_fd, bytes_max, problem);
}

void handle_dataset_put(struct exchange *exchange, struct services *services)
{
    start(exchange, services, DATASET_PUT);
}

void handle_dataset_get(struct exchange *exchange, struct services *services)
{
    start(exchange, services, DATASET_DESCRIBE);
}

void handle_dataset_delete(struct exchange *exchange, struct services *services)
{
    start(exchange, services, DATASET_REMOVE);
}

void handle_dataset_list(struct exchange *exchange, struct services *services)
{
    start(exchange, services, DATASET_LIST);
}
