/* SPDX-License-Identifier: Apache-2.0
 * Which tensors learn: weights and not the constants of formulas, by pattern, by layer. */
#include "engine/train/trainer_select.h"
#include "tests/support/graph_case.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <string.h>

#define MLP \
    "in x f32[N,2]; const w1 f32[2,3] 1 2 3 4 5 6; const b1 f32[3] 1 2 3; " \
    "const w2 f32[3,1] 1 2 3; const b2 f32[1] 1; " \
    "m = MatMul(x,w1); a = Add(m,b1); h = Relu(a); n = MatMul(h,w2); y = Add(n,b2); out y"

static const struct row {
    const char *name, *graph, *learns, *frozen;
    int last_layers;
    const char *expected; /* names in order of slots, separated by spaces; or a part of the refusal */
} rows[] = {
    {"all weights", MLP, NULL, NULL, 0, "w1 b1 w2 b2"},
    {"by pattern", MLP, "w*", NULL, 0, "w1 w2"},
    {"by two patterns", MLP, "w1,b?", NULL, 0, "w1 b1 b2"},
    {"but some", MLP, NULL, "*1", 0, "w2 b2"},
    {"last layer", MLP, NULL, NULL, 1, "w2 b2"},
    {"more layers than there are", MLP, NULL, NULL, 9, "w1 b1 w2 b2"},
    {"standardised inputs stay",
     "in x f32[N,2]; const mean f32[2] 1 2; const sd f32[2] 3 4; const w f32[2,2] 1 2 3 4; "
     "c = Sub(x,mean); s = Div(c,sd); y = MatMul(s,w); out y",
     NULL, NULL, 0, "w"},
    {"numbers of formulas stay",
     "in x f32[N,2]; const w f32[2,2] 1 2 3 4; const eps f32[] 0.001; const half f32[1] 0.5; "
     "m = MatMul(x,w); a = Add(m,eps); y = Mul(a,half); out y",
     NULL, NULL, 0, "w"},
    {"... but learn when they are named",
     "in x f32[N,2]; const w f32[2,2] 1 2 3 4; const half f32[1] 0.5; m = MatMul(x,w); "
     "y = Mul(m,half); out y",
     "half", NULL, 0, "half"},
    {"masks stay",
     "in x f32[N,2]; const w f32[2,2] 1 2 3 4; const mask f32[2] 0 -100000; m = MatMul(x,w); "
     "a = Add(m,mask); y = Softmax(a); out y",
     NULL, NULL, 0, "w"},
    {"what a weight is made of",
     "in x f32[N,2]; const w f32[2,2] 1 2 3 4; t = Transpose(w) perm=1,0; y = MatMul(x,t); out y",
     NULL, NULL, 0, "w"},
    {"embeddings, and not behind what has no derivative",
     "in i i64[N]; const e f32[5,2] 1 2 3 4 5 6 7 8 9 0; const w f32[2,2] 1 2 3 4; g = Gather(e,i); "
     "y = MatMul(g,w); out y",
     NULL, NULL, 0, "e w"},
    {"no such tensor", MLP, "w1,v*", NULL, 0, "matches 'v*'"},
    {"all frozen", MLP, NULL, "*", 0, "nothing learns"},
    {"nothing to learn", "in x f32[N,2]; y = Relu(x); out y", NULL, NULL, 0, "nothing learns"},
};

START_TEST(selects)
{
    const struct row *row = &rows[_i];
    struct model *model = graph_case_model(row->graph, NULL);
    const struct graph *graph = model_graph(model);
    struct arena *arena = arena_create(1 << 20);
    const struct selection_options options = {row->learns, row->frozen, row->last_layers, 1,
                                              graph->outputs};
    struct selection selection;
    struct engine_error err = {0};
    char names[256] = "";

    if (trainer_select(model, &options, arena, &selection, &err) != ENGINE_OK) {
        ck_assert_msg(strstr(err.text, row->expected) != NULL, "%s: says '%s'", row->name, err.text);
    } else {
        for (int i = 0; i < selection.n_slots; i++) {
            size_t length = strlen(names);

            snprintf(names + length, sizeof(names) - length, "%s%s", i > 0 ? " " : "",
                     graph->values[graph->weight_values[selection.slots[i]]].name);
        }
        ck_assert_msg(strcmp(names, row->expected) == 0, "%s: selects '%s'", row->name, names);
    }
    arena_destroy(arena);
    model_unref(model);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("trainer_select");
    TCase *tc = tcase_create("select");

    tcase_add_loop_test(tc, selects, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
