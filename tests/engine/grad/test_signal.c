/* SPDX-License-Identifier: Apache-2.0
 * Gradients of transforms, rotary embedding and scales of quantised tensors by finite differences. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

static const struct grad_case rows[] = {
    {.name = "complex", .graph = "const x f32[2,6,2] ~; y = DFT(x); out y"},
    {.name = "real", .graph = "const x f32[2,7,1] ~; y = DFT(x); out y"},
    {.name = "real, one side", .graph = "const x f32[2,8,1] ~; y = DFT(x) onesided=1; out y"},
    {.name = "real, one side, odd", .graph = "const x f32[2,7,1] ~; y = DFT(x) onesided=1; out y"},
    {.name = "inverse", .graph = "const x f32[2,6,2] ~; y = DFT(x) inverse=1; out y"},
    {.name = "inverse of one side", .graph = "const x f32[2,5,2] ~; y = DFT(x) inverse=1 onesided=1; "
    "out y"},
    {.name = "inverse of one side, odd", .graph = "const x f32[2,4,2] ~; const n i64[] 7;"
     "y = DFT(x,n) inverse=1 onesided=1; out y"},
    {.name = "longer, other axis", .graph = "const x f32[3,2,4,2] ~; const n i64[] 5; const a i64[] 0;"
     "y = DFT(x,n,a); out y"},
    {.name = "shorter", .graph = "const x f32[2,6,1] ~; const n i64[] 4; y = DFT(x,n); out y"},
    {.name = "STFT", .graph = "const x f32[2,20,1] ~; const s i64[] 3; const w f32[8] ~;"
     "y = STFT(x,s,w); out y"},
    {.name = "STFT, both sides", .graph = "const x f32[1,20,1] ~; const s i64[] 4; const w f32[6] ~;"
     "y = STFT(x,s,w) onesided=0; out y"},
    {.name = "STFT, complex, no window", .graph = "const x f32[2,12,2] ~; const s i64[] 5; const n i64[] 6;"
     "y = STFT(x,s,,n) onesided=0; out y"},
    {.name = "rotary", .graph = "const x f32[2,3,4,6] ~; const c f32[2,4,3] ~; const s f32[2,4,3] ~;"
     "y = RotaryEmbedding(x,c,s); out y", .by_tape = true},
    {.name = "rotary, interleaved, places", .graph = "const x f32[2,3,8] ~; const c f32[5,2] ~;"
     "const s f32[5,2] ~; const p i64[2,3] 0 4 1 2 2 3;"
     "y = RotaryEmbedding(x,c,s,p) num_heads=2 interleaved=1; out y", .by_tape = true},
    {.name = "rotary, a part of the head", .graph = "const x f32[2,3,8] ~; const _c f32[5,1] ~;"
     "const _s f32[5,1] ~; const p i64[2,3] 0 4 1 2 2 3;"
     "y = RotaryEmbedding(x,_c,_s,p) num_heads=2 rotary_embedding_dim=2; out y", .by_tape = true},
    {.name = "scale", .graph = "const q i8[2,3] 1 -5 100 7 0 -128; const s f32[] 0.3; const z i8[] 3;"
     "y = DequantizeLinear(q,s,z); out y", .by_tape = true},
    {.name = "scales by axis", .graph = "const q u8[2,3] 1 5 100 7 0 128; const s f32[3] ~+;"
     "y = DequantizeLinear(q,s) axis=1; out y", .by_tape = true},
    {.name = "scales by block", .graph = "const q i8[2,4] 1 5 100 7 0 28 3 9; const s f32[2,2] ~+;"
     "y = DequantizeLinear(q,s) axis=1 block_size=2; out y", .by_tape = true},
};

START_TEST(test_rows)
{
    grad_case_check(&rows[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("grad_signal");
    TCase *tcase = tcase_create("differences");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_rows, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
