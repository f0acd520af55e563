/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/vec_math_body.h - the functions of engine/kernels/vec_math.h for one vector width.
 * Included by vec_math.c alone, once for each instruction set, with NAME(x) giving names of their
 * own and LANES the floats in a vector. Therefore no include guard.
 *
 * Method. Arguments are reduced to a small interval and a polynomial or rational function is
 * evaluated there, its coefficients fitted by us for least relative error (weighted least squares
 * with Lawson's iteration, which tends to the minimax fit):
 * - exp: x = n ln 2 + r, |r| <= ln 2 / 2, ln 2 in two parts (Cody and Waite 1980);
 * - log: x = 2^e m, m in [sqrt 1/2, sqrt 2), ln(1 + f) = f - f^2/2 + f^3 P(f);
 * - tanh, erf: x P(x^2) / Q(x^2) up to where the float nearest to the result is 1. */

typedef float NAME(vf) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAME(vi) __attribute__((vector_size(4 * LANES)));
typedef uint32_t NAME(vu) __attribute__((vector_size(4 * LANES)));
typedef float NAME(vf_unaligned) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define VF NAME(vf)
#define VI NAME(vi)
#define VU NAME(vu)
#define INLINE static inline __attribute__((always_inline))

INLINE VF NAME(load)(const float *x)
{
    return (VF)*(const NAME(vf_unaligned) *)x;
}

INLINE void NAME(store)(float *y, VF value)
{
    *(NAME(vf_unaligned) *)y = (NAME(vf_unaligned))value;
}

INLINE VF NAME(splat)(float value)
{
    return (VF){0} + value;
}

/* mask ? a : b; a mask lane is all ones or all zeros. */
INLINE VF NAME(select)(VI mask, VF a, VF b)
{
    return (VF)((mask & (VI)a) | (~mask & (VI)b));
}

/* The first `count` of x, then `fill`. */
INLINE VF NAME(load_tail)(const float *x, size_t count, float fill)
{
    float lanes[LANES];

    for (size_t i = 0; i < LANES; i++)
        lanes[i] = i < count ? x[i] : fill;
    return NAME(load)(lanes);
}

INLINE void NAME(store_tail)(float *y, size_t count, VF value)
{
    float lanes[LANES];

    NAME(store)(lanes, value);
    for (size_t i = 0; i < count; i++)
        y[i] = lanes[i];
}

/* Adds pairs of lanes until one is left: a fixed order. */
INLINE float NAME(add_lanes)(VF value)
{
    float lanes[LANES];

    NAME(store)(lanes, value);
    for (size_t width = LANES / 2; width != 0; width /= 2)
        for (size_t i = 0; i < width; i++)
            lanes[i] += lanes[i + width];
    return lanes[0];
}

/* x = n ln 2 + r. */
struct NAME(reduced) {
    VI n;
    VF r;
};

INLINE struct NAME(reduced) NAME(reduce_exp)(VF x)
{
    const float magic = 12582912.0f;   /* 1.5 * 2^23: adding it rounds to an integer */
    struct NAME(reduced) reduced;
    VF z = x * 1.44269504f + magic;
    VF n = z - magic;

    reduced.r = x - n * 0.693359375f;
    reduced.r = reduced.r + n * 2.12194440e-4f;
    reduced.n = (VI)((VU)z - 0x4b400000u);
    return reduced;
}

/* e^r - 1 for |r| <= ln 2 / 2. */
INLINE VF NAME(exp_less_1)(VF r)
{
    VF p = r * 0.00138146128f + 0.00836871006f;

    p = p * r + 0.0416683890f;
    p = p * r + 0.166665211f;
    p = p * r + 0.49999994f;
    return p * (r * r) + r;
}

/* 2^n, the exponent in range. */
INLINE VF NAME(power_of_2)(VI n)
{
    return (VF)((VU)(n + 127) << 23);
}

INLINE VF NAME(exp_core)(VF x)
{
    struct NAME(reduced) reduced;
    VI half;

    x = NAME(select)(x > 89.0f, NAME(splat)(89.0f), x);
    x = NAME(select)(x < -104.0f, NAME(splat)(-104.0f), x);
    reduced = NAME(reduce_exp)(x);
    /* 2^n in two factors, so that neither leaves the exponent's range. */
    half = reduced.n >> 1;
    return (NAME(exp_less_1)(reduced.r) + 1.0f) * NAME(power_of_2)(half) *
           NAME(power_of_2)(reduced.n - half);
}

/* e^x - 1 for x <= 0: 2^n (e^r - 1) + (2^n - 1) cancels nowhere. */
INLINE VF NAME(expm1_core)(VF x)
{
    struct NAME(reduced) reduced;
    VF scale;

    x = NAME(select)(x < -87.0f, NAME(splat)(-87.0f), x);
    reduced = NAME(reduce_exp)(x);
    scale = NAME(power_of_2)(reduced.n);
    return NAME(exp_less_1)(reduced.r) * scale + (scale - 1.0f);
}

/* ln(1 + f) + n ln 2 for 1 + f in [sqrt 1/2, sqrt 2). */
INLINE VF NAME(log_reduced)(VF f, VF n)
{
    VF square = f * f;
    VF p, y;

    p = f * 0.0674663857f + -0.116756514f;
    p = p * f + 0.118881628f;
    p = p * f + -0.124055892f;
    p = p * f + 0.142195523f;
    p = p * f + -0.166679963f;
    p = p * f + 0.200021192f;
    p = p * f + -0.250000089f;
    p = p * f + 0.333333135f;
    y = p * f * square;
    y = y - n * 2.12194440e-4f;
    y = y - square * 0.5f;
    return (f + y) + n * 0.693359375f;
}

INLINE VF NAME(log_core)(VF x)
{
    VI tiny = x < 1.17549435e-38f;
    VU bits = (VU)NAME(select)(tiny, x * 8388608.0f, x);
    VI e = (VI)(bits - 0x3f3504f3u) >> 23;
    VF f = (VF)(bits - ((VU)e << 23)) - 1.0f;
    VF y = NAME(log_reduced)(f, __builtin_convertvector(e + (tiny & -23), VF));

    y = NAME(select)(x == INFINITY, x, y);
    y = NAME(select)(x == 0.0f, NAME(splat)(-INFINITY), y);
    return NAME(select)((x < 0.0f) | (x != x), NAME(splat)(NAN), y);
}

/* max(x, 0) + ln(1 + u), u = e^-|x| in [0, 1]; past sqrt 2 half of 1 + u is taken. */
INLINE VF NAME(softplus_core)(VF x)
{
    VF size = (VF)((VI)x & 0x7fffffff);
    VF u = NAME(exp_core)(-size);
    VI large = u > 0.41421356f;
    VF f = NAME(select)(large, (u - 1.0f) * 0.5f, u);
    VF n = NAME(select)(large, NAME(splat)(1.0f), NAME(splat)(0.0f));

    return NAME(select)(x > 0.0f, x, NAME(splat)(0.0f)) + NAME(log_reduced)(f, n);
}

/* |value| <= most; NaN stays. */
INLINE VF NAME(limit)(VF value, float most)
{
    value = NAME(select)(value > most, NAME(splat)(most), value);
    return NAME(select)(value < -most, NAME(splat)(-most), value);
}

INLINE VF NAME(tanh_core)(VF x)
{
    VF t, p, q;

    x = NAME(limit)(x, 9.0f);
    t = x * x;
    p = t * -1.22462865e-11f + 3.06425854e-08f;
    p = p * t + 2.80313361e-05f;
    p = p * t + 0.00386950932f;
    p = p * t + 0.136808574f;
    p = p * t + 1.0f;
    q = t * 1.28903685e-06f + 0.000394071569f;
    q = q * t + 0.0272501614f;
    q = q * t + 0.470141888f;
    q = q * t + 1.0f;
    return NAME(limit)(x * (p / q), 1.0f);
}

INLINE VF NAME(erf_core)(VF x)
{
    VF t, p, q;

    x = NAME(limit)(x, 3.92f);
    t = x * x;
    p = t * 2.05009087e-06f + 0.000284882961f;
    p = p * t + 0.0037656168f;
    p = p * t + 0.0527487248f;
    p = p * t + 0.190406427f;
    p = p * t + 1.12837911f;
    q = t * 3.80917663e-05f + 0.00116253586f;
    q = q * t + 0.0149692167f;
    q = q * t + 0.114109099f;
    q = q * t + 0.50207603f;
    q = q * t + 1.0f;
    return NAME(limit)(x * (p / q), 1.0f);
}

INLINE VF NAME(sigmoid_core)(VF x)
{
    return 1.0f / (1.0f + NAME(exp_core)(-x));
}

INLINE VF NAME(gelu_core)(VF x)
{
    return x * 0.5f * (1.0f + NAME(erf_core)(x * 0.707106781f));
}

INLINE VF NAME(gelu_tanh_core)(VF x)
{
    VF cube = x * x * x;

    return x * 0.5f * (1.0f + NAME(tanh_core)((x + cube * 0.044715f) * 0.797884561f));
}

#define MAP(function) \
    static void NAME(function)(size_t n, const float *x, float *y) \
    { \
        size_t i = 0; \
        for (; i + LANES <= n; i += LANES) \
            NAME(store)(y + i, NAME(function##_core)(NAME(load)(x + i))); \
        if (i < n) \
            NAME(store_tail) \
            (y + i, n - i, NAME(function##_core)(NAME(load_tail)(x + i, n - i, 0.0f))); \
    }

MAP(exp)
MAP(log)
MAP(tanh)
MAP(sigmoid)
MAP(erf)
MAP(gelu)
MAP(gelu_tanh)
MAP(softplus)
#undef MAP

static void NAME(swish)(size_t n, float alpha, const float *x, float *y)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        VF in = NAME(load)(x + i);

        NAME(store)(y + i, in / (1.0f + NAME(exp_core)(in * -alpha)));
    }
    if (i < n) {
        VF in = NAME(load_tail)(x + i, n - i, 0.0f);

        NAME(store_tail)(y + i, n - i, in / (1.0f + NAME(exp_core)(in * -alpha)));
    }
}

INLINE VF NAME(elu_core)(VF x, float positive, float negative, float rate)
{
    VF below = NAME(expm1_core)(NAME(select)(x > 0.0f, NAME(splat)(0.0f), x * rate));

    return NAME(select)(x > 0.0f, x * positive, below * negative);
}

static void NAME(elu)(size_t n, float positive, float negative, float rate, const float *x,
                      float *y)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        NAME(store)(y + i, NAME(elu_core)(NAME(load)(x + i), positive, negative, rate));
    if (i < n)
        NAME(store_tail)
        (y + i, n - i,
         NAME(elu_core)(NAME(load_tail)(x + i, n - i, 0.0f), positive, negative, rate));
}

/* Takes `in` where it is larger or NaN; a NaN once taken stays. */
INLINE VF NAME(larger)(VF most, VF in)
{
    return NAME(select)((in > most) | (in != in), in, most);
}

static float NAME(max)(size_t n, const float *x)
{
    VF most[4];
    float lanes[LANES];
    size_t i = 0;

    for (int k = 0; k < 4; k++)
        most[k] = NAME(splat)(-INFINITY);
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (size_t k = 0; k < 4; k++)
            most[k] = NAME(larger)(most[k], NAME(load)(x + i + k * LANES));
    for (; i + LANES <= n; i += LANES)
        most[0] = NAME(larger)(most[0], NAME(load)(x + i));
    if (i < n)
        most[0] = NAME(larger)(most[0], NAME(load_tail)(x + i, n - i, -INFINITY));
    most[0] = NAME(larger)(NAME(larger)(most[0], most[1]), NAME(larger)(most[2], most[3]));
    NAME(store)(lanes, most[0]);
    for (size_t k = 1; k < LANES; k++)
        if (lanes[k] > lanes[0] || lanes[k] != lanes[k])
            lanes[0] = lanes[k];
    return lanes[0];
}

/* y = x + addend, of which the largest is returned. */
static float NAME(add_max)(size_t n, const float *x, const float *addend, float *y)
{
    VF most = NAME(splat)(-INFINITY);
    float lanes[LANES];
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        VF sum = NAME(load)(x + i) + NAME(load)(addend + i);

        most = NAME(larger)(most, sum);
        NAME(store)(y + i, sum);
    }
    if (i < n) {
        VF sum = NAME(load_tail)(x + i, n - i, -INFINITY) + NAME(load_tail)(addend + i, n - i, 0.0f);

        most = NAME(larger)(most, sum);
        NAME(store_tail)(y + i, n - i, sum);
    }
    NAME(store)(lanes, most);
    for (size_t k = 1; k < LANES; k++)
        if (lanes[k] > lanes[0] || lanes[k] != lanes[k])
            lanes[0] = lanes[k];
    return lanes[0];
}

/* One product with a row at a time; two sums hide the latency of an addition. */
static void NAME(dots)(size_t rows, size_t n, const float *x, const float *y, size_t y_step, float factor,
                       float *ret)
{
    for (size_t r = 0; r < rows; r++, y += y_step) {
        VF sum = {0}, other = {0};
        size_t i = 0;

        for (; i + 2 * LANES <= n; i += 2 * LANES) {
            sum = sum + NAME(load)(x + i) * NAME(load)(y + i);
            other = other + NAME(load)(x + i + LANES) * NAME(load)(y + i + LANES);
        }
        for (; i + LANES <= n; i += LANES)
            sum = sum + NAME(load)(x + i) * NAME(load)(y + i);
        if (i < n)
            other = other + NAME(load_tail)(x + i, n - i, 0.0f) * NAME(load_tail)(y + i, n - i, 0.0f);
        ret[r] = factor * NAME(add_lanes)(sum + other);
    }
}

/* Four vectors of columns at a time, so many sums in flight. */
static void NAME(weighted_rows)(size_t rows, size_t n, const float *weights, const float *x, size_t x_step,
                                float *y)
{
    size_t i = 0;

    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        VF a = {0}, b = {0}, c = {0}, d = {0};

        for (size_t r = 0; r < rows; r++) {
            const float *row = x + r * x_step + i;

            a = a + NAME(load)(row) * weights[r];
            b = b + NAME(load)(row + LANES) * weights[r];
            c = c + NAME(load)(row + 2 * LANES) * weights[r];
            d = d + NAME(load)(row + 3 * LANES) * weights[r];
        }
        NAME(store)(y + i, a);
        NAME(store)(y + i + LANES, b);
        NAME(store)(y + i + 2 * LANES, c);
        NAME(store)(y + i + 3 * LANES, d);
    }
    for (; i < n; i += LANES) {
        size_t count = n - i < LANES ? n - i : LANES;
        VF sum = {0};

        for (size_t r = 0; r < rows; r++)
            sum = sum + (count == LANES ? NAME(load)(x + r * x_step + i)
                                        : NAME(load_tail)(x + r * x_step + i, count, 0.0f)) *
                            weights[r];
        if (count == LANES)
            NAME(store)(y + i, sum);
        else
            NAME(store_tail)(y + i, count, sum);
    }
}

static float NAME(exp_sum)(size_t n, float shift, const float *x, float *y)
{
    VF sum = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        VF e = NAME(exp_core)(NAME(load)(x + i) - shift);

        sum = sum + e;
        NAME(store)(y + i, e);
    }
    if (i < n) {
        VF e = NAME(exp_core)(NAME(load_tail)(x + i, n - i, -INFINITY) - shift);

        sum = sum + e;
        NAME(store_tail)(y + i, n - i, e);
    }
    return NAME(add_lanes)(sum);
}

/* Four sums run side by side to hide an addition's latency; after SUM_ROUNDS rounds they are added
 * to a total, so that the error grows slowly. `term` is in `in`; `neutral` adds 0. */
#define SUM_LOOP(term, neutral) \
    VF total = {0}, sums[4]; \
    size_t i = 0; \
    while (i + LANES <= n) { \
        for (size_t k = 0; k < 4; k++) \
            sums[k] = (VF){0}; \
        for (int round = 0; round < SUM_ROUNDS && i + 4 * LANES <= n; round++, i += 4 * LANES) \
            for (size_t k = 0; k < 4; k++) { \
                VF in = NAME(load)(x + i + k * LANES); \
                sums[k] = sums[k] + (term); \
            } \
        if (i + LANES <= n && i + 4 * LANES > n) { \
            VF in = NAME(load)(x + i); \
            sums[0] = sums[0] + (term); \
            i += LANES; \
        } \
        total = total + ((sums[0] + sums[1]) + (sums[2] + sums[3])); \
    } \
    if (i < n) { \
        VF in = NAME(load_tail)(x + i, n - i, neutral); \
        total = total + (term); \
    } \
    return NAME(add_lanes)(total)

static float NAME(sum)(size_t n, const float *x)
{
    SUM_LOOP(in, 0.0f);
}

static float NAME(sum_squares)(size_t n, float shift, const float *x)
{
    SUM_LOOP((in - shift) * (in - shift), shift);
}

static float NAME(sum_abs)(size_t n, const float *x)
{
    SUM_LOOP((VF)((VI)in & 0x7fffffff), 0.0f);
}
#undef SUM_LOOP

static void NAME(normalise)(size_t n, float shift, float factor, const float *scale,
                            const float *bias, const float *x, float *y)
{
    const VF one = NAME(splat)(1.0f), zero = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        VF a = scale != NULL ? NAME(load)(scale + i) : one;
        VF b = bias != NULL ? NAME(load)(bias + i) : zero;

        NAME(store)(y + i, (NAME(load)(x + i) - shift) * factor * a + b);
    }
    if (i < n) {
        VF a = scale != NULL ? NAME(load_tail)(scale + i, n - i, 1.0f) : one;
        VF b = bias != NULL ? NAME(load_tail)(bias + i, n - i, 0.0f) : zero;
        VF in = NAME(load_tail)(x + i, n - i, 0.0f);

        NAME(store_tail)(y + i, n - i, (in - shift) * factor * a + b);
    }
}

static void NAME(scale)(size_t n, float shift, float factor, float offset, const float *x, float *y)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        NAME(store)(y + i, (NAME(load)(x + i) - shift) * factor + offset);
    if (i < n)
        NAME(store_tail)
        (y + i, n - i, (NAME(load_tail)(x + i, n - i, 0.0f) - shift) * factor + offset);
}

static const struct vec_math NAME(table) = {
    .exp = NAME(exp),
    .log = NAME(log),
    .tanh = NAME(tanh),
    .sigmoid = NAME(sigmoid),
    .erf = NAME(erf),
    .gelu = NAME(gelu),
    .gelu_tanh = NAME(gelu_tanh),
    .swish = NAME(swish),
    .elu = NAME(elu),
    .softplus = NAME(softplus),
    .max = NAME(max),
    .exp_sum = NAME(exp_sum),
    .add_max = NAME(add_max),
    .dots = NAME(dots),
    .weighted_rows = NAME(weighted_rows),
    .sum = NAME(sum),
    .sum_squares = NAME(sum_squares),
    .sum_abs = NAME(sum_abs),
    .normalise = NAME(normalise),
    .scale = NAME(scale),
};

#undef VF
#undef VI
#undef VU
#undef INLINE
