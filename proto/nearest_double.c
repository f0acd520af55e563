/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h" /* strtod_l, strtof_l */

#include "proto/nearest_double.h"

#include "proto/power_table.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

double exact_double(const char *token)
{
    pthread_once(&c_locale_once, make_c_locale);
    return strtod_l(token, NULL, c_locale);
}

float exact_float(const char *token)
{
    pthread_once(&c_locale_once, make_c_locale);
    return strtof_l(token, NULL, c_locale);
}

bool nearest_double(uint64_t digits, int exponent, double *ret_value)
{
    unsigned __int128 product;
    struct power g;
    uint64_t high, low, significand, bits;
    int zeros, top, binary;

    if (exponent < POWER_MIN || exponent > 308)
        return false;
    zeros = __builtin_clzll(digits);
    digits <<= zeros;
    g = power_table[exponent - POWER_MIN];
    g.low += exponent < 0 && exponent >= -27; /* the paper rounds these up */
    product = (unsigned __int128)digits * g.high;
    if (((uint64_t)(product >> 64) & 0x1ff) == 0x1ff)
        product += (uint64_t)((unsigned __int128)digits * g.low >> 64);
    high = (uint64_t)(product >> 64);
    low = (uint64_t)product;
    if (low == UINT64_MAX && (exponent < -27 || exponent > 55))
        return false;
    top = (int)(high >> 63);
    significand = high >> (top + 9);
    binary = power_log2(exponent) + 63 + top - zeros + 1023;
    if (binary <= 0)
        return false;
    if (low <= 1 && exponent >= -4 && exponent <= 23 && (significand & 3) == 1 &&
        significand << (top + 9) == high)
        significand &= ~UINT64_C(1); /* halfway: to even */
    significand = (significand + (significand & 1)) >> 1;
    if (significand >> 53 != 0) {
        significand >>= 1;
        binary++;
    }
    if (binary >= 0x7ff)
        return false;
    bits = (significand & ~(UINT64_C(1) << 52)) | (uint64_t)binary << 52;
    memcpy(ret_value, &bits, sizeof(bits));
    return true;
}
