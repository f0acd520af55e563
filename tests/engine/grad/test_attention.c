/* SPDX-License-Identifier: Apache-2.0
 * Gradient of Attention. The operator computes in float, so differences are taken of the tape's own
 * forward pass. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

#define FOUR "const q f32[2,4,3,5] ~; const k f32[2,2,4,5] ~; const v f32[2,2,4,6] ~;"
#define THREE "const q f32[2,3,10] ~; const k f32[2,4,10] ~; const v f32[2,4,6] ~;"

static const struct grad_case rows[] = {
    {.name = "grouped heads", .graph = FOUR "y = Attention(q,k,v); out y"},
    {.name = "heads side by side", .graph =
     THREE "y = Attention(q,k,v) q_num_heads=2 kv_num_heads=2; out y"},
    {.name = "causal", .graph = "const q f32[1,2,4,3] ~; const k f32[1,2,4,3] ~; const v f32[1,2,4,3] ~;"
     "y = Attention(q,k,v) is_causal=1; out y"},
    {.name = "scale, soft cap", .graph = FOUR "y = Attention(q,k,v) scale=0.7 softcap=0.9; out y"},
    {.name = "float mask", .graph = FOUR "const m f32[3,4] ~; y = Attention(q,k,v,m); out y"},
    {.name = "float mask of all heads, short", .graph = FOUR "const m f32[2,4,3,2] ~;"
     "y = Attention(q,k,v,m); out y"},
    {.name = "boolean mask", .graph = FOUR "const m bool[3,4] 1 0 1 1 0 0 0 0 1 1 1 0;"
     "y = Attention(q,k,v,m); out y"},
    {.name = "windows", .graph = FOUR "y = Attention(q,k,v) left_window_size=1 right_window_size=1; out y"},
    {.name = "past, present", .graph = FOUR "const pk f32[2,2,2,5] ~; const pv f32[2,2,2,6] ~;"
     "y,nk,nv = Attention(q,k,v,,pk,pv) is_causal=1; out y; out nk; out nv"},
    {.name = "padding", .graph = FOUR "const n i64[2] 2 4; y = Attention(q,k,v,,,,n); out y"},
    {.name = "scores", .graph = FOUR "y,,,s = Attention(q,k,v); out y; out s"},
    {.name = "scores after the cap", .graph =
     FOUR "y,,,s = Attention(q,k,v) qk_matmul_output_mode=1 softcap=1.5; out y; out s"},
    {.name = "scores after the mask", .graph =
     FOUR "const m f32[3,4] ~; y,,,s = Attention(q,k,v,m) qk_matmul_output_mode=2; out y; out s"},
    {.name = "scores after the softmax", .graph =
     FOUR "y,,,s = Attention(q,k,v) qk_matmul_output_mode=3; out s"},
    {.name = "one tensor for all", .graph = "const q f32[1,3,8] ~;"
     "y = Attention(q,q,q) q_num_heads=2 kv_num_heads=2; out y"},
};

START_TEST(test_rows)
{
    struct grad_case row = rows[_i];

    row.by_tape = true;
    grad_case_check(&row);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("grad_attention");
    TCase *tcase = tcase_create("differences");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_rows, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
