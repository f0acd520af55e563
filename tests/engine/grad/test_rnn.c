/* SPDX-License-Identifier: Apache-2.0
 * Gradients of RNN, GRU and LSTM. The operators have no float64, so differences are taken of the tape's
 * own forward pass; against PyTorch's gradients: test_torch.c. */
#include "tests/support/grad_case.h"
#include "tests/support/run_suite.h"

#define INPUTS(GATES, HIDDEN, TWICE) \
    "const x f32[4,3,5] ~; const w f32[1," #GATES ",5] ~; const r f32[1," #GATES "," #HIDDEN "] ~;" \
    "const b f32[1," #TWICE "] ~;"
#define BOTH(GATES, HIDDEN, TWICE) \
    "const x f32[4,3,5] ~; const w f32[2," #GATES ",5] ~; const r f32[2," #GATES "," #HIDDEN "] ~;" \
    "const b f32[2," #TWICE "] ~;"

static const struct grad_case rows[] = {
    {.name = "RNN", .graph = INPUTS(6, 6, 12) "y,h = RNN(x,w,r,b) hidden_size=6; out y; out h"},
    {.name = "RNN, reverse, all inputs", .graph = INPUTS(6, 6, 12) "const i f32[1,3,6] ~;"
     "const n i32[3] 2 4 0; y,h = RNN(x,w,r,b,n,i) hidden_size=6 direction='reverse'; out y; out h"},
    {.name = "RNN, last state alone, no bias", .graph = "const x f32[4,3,5] ~; const w f32[1,6,5] ~;"
     "const r f32[1,6,6] ~; ,h = RNN(x,w,r) hidden_size=6; out h"},
    {.name = "RNN, clip", .graph = INPUTS(6, 6, 12) "y,h = RNN(x,w,r,b) clip=0.75; out y; out h"},
    {.name = "GRU", .graph = INPUTS(18, 6, 36) "y,h = GRU(x,w,r,b) hidden_size=6; out y; out h"},
    {.name = "GRU, linear before reset", .graph = INPUTS(18, 6, 36)
     "y,h = GRU(x,w,r,b) linear_before_reset=1; out y; out h"},
    {.name = "GRU, no bias, linear before reset", .graph = "const x f32[4,3,5] ~;"
     "const w f32[1,18,5] ~; const r f32[1,18,6] ~; y,h = GRU(x,w,r) linear_before_reset=1; out y; out h"},
    {.name = "GRU, lengths, initial state", .graph = INPUTS(18, 6, 36) "const i f32[1,3,6] ~;"
     "const n i32[3] 3 0 4; y,h = GRU(x,w,r,b,n,i); out y; out h"},
    {.name = "GRU, lengths, initial state, linear before reset, reverse", .graph = INPUTS(18, 6, 36)
     "const i f32[1,3,6] ~; const n i32[3] 3 0 4;"
     "y,h = GRU(x,w,r,b,n,i) linear_before_reset=1 direction='reverse'; out y; out h"},
    {.name = "GRU, both directions", .graph = BOTH(18, 6, 36)
     "y,h = GRU(x,w,r,b) direction='bidirectional'; out y; out h"},
    {.name = "GRU, both directions, linear before reset, batch first", .graph = BOTH(18, 6, 36)
     "const i f32[4,2,6] ~; y,h = GRU(x,w,r,b,,i) direction='bidirectional' layout=1"
     " linear_before_reset=1; out y; out h"},
    {.name = "LSTM", .graph = INPUTS(24, 6, 48) "y,h,c = LSTM(x,w,r,b); out y; out h; out c"},
    {.name = "LSTM, first output alone", .graph = INPUTS(24, 6, 48) "y = LSTM(x,w,r,b); out y"},
    {.name = "LSTM, last memory alone", .graph = INPUTS(24, 6, 48) ",,c = LSTM(x,w,r,b); out c"},
    {.name = "LSTM, peepholes, initial states", .graph = INPUTS(24, 6, 48) "const i f32[1,3,6] ~;"
     "const m f32[1,3,6] ~; const p f32[1,18] ~; y,h,c = LSTM(x,w,r,b,,i,m,p); out y; out h; out c"},
    {.name = "LSTM, peepholes, lengths, reverse", .graph = INPUTS(24, 6, 48) "const i f32[1,3,6] ~;"
     "const m f32[1,3,6] ~; const p f32[1,18] ~; const n i32[3] 4 1 0;"
     "y,h,c = LSTM(x,w,r,b,n,i,m,p) direction='reverse'; out y; out h; out c"},
    {.name = "LSTM, input_forget", .graph = INPUTS(24, 6, 48)
     "y,h,c = LSTM(x,w,r,b) input_forget=1; out y; out h; out c"},
    {.name = "LSTM, both directions, batch first", .graph = BOTH(24, 6, 48) "const i f32[4,2,6] ~;"
     "y,h,c = LSTM(x,w,r,b,,i) direction='bidirectional' layout=1; out y; out h; out c"},
    {.name = "LSTM, both directions, lengths", .graph = BOTH(24, 6, 48) "const n i32[3] 4 2 3;"
     "y,h,c = LSTM(x,w,r,b,n) direction='bidirectional'; out y; out h; out c"},
    {.name = "LSTM, clip", .graph = INPUTS(24, 6, 48) "y,h,c = LSTM(x,w,r,b) clip=0.9; out y; out h; "
    "out c"},
    {.name = "LSTM, frozen weights", .graph = "const x f32[4,3,5] ~; const _w f32[1,24,5] ~;"
     "const _r f32[1,24,6] ~; y = LSTM(x,_w,_r); out y"},
    {.name = "LSTM, frozen input", .graph = "const _x f32[4,3,5] ~; const w f32[1,24,5] ~;"
     "const r f32[1,24,6] ~; y = LSTM(_x,w,r); out y"},
    {.name = "two layers", .graph = INPUTS(24, 6, 48) "const w2 f32[1,24,6] ~; const r2 f32[1,24,6] ~;"
     "a = LSTM(x,w,r,b); const _s i64[3] 4 3 6; e = Reshape(a,_s); y = LSTM(e,w2,r2); out y"},
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
    Suite *suite = suite_create("grad_rnn");
    TCase *tcase = tcase_create("differences");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_rows, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}
