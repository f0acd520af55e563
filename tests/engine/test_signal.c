/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/fft.h"
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdlib.h>

static const struct op_case cases[] = {
    {"dft of a step", "DFT", NULL, IN("f32[1,4,1] 1 0 0 0", "", "i64[] 1"),
     OUT("f32[1,4,2] 1 0 1 0 1 0 1 0")},
    {"dft of a wave", "DFT", NULL, IN("f64[1,4,1] 0 1 0 -1"), OUT("f64[1,4,2] 0 0 0 -2 0 0 0 2")},
    {"dft of three", "DFT", NULL, IN("f32[1,3,1] 1 2 3"),
     OUT("f32[1,3,2] 6 0 -1.5 0.8660254 -1.5 -0.8660254")},
    {"dft complex, first axis", "DFT", NULL, IN("f32[2,1,2] 1 1 2 0", "", "i64[] 0"),
     OUT("f32[2,1,2] 3 1 -1 1")},
    {"dft inverse", "DFT", "inverse=i:1", IN("f32[1,4,2] 0 0 0 -2 0 0 0 2"),
     OUT("f32[1,4,2] 0 0 1 0 0 0 -1 0")},
    {"dft onesided", "DFT", "onesided=i:1", IN("f32[1,4,1] 0 1 0 -1"), OUT("f32[1,3,2] 0 0 0 -2 0 0")},
    {"dft back to real", "DFT", "onesided=i:1; inverse=i:1", IN("f32[1,3,2] 0 0 0 -2 0 0"),
     OUT("f32[1,4,1] 0 1 0 -1")},
    {"dft padded", "DFT", NULL, IN("f32[1,1,1] 5", "i64[] 2"), OUT("f32[1,2,2] 5 0 5 0")},
    {"dft cut", "DFT", NULL, IN("f32[1,3,1] 5 9 9", "i64[] 1"), OUT("f32[1,1,2] 5 0")},
    {"dft of halves", "DFT", NULL, IN("f16[1,2,1] 1 3"), OUT("f16[1,2,2] 4 0 -2 0")},
    {"dft onesided complex", "DFT", "onesided=i:1", IN("f32[1,1,2] 1 2"), SAYS("a real signal")},
    {"dft along parts", "DFT", NULL, IN("f32[1,1,2] 1 2", "", "i64[] -1"), SAYS("real and imaginary")},
    {"dft of no length", "DFT", NULL, IN("f32[1,1,1] 1", "i64[] 0"), SAYS("length 0")},
    {"dft far too long", "DFT", NULL, IN("f32[1,1,1] 1", "i64[] 4611686018427387904"), SAYS("length 46")},
    {"dft parts", "DFT", NULL, IN("f32[1,1,3] 1 2 3"), SAYS("[..., 1 or 2]")},
    {"dft integers", "DFT", NULL, IN("i32[1,1,1] 1"), SAYS("type int32")},
    {"stft", "STFT", NULL, IN("f32[1,4,1] 1 2 3 4", "i64[] 2", "", "i64[] 2"),
     OUT("f32[1,2,2,2] 3 0 -1 0 7 0 -1 0")},
    {"stft with window", "STFT", NULL, IN("f32[1,3,1] 1 2 3", "i64[] 1", "f32[2] 1 0.5"),
     OUT("f32[1,2,2,2] 2 0 0 0 3.5 0 0.5 0")},
    {"stft all bins", "STFT", "onesided=i:0", IN("f32[1,3,1] 1 2 3", "i64[] 1", "", "i64[] 3"),
     OUT("f32[1,1,3,2] 6 0 -1.5 0.8660254 -1.5 -0.8660254")},
    {"stft frame", "STFT", NULL, IN("f32[1,3,1] 1 2 3", "i64[] 1", "", "i64[] 4"), SAYS("frames of 4")},
    {"stft step", "STFT", NULL, IN("f32[1,3,1] 1 2 3", "i64[] 0", "", "i64[] 2"), SAYS("every 0")},
    {"stft window", "STFT", NULL, IN("f32[1,3,1] 1 2 3", "i64[] 1", "f32[2] 1 1", "i64[] 3"),
     SAYS("the window has 2")},
    {"stft without", "STFT", NULL, IN("f32[1,3,1] 1 2 3", "i64[] 1"), SAYS("neither")},
    {"hann", "HannWindow", NULL, IN("i64[] 4"), OUT("f32[4] 0 0.5 1 0.5")},
    {"hann symmetric", "HannWindow", "periodic=i:0; output_datatype=i:11", IN("i32[] 3"),
     OUT("f64[3] 0 1 0")},
    {"hann of one", "HannWindow", "periodic=i:0", IN("i64[] 1"), OUT("f32[1] 1")},
    {"hann of integers", "HannWindow", "output_datatype=i:6", IN("i64[] 2"), OUT("i32[2] 0 1")},
    {"hamming", "HammingWindow", NULL, IN("i64[] 2"), OUT("f32[2] 0.08695652 1")},
    {"blackman", "BlackmanWindow", NULL, IN("i64[] 2"), OUT("f32[2] 0 1")},
    {"window below zero", "HannWindow", NULL, IN("i64[] -1"), SAYS("size is -1")},
    {"window of text", "HannWindow", "output_datatype=i:8", IN("i64[] 1"), SAYS("output_datatype 8")},
    {"mel", "MelWeightMatrix", NULL, IN("i64[] 2", "i64[] 8", "i64[] 8", "f32[] 0", "f32[] 4"),
     OUT("f32[5,2] 0 0 1 0 0 1 0 0 0 0")},
    {"mel edges", "MelWeightMatrix", NULL, IN("i64[] 2", "i64[] 8", "i64[] 8", "f32[] 4", "f32[] 0"),
     SAYS("from 4 to 0 Hz")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

/* Every length against the sum that defines the transform, and back again. */
START_TEST(fft_is_the_sum)
{
    uint64_t seed = test_seed();

    for (int64_t n = 1; n <= 70; n++) {
        double *x = malloc((size_t)n * 4 * sizeof(*x)), *y = x + 2 * n;
        void *memory = malloc(fft_bytes(n));
        struct fft fft;

        for (int64_t i = 0; i < 2 * n; i++)
            x[i] = y[i] = (double)(test_random(&seed) % 2000) / 1000 - 1;
        fft_init(&fft, n, false, memory);
        fft_run(&fft, y);
        for (int64_t k = 0; k < n; k++) {
            double re = 0, im = 0;

            for (int64_t i = 0; i < n; i++) {
                const double angle = -2 * M_PI * (double)(i * k % n) / (double)n;

                re += x[2 * i] * cos(angle) - x[2 * i + 1] * sin(angle);
                im += x[2 * i] * sin(angle) + x[2 * i + 1] * cos(angle);
            }
            ck_assert_msg(fabs(y[2 * k] - re) < 1e-12 * (double)n &&
                              fabs(y[2 * k + 1] - im) < 1e-12 * (double)n,
                          "length %lld, bin %lld", (long long)n, (long long)k);
        }
        fft_init(&fft, n, true, memory);
        fft_run(&fft, y);
        for (int64_t i = 0; i < 2 * n; i++)
            ck_assert_msg(fabs(y[i] - x[i]) < 1e-13 * (double)n, "length %lld does not come back",
                          (long long)n);
        free(memory);
        free(x);
    }
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("signal");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tc, fft_is_the_sum);
    suite_add_tcase(suite, tc);
    return suite;
}
