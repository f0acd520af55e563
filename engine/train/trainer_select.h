/* SPDX-License-Identifier: Apache-2.0
 * engine/train/trainer_select.h - which of a model's tensors learn. Reads a sealed graph; no state.
 *
 * Candidates are the float constants on which a loss depends along derivatives. Those that `learns`
 * names all learn; with no such list only weights do: what an operator takes as its weights (a matrix,
 * a kernel, an embedding, scale and bias of a norm), and what is added to or multiplied with values
 * behind such an operator. So constants of a formula (an epsilon, a root of a width), masks, and the
 * statistics that standardise inputs stay as they are. */
#ifndef ENGINE_TRAIN_TRAINER_SELECT_H
#define ENGINE_TRAIN_TRAINER_SELECT_H

#include "engine/arena.h"
#include "engine/model.h"

struct selection_options {
    const char *learns, *frozen;   /* as struct trainer_options has them */
    int last_layers;
    int n_targets;
    const int *targets;            /* value ids that losses attach to */
};

/* Slots by `graph`'s numbers, ascending; arrays are the arena's. */
struct selection {
    int n_slots;
    int *slots;
    int n_states;                  /* running statistics on the way to the targets */
    int *states;
};

/* BAD_INPUT: a pattern that matches no candidate, or nothing learns. */
enum engine_status trainer_select(const struct model *model, const struct selection_options *options,
                                  struct arena *arena, struct selection *ret,
                                  struct engine_error *err);

/* True if `name` matches one of the globs in the list separated by ','; false for NULL. */
bool trainer_name_matches(const char *patterns, const char *name);

#endif
