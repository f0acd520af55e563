/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/fft.h - the discrete Fourier transform of any length, in double precision: radix 2
 * for powers of two, Bluestein's algorithm for the rest. Pure, any thread. */
#ifndef ENGINE_KERNELS_FFT_H
#define ENGINE_KERNELS_FFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One length and direction, with its tables in the caller's memory. */
struct fft {
    int64_t length;
    int64_t padded;                /* power of two that the work is done in */
    bool inverse;
    double *roots;                 /* padded / 2 complex numbers exp(-2 pi i k / padded) */
    double *chirp, *filter, *work; /* Bluestein: length, padded and padded complex numbers */
};

/* Bytes of memory for a length >= 1; 0 if it is too large. */
size_t fft_bytes(int64_t length);
/* `memory` has fft_bytes() bytes, aligned to 8. */
void fft_init(struct fft *fft, int64_t length, bool inverse, void *memory);
/* In place: `length` complex numbers, real and imaginary parts in turn. The inverse is divided by
 * the length. Writes to the tables' work memory: one thread at a time. */
void fft_run(struct fft *fft, double *data);

#endif
