/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/update_body.h - the step of engine/kernels/update.h for one vector width. Included
 * by update.c alone, once for each instruction set, with NAME(x) giving names of their own, LANES
 * the floats in a vector and SQRT(x) its square root. Therefore no include guard. */

typedef float NAME(vf) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAME(vi) __attribute__((vector_size(4 * LANES)));
typedef float NAME(vf_unaligned) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define VF NAME(vf)
#define VI NAME(vi)
#define INLINE static inline __attribute__((always_inline))

INLINE VF NAME(load)(const float *x)
{
    return (VF) * (const NAME(vf_unaligned) *)x;
}

INLINE void NAME(store)(float *y, VF value)
{
    *(NAME(vf_unaligned) *)y = (NAME(vf_unaligned))value;
}

/* x - threshold towards 0, which nothing crosses (soft thresholding, Daubechies et al. 2004). */
INLINE VF NAME(shrink)(VF x, float threshold)
{
    VI sign = (VI)x & ((VI){0} + INT32_MIN);
    VF size = (VF)((VI)x & ((VI){0} + INT32_MAX)) - threshold;

    /* A NaN compares false both ways and stays. */
    return (VF)(~(VI)(size <= 0.0f) & ((VI)size | sign));
}

INLINE VF NAME(step)(enum update_kind kind, const struct update *u, const struct update_arrays *a,
                     int64_t i, VF g)
{
    VF v, h;

    switch (kind) {
    case UPDATE_MOMENTUM:
    case UPDATE_NESTEROV:
        v = NAME(load)(a->v + i) * u->alpha + g;
        NAME(store)(a->v_next + i, v);
        return kind == UPDATE_MOMENTUM ? v : g + v * u->alpha;
    case UPDATE_ADAGRAD:
        v = NAME(load)(a->v + i) + g * g;
        NAME(store)(a->v_next + i, v);
        return g / (SQRT(v) + u->epsilon);
    case UPDATE_RMSPROP:
        v = NAME(load)(a->v + i) * u->beta + g * g * u->beta_rest;
        NAME(store)(a->v_next + i, v);
        return g / (SQRT(v) + u->epsilon);
    case UPDATE_ADAM:
        v = NAME(load)(a->v + i) * u->alpha + g * u->alpha_rest;
        h = NAME(load)(a->h + i) * u->beta + g * g * u->beta_rest;
        NAME(store)(a->v_next + i, v);
        NAME(store)(a->h_next + i, h);
        return v / (SQRT(h) * u->root_factor + u->epsilon);
    default:
        return g;
    }
}

INLINE struct update_found NAME(run)(enum update_kind kind, const struct update *u, int64_t n,
                                     const struct update_arrays *a)
{
    VF squares = {0};
    VI most = {0};
    struct update_found found = {0};

    for (int64_t i = 0; i < n; i += LANES) {
        VF w = NAME(load)(a->w + i), g = NAME(load)(a->g + i) * u->clip + w * u->l2;
        VF next = w * u->keep - NAME(step)(kind, u, a, i, g) * u->rate;
        VI bits;

        if (u->threshold > 0.0f)
            next = NAME(shrink)(next, u->threshold);
        NAME(store)(a->w_next + i, next);
        squares += (next - w) * (next - w);
        bits = (VI)next & ((VI){0} + INT32_MAX);
        most = (bits & (bits > most)) | (most & ~(bits > most));
    }
    for (int lane = 0; lane < LANES; lane++) {
        found.change_squares += squares[lane];
        if ((uint32_t)most[lane] > found.most)
            found.most = (uint32_t)most[lane];
    }
    return found;
}

/* One loop for each kind: the choice is made outside. */
static struct update_found NAME(update)(const struct update *u, int64_t n,
                                        const struct update_arrays *a)
{
    switch (u->kind) {
    case UPDATE_MOMENTUM:
        return NAME(run)(UPDATE_MOMENTUM, u, n, a);
    case UPDATE_NESTEROV:
        return NAME(run)(UPDATE_NESTEROV, u, n, a);
    case UPDATE_ADAGRAD:
        return NAME(run)(UPDATE_ADAGRAD, u, n, a);
    case UPDATE_RMSPROP:
        return NAME(run)(UPDATE_RMSPROP, u, n, a);
    case UPDATE_ADAM:
        return NAME(run)(UPDATE_ADAM, u, n, a);
    default:
        return NAME(run)(UPDATE_PLAIN, u, n, a);
    }
}

#undef VF
#undef VI
#undef INLINE
