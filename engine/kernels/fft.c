/* SPDX-License-Identifier: Apache-2.0
 * J. Cooley, J. Tukey, "An algorithm for the machine calculation of complex Fourier series", 1965;
 * L. Bluestein, "A linear filtering approach to the computation of discrete Fourier transform",
 * 1970. */
#include "engine/kernels/fft.h"

#include <math.h>
#include <string.h>

enum { COMPLEX_BYTES = 2 * sizeof(double) };

static bool is_power_of_two(int64_t length)
{
    return (length & (length - 1)) == 0;
}

static int64_t padded_length(int64_t length)
{
    int64_t padded = 1;

    if (is_power_of_two(length))
        return length;
    while (padded < 2 * length - 1)
        padded *= 2;
    return padded;
}

size_t fft_bytes(int64_t length)
{
    size_t padded;

    if (length < 1 || length > (int64_t)1 << 40)
        return 0;
    padded = (size_t)padded_length(length);
    if (is_power_of_two(length))
        return (padded / 2 + 1) * COMPLEX_BYTES;
    return (padded / 2 + 1 + (size_t)length + 2 * padded) * COMPLEX_BYTES;
}

/* exp(sign 2 pi i k / n), exact at the quarters. */
static void root_of_unity(int64_t k, int64_t n, double sign, double *ret)
{
    const double angle = 2 * M_PI * (double)k / (double)n;

    ret[0] = 4 * k == n || 4 * k == 3 * n ? 0 : cos(angle);
    ret[1] = k == 0 || 2 * k == n ? 0 : sign * sin(angle);
}

/* Decimation in time after a permutation by reversed bits; forward, not scaled. */
static void transform(const double *roots, int64_t n, double *data)
{
    for (int64_t i = 1, j = 0; i < n; i++) {
        int64_t bit = n >> 1;

        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            const double re = data[2 * i], im = data[2 * i + 1];

            data[2 * i] = data[2 * j];
            data[2 * i + 1] = data[2 * j + 1];
            data[2 * j] = re;
            data[2 * j + 1] = im;
        }
    }
    for (int64_t half = 1; half < n; half *= 2) {
        const int64_t stride = n / (2 * half);

        for (int64_t block = 0; block < n; block += 2 * half) {
            for (int64_t k = 0; k < half; k++) {
                double *a = data + 2 * (block + k), *b = a + 2 * half;
                const double *w = roots + 2 * k * stride;
                const double re = b[0] * w[0] - b[1] * w[1], im = b[0] * w[1] + b[1] * w[0];

                b[0] = a[0] - re;
                b[1] = a[1] - im;
                a[0] += re;
                a[1] += im;
            }
        }
    }
}

void fft_init(struct fft *fft, int64_t length, bool inverse, void *memory)
{
    const int64_t padded = padded_length(length);

    *fft = (struct fft){.length = length, .padded = padded, .inverse = inverse, .roots = memory};
    for (int64_t k = 0; k < padded / 2; k++)
        root_of_unity(k, padded, -1, fft->roots + 2 * k);
    if (is_power_of_two(length))
        return;
    fft->chirp = fft->roots + 2 * (padded / 2 + 1);
    fft->filter = fft->chirp + 2 * length;
    fft->work = fft->filter + 2 * padded;
    memset(fft->filter, 0, (size_t)padded * COMPLEX_BYTES);
    /* chirp[k] = exp(-pi i k^2 / n); the angle repeats with k^2 mod 2n, kept by steps of 2k + 1. */
    for (int64_t k = 0, square = 0; k < length; k++) {
        root_of_unity(square, 2 * length, -1, fft->chirp + 2 * k);
        fft->filter[2 * k] = fft->chirp[2 * k];
        fft->filter[2 * k + 1] = -fft->chirp[2 * k + 1];
        if (k > 0) {
            fft->filter[2 * (padded - k)] = fft->filter[2 * k];
            fft->filter[2 * (padded - k) + 1] = fft->filter[2 * k + 1];
        }
        square = (square + 2 * k + 1) % (2 * length);
    }
    transform(fft->roots, padded, fft->filter);
}

/* data *= other, element by element. */
static void multiply(double *data, const double *other, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const double re = data[2 * i] * other[2 * i] - data[2 * i + 1] * other[2 * i + 1];

        data[2 * i + 1] = data[2 * i] * other[2 * i + 1] + data[2 * i + 1] * other[2 * i];
        data[2 * i] = re;
    }
}

static void conjugate(double *data, int64_t count, double scale)
{
    for (int64_t i = 0; i < count; i++) {
        data[2 * i] *= scale;
        data[2 * i + 1] *= -scale;
    }
}

/* A transform as a convolution with the chirp, done in a power of two. */
static void bluestein(struct fft *fft, double *data)
{
    const int64_t n = fft->length, padded = fft->padded;

    memset(fft->work, 0, (size_t)padded * COMPLEX_BYTES);
    memcpy(fft->work, data, (size_t)n * COMPLEX_BYTES);
    multiply(fft->work, fft->chirp, n);
    transform(fft->roots, padded, fft->work);
    multiply(fft->work, fft->filter, padded);
    conjugate(fft->work, padded, 1);
    transform(fft->roots, padded, fft->work);
    conjugate(fft->work, n, 1.0 / (double)padded);
    multiply(fft->work, fft->chirp, n);
    memcpy(data, fft->work, (size_t)n * COMPLEX_BYTES);
}

void fft_run(struct fft *fft, double *data)
{
    if (fft->inverse)              /* the conjugate of the transform of the conjugate */
        conjugate(data, fft->length, 1);
    if (is_power_of_two(fft->length))
        transform(fft->roots, fft->length, data);
    else
        bluestein(fft, data);
    if (fft->inverse)
        conjugate(data, fft->length, 1.0 / (double)fft->length);
}
