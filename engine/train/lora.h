/* SPDX-License-Identifier: Apache-2.0
 * engine/train/lora.h - low-rank adapters (Hu et al. 2021): a chosen matrix W is read as
 * W + scale A B, A tall and B wide of few numbers between them, and only A and B learn. The graph says
 * so in ordinary nodes on constants, so the prologue, the tape and publishing need know nothing of
 * it; trainer_publish() gives W its sum. A starts at random and B at zero: nothing changes at first. */
#ifndef ENGINE_TRAIN_LORA_H
#define ENGINE_TRAIN_LORA_H

#include "engine/error.h"
#include "engine/graph.h"

#include <stdint.h>

/* What learns: trainer_options.learns. */
#define LORA_LEARNS "*.lora_a,*.lora_b"

struct lora {
    const char *matrices;          /* globs over names of constant matrices, separated by ','; NULL: all */
    int rank;                      /* at least 1; at most the matrix's smaller side counts */
    double alpha;                  /* scale is alpha / rank; 0: alpha = rank */
    uint64_t seed;                 /* of A */
};

/* For model_options.rewrite, with `arg` a struct lora. BAD_INPUT if no matrix is chosen, or a number is
 * out of range. */
enum engine_status lora_rewrite(struct graph *graph, void *arg, struct engine_error *err);

/* The matrix that the adapter tensor `name` ("W.lora_a") belongs to in a model's graph: slots of W, A and
 * B, and the scale. False for other tensors. */
struct lora_slots {
    int matrix, a, b;
    float scale;
};
bool lora_find(const struct graph *graph, const char *name, struct lora_slots *ret);
/* ret = w + scale a b; w and ret are [rows, columns], a [rows, rank]. */
void lora_merge(const float *w, const float *a, const float *b, float scale, int64_t rows,
                int64_t rank, int64_t columns, float *ret);

#endif
