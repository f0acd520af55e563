/* SPDX-License-Identifier: Apache-2.0
 * server/serving/model_entry.h - how the registry makes entries. What is done with one is in
 * registry.h. */
#ifndef SERVER_SERVING_MODEL_ENTRY_H
#define SERVER_SERVING_MODEL_ENTRY_H

#include "server/serving/registry.h"

struct model_entry_params {
    const char *name, *version;          /* copied */
    struct model *model;                 /* its reference is taken over, on failure too */
    int batch_size_max;                  /* what the settings allow; 0 or 1: never join */
    int64_t queue_delay_us;
    struct model_stats *stats;
    int64_t generation;
    int file_fd;                         /* the model's file as it was loaded, taken over; -1: none */
    struct file_stamp file_stamp;
};

/* Probes whether requests can be joined, which costs a few runs. Returned with one reference. NULL
 * sets `err`. */
struct model_entry *model_entry_create(const struct model_entry_params *params,
                                       struct engine_error *err);

#endif
