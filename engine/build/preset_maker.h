/* SPDX-License-Identifier: Apache-2.0
 * engine/build/preset_maker.h - what the files preset_*.c share: lists of layers that grow. The first
 * failure sticks; layers added after it go nowhere. */
#ifndef ENGINE_BUILD_PRESET_MAKER_H
#define ENGINE_BUILD_PRESET_MAKER_H

#include "engine/build/presets.h"

enum { PRESET_OPTIONS_MAX = 16 };

struct preset_maker {
    struct arena *arena;
    const struct preset *preset;
    double numbers[PRESET_OPTIONS_MAX]; /* by the preset's options */
    struct network_spec *spec;
    enum engine_status status;
    struct engine_error *err;
    struct layer nowhere;
};

/* A further layer with defaults, to be filled in before the next is added. */
struct layer *preset_add(struct preset_maker *maker, struct layer_list *list, int type);
/* An option's number. */
double preset_number(const struct preset_maker *maker, const char *name);
int64_t preset_whole(const struct preset_maker *maker, const char *name);
void preset_fail(struct preset_maker *maker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void preset_dense(struct preset_maker *maker, struct layer_list *list, int64_t units,
                  enum activation activation);
void preset_dropout(struct preset_maker *maker, struct layer_list *list, double rate);
/* The last layer: as many outputs as the task has. */
void preset_head(struct preset_maker *maker);

typedef void preset_fn(struct preset_maker *maker);
/* preset_image.c */
preset_fn preset_lenet5, preset_alexnet, preset_vgg, preset_resnet;
/* preset_sequence.c */
preset_fn preset_lstm, preset_gru, preset_transformer, preset_gpt;

#endif
