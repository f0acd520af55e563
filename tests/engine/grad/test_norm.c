/* SPDX-License-Identifier: Apache-2.0
 * Gradients of the normalisations by finite differences. */
#include "tests/support/grad_case.h"
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
    tcase_add_loop_test(tcase, test_rows, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
