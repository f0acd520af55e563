/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/norm_grad_body.h - the one source of norm_grad.h. norm_grad.c alone includes it, once
 * for each instruction set, after NAME(x) and LANES are defined; therefore no include guard. */

typedef float NAME(vf) __attribute__((vector_size(4 * LANES)));
typedef float NAME(vf_memory) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define VF NAME(vf)
#define LOAD(p) ((VF) * (const NAME(vf_memory) *)(p))

INLINE double NAME(total)(VF sums)
{
    double total = 0;

    for (int i = 0; i < LANES; i++)
        total += (double)sums[i];
    return total;
}

/* Sums of a chunk at a time go to double, so that their error does not grow with the row. */
static void NAME(sums)(size_t n, float shift, const float *dy, const float *scale, const float *x,
                       double ret[2])
{
    double sum = 0, product = 0;
    size_t i = 0;

    while (i + 2 * LANES <= n) {
        size_t end = n - i > CHUNK ? i + CHUNK : i + (n - i) / (2 * LANES) * (2 * LANES);
        VF s0 = {0}, s1 = {0}, p0 = {0}, p1 = {0};

        for (; i < end; i += 2 * LANES) {
            VF g0 = LOAD(dy + i), g1 = LOAD(dy + i + LANES);

            if (scale != NULL) {
                g0 *= LOAD(scale + i);
                g1 *= LOAD(scale + i + LANES);
            }
            s0 += g0;
            s1 += g1;
            p0 += g0 * (LOAD(x + i) - shift);
            p1 += g1 * (LOAD(x + i + LANES) - shift);
        }
        sum += NAME(total)(s0 + s1);
        product += NAME(total)(p0 + p1);
    }
    for (; i < n; i++) {
        float g = scale != NULL ? dy[i] * scale[i] : dy[i];

        sum += (double)g;
        product += (double)g * (double)(x[i] - shift);
    }
    ret[0] = sum;
    ret[1] = product;
}

static void NAME(combine)(size_t n, float a, float b, float c, float shift, const float *dy,
                          const float *scale, const float *x, bool add, float *dx)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        VF g = LOAD(dy + i);

        if (scale != NULL)
            g *= LOAD(scale + i);
        g = a * g + (b * (LOAD(x + i) - shift) + c);
        if (add)
            g += LOAD(dx + i);
        *(NAME(vf_memory) *)(dx + i) = (NAME(vf_memory))g;
    }
    for (; i < n; i++) {
        float g = scale != NULL ? dy[i] * scale[i] : dy[i];

        g = a * g + (b * (x[i] - shift) + c);
        dx[i] = add ? dx[i] + g : g;
    }
}

static void NAME(parameters)(size_t n, float shift, float factor, const float *dy, const float *x,
                             float *dscale, float *dbias)
{
    size_t i = 0;

    for (; dscale != NULL && i + LANES <= n; i += LANES) {
        VF sum = LOAD(dscale + i) + LOAD(dy + i) * ((LOAD(x + i) - shift) * factor);

        *(NAME(vf_memory) *)(dscale + i) = (NAME(vf_memory))sum;
    }
    for (; dscale != NULL && i < n; i++)
        dscale[i] += dy[i] * ((x[i] - shift) * factor);
    for (i = 0; dbias != NULL && i + LANES <= n; i += LANES)
        *(NAME(vf_memory) *)(dbias + i) = (NAME(vf_memory))(LOAD(dbias + i) + LOAD(dy + i));
    for (; dbias != NULL && i < n; i++)
        dbias[i] += dy[i];
}

static float NAME(dot)(size_t n, const float *a, const float *b)
{
    VF s0 = {0}, s1 = {0};
    size_t i = 0;
    float sum = 0;

    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        s0 += LOAD(a + i) * LOAD(b + i);
        s1 += LOAD(a + i + LANES) * LOAD(b + i + LANES);
    }
    for (; i < n; i++)
        sum += a[i] * b[i];
    return (float)NAME(total)(s0 + s1) + sum;
}

static void NAME(multiply)(size_t n, float factor, const float *x, bool add, float *y)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        VF item = factor * LOAD(x + i);

        if (add)
            item += LOAD(y + i);
        *(NAME(vf_memory) *)(y + i) = (NAME(vf_memory))item;
    }
    for (; i < n; i++)
        y[i] = add ? y[i] + factor * x[i] : factor * x[i];
}

static const struct norm_grad NAME(table) = {
    NAME(sums), NAME(combine), NAME(parameters), NAME(dot), NAME(multiply),
};

#undef VF
#undef LOAD
