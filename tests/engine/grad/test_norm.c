/* SPDX-License-Identifier: Apache-2.0
 * Gradients of the normalisations by finite differences. */
#include "engine/grad/tape.h"
#include "tests/support/grad_case.h"
#include "tests/support/graph_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case batch[] = {
    {.name = "training", .graph = "const x f32[3,4,2,3] ~; const s f32[4] ~; const b f32[4] ~;"
     "const _m f32[4] ~; const _v f32[4] ~+;"
     "y,rm,rv = BatchNormalization(x,s,b,_m,_v) training_mode=1;"
     "out y"},
    {.name = "training, no plane", .graph =
     "const x f32[5,40] ~; const s f32[40] ~; const b f32[40] ~;"
     "const _m f32[40] ~; const _v f32[40] ~+;"
     "y,rm,rv = BatchNormalization(x,s,b,_m,_v) training_mode=1 epsilon=0.01; out y"},
    {.name = "training, long planes", .graph =
     "const x f32[2,2,41] ~; const s f32[2] ~; const b f32[2] ~;"
     "const _m f32[2] ~; const _v f32[2] ~+;"
     "y,rm,rv = BatchNormalization(x,s,b,_m,_v) training_mode=1;"
     "out y"},
    {.name = "trains whatever the model's mode says", .graph = "const x f32[3,2,2,3] ~;"
     "const s f32[2] ~; const b f32[2] ~; const _m f32[2] ~; const _v f32[2] ~+;"
     "y = BatchNormalization(x,s,b,_m,_v); out y", .by_tape = true},
    {.name = "frozen", .graph = "const x f32[3,4,2,3] ~; const s f32[4] ~; const b f32[4] ~;"
     "const _m f32[4] ~; const _v f32[4] ~+; y = BatchNormalization(x,s,b,_m,_v); out y",
     .frozen_norm = true},
    {.name = "frozen, no plane", .graph = "const x f32[3,4] ~; const s f32[4] ~; const b f32[4] ~;"
     "const _m f32[4] ~; const _v f32[4] ~+; y = BatchNormalization(x,s,b,_m,_v); out y",
     .frozen_norm = true},
    {.name = "frozen, scale and bias alone", .graph = "const _x f32[3,4,2,3] ~; const s f32[4] ~;"
     "const b f32[4] ~; const _m f32[4] ~; const _v f32[4] ~+;"
     "y = BatchNormalization(_x,s,b,_m,_v); out y", .frozen_norm = true},
    {.name = "training, bias alone", .graph = "const _x f32[3,4,2,3] ~; const _s f32[4] ~;"
     "const b f32[4] ~; const _m f32[4] ~; const _v f32[4] ~+;"
     "y,rm,rv = BatchNormalization(_x,_s,b,_m,_v) training_mode=1; out y"},
    {.name = "training, input alone", .graph = "const x f32[3,4,2,3] ~; const _s f32[4] ~;"
     "const _b f32[4] ~; const _m f32[4] ~; const _v f32[4] ~+;"
     "y,rm,rv = BatchNormalization(x,_s,_b,_m,_v) training_mode=1; out y"},
};

static const struct grad_case rows[] = {
    {.name = "layer", .graph = "const x f32[3,2,7] ~; const s f32[7] ~; const b f32[7] ~;"
     "y = LayerNormalization(x,s,b); out y"},
    {.name = "layer, long rows", .graph =
     "const x f32[3,37] ~; const s f32[37] ~; const b f32[37] ~;"
     "y = LayerNormalization(x,s,b); out y"},
    {.name = "layer, many rows", .graph =
     "const x f32[150,3] ~; const s f32[3] ~; const b f32[3] ~;"
     "y = LayerNormalization(x,s,b); out y"},
    {.name = "layer, no bias, two axes", .graph = "const x f32[3,2,5] ~; const s f32[2,5] ~;"
     "y = LayerNormalization(x,s) axis=1 epsilon=0.1; out y"},
    {.name = "layer, scale and bias spread", .graph = "const x f32[3,2,5] ~; const s f32[2,1] ~;"
     "const b f32[5] ~; y = LayerNormalization(x,s,b) axis=1; out y"},
    {.name = "layer, one scale", .graph = "const x f32[3,5] ~; const s f32[1] ~; const b f32[1] ~;"
     "y = LayerNormalization(x,s,b) axis=-1; out y"},
    {.name = "layer, all outputs", .graph =
     "const x f32[4,6] ~; const s f32[6] ~; const b f32[6] ~;"
     "y,m,i = LayerNormalization(x,s,b); out y; out m; out i", .by_tape = true},
    {.name = "layer, statistics alone", .graph = "const x f32[4,6] ~; const s f32[6] ~;"
     "y,m,i = LayerNormalization(x,s); out m; out i", .by_tape = true},
    {.name = "RMS", .graph =
     "const x f32[3,2,7] ~; const s f32[7] ~; y = RMSNormalization(x,s); out y"},
    {.name = "RMS, two axes", .graph = "const x f32[3,2,7] ~; const s f32[2,7] ~;"
     "y = RMSNormalization(x,s) axis=-2 epsilon=0.01; out y"},
    {.name = "group", .graph = "const x f32[2,6,2,5] ~; const s f32[6] ~; const b f32[6] ~;"
     "y = GroupNormalization(x,s,b) num_groups=3; out y"},
    {.name = "one group", .graph = "const x f32[2,4,3] ~; const s f32[4] ~; const b f32[4] ~;"
     "y = GroupNormalization(x,s,b) num_groups=1 epsilon=0.05; out y"},
    {.name = "group, input alone", .graph =
     "const x f32[2,4,3] ~; const _s f32[4] ~; const _b f32[4] ~;"
     "y = GroupNormalization(x,_s,_b) num_groups=2; out y"},
    {.name = "group, scale alone", .graph =
     "const _x f32[2,4,3] ~; const s f32[4] ~; const _b f32[4] ~;"
     "y = GroupNormalization(_x,s,_b) num_groups=2; out y"},
    {.name = "instance", .graph = "const x f32[2,3,4,5] ~; const s f32[3] ~; const b f32[3] ~;"
     "y = InstanceNormalization(x,s,b); out y"},
    {.name = "LRN", .graph = "const x f32[2,6,3,2] ~; y = LRN(x) size=3 alpha=0.5 beta=0.8 bias=1.5;"
     "out y", .tolerance = 1e-4},
    {.name = "LRN, even size, long planes", .graph = "const x f32[1,5,300] ~;"
     "y = LRN(x) size=4 alpha=0.9 beta=0.6; out y", .tolerance = 1e-4},
    {.name = "mean and variance", .graph = "const x f32[3,2,2,4] ~;"
     "y = MeanVarianceNormalization(x); out y"},
    {.name = "mean and variance, one axis", .graph = "const x f32[3,2,5] ~;"
     "y = MeanVarianceNormalization(x) axes=2,; out y"},
    {.name = "L2 norm", .graph = "const x f32[3,4,5] ~; y = LpNormalization(x) axis=1 p=2; out y"},
    {.name = "L1 norm", .graph = "const x f32[3,4,5] ~d; y = LpNormalization(x) axis=-1 p=1; out y"},
};

/* The next running statistics of one step over x = 1 .. 4 and 10 .. 40: means 2.5 and 25, population
 * variances 1.25 and 125; running * momentum + batch * (1 - momentum). Frozen, and in deterministic
 * inference, they stay and are what is normalised by. */
static const struct {
    const char *name;
    bool frozen, deterministic;
    float mean[2], variance[2], first;
} states[] = {
    {"training", false, false, {1.25f, 7.75f}, {1.8125f, 33.5f}, -1.341636f},
    {"frozen", true, false, {0.8333333f, 2.0f}, {2.0f, 3.0f}, 0.117851f},
    {"deterministic inference", false, true, {0.8333333f, 2.0f}, {2.0f, 3.0f}, 0.117851f},
};

START_TEST(test_states)
{
    static const struct model_options options = {.optimise = false};
    struct model *model = graph_case_model(
        "const x f32[4,2] 1 10 2 20 3 30 4 40; const s f32[2] 1 1; const b f32[2] 0 0;"
        "const m f32[2] 0.8333333 2; const v f32[2] 2 3;"
        "y = BatchNormalization(x,s,b,m,v) momentum=0.75 epsilon=0.0; out y", &options);
    const struct graph *graph = model_graph(model);
    int trainable = graph->values[graph_case_value(graph, "s")].weight_slot;
    const struct tape_options tape_options = {.n_trainable = 1, .trainable = &trainable, .n_targets = 1,
                                              .targets = graph->outputs,
                                              .frozen_norm = states[_i].frozen};
    const struct grad_context context = {.deterministic_inference = states[_i].deterministic};
    struct engine_error err = {0};
    struct tape *tape = tape_create(model, NULL, &tape_options, NULL, &err);
    float scale[2] __attribute__((aligned(64))) = {1, 1}, next[2][2] __attribute__((aligned(64)));
    const void *scales[1] = {scale}, *before[2];
    void *after[2] = {next[0], next[1]};

    ck_assert_msg(tape != NULL, "%s: %s", states[_i].name, err.text);
    ck_assert_int_eq(tape_n_states(tape), 2);
    for (int i = 0; i < 2; i++)
        before[i] = graph->values[graph->weight_values[tape_state_slot(tape, i)]].constant->data;
    tape_bind(tape, &(struct tape_memory){scales, NULL, before, after});
    ck_assert_msg(tape_forward(tape, NULL, &context, &err) == ENGINE_OK, "%s", err.text);
    ck_assert_float_eq_tol(((const float *)tape_target(tape, 0)->data)[0], states[_i].first, 1e-4f);
    for (int i = 0; i < 2 && !states[_i].frozen; i++) {
        ck_assert_float_eq_tol(next[0][i], states[_i].mean[i], 1e-5f);
        ck_assert_float_eq_tol(next[1][i], states[_i].variance[i], 1e-4f);
    }
    tape_destroy(tape);
    model_unref(model);
}
END_TEST

START_TEST(test_batch)
{
    grad_case_check(&batch[_i]);
}
END_TEST

START_TEST(test_rows)
{
    grad_case_check(&rows[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("grad_norm");
    TCase *tcase = tcase_create("differences");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_batch, 0, sizeof(batch) / sizeof(batch[0]));
    tcase_add_loop_test(tcase, test_states, 0, sizeof(states) / sizeof(states[0]));
    tcase_add_loop_test(tcase, test_rows, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
