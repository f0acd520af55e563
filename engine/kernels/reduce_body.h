/* SPDX-License-Identifier: Apache-2.0
 * engine/kernels/reduce_body.h - engine/kernels/reduce.c's loops for one type. Included by it
 * alone, for T float, double, int64_t and uint64_t, after it has defined NAME(x), NAME(exp)(n, x) that
 * raises e to each of x in place, NAME(line_of)(pass) (a faster line or NULL), LOWEST, HIGHEST,
 * IS_NEGATIVE, ADD, SUBTRACT and MULTIPLY. Therefore no include guard. */

/* line: takes n adjacent elements into one accumulator. step: takes n elements into n accumulators.
 * `item` is the element in `map`, `shift` a number for each accumulator; `a` is the accumulator and
 * `b` the mapped element in `combine`. */
#define REDUCER(name, map, combine) \
    static void NAME(line_##name)(int64_t n, const T *x, const T *shifts, T *accumulator) \
    { \
        const T shift = *shifts; \
        T a = *accumulator; \
        (void)shift; \
        for (int64_t i = 0; i < n; i++) { \
            const T item = x[i]; \
            const T b = (T)(map); \
            a = (T)(combine); \
        } \
        *accumulator = a; \
    } \
    static void NAME(step_##name)(int64_t n, const T *x, const T *shifts, T *accumulators) \
    { \
        (void)shifts; \
        for (int64_t i = 0; i < n; i++) { \
            const T item = x[i]; \
            const T b = (T)(map); \
            const T a = accumulators[i]; \
            accumulators[i] = (T)(combine); \
        } \
    }

REDUCER(sum, item, ADD(a, b))
REDUCER(max, item, b > a || b != b ? b : a)
REDUCER(min, item, b < a || b != b ? b : a)
REDUCER(prod, item, MULTIPLY(a, b))
REDUCER(abs, IS_NEGATIVE(item) ? (T)SUBTRACT(0, item) : item, ADD(a, b))
REDUCER(square, MULTIPLY(item, item), ADD(a, b))

/* Sums of e^(x - shift), a block at a time. */
static void NAME(line_exp)(int64_t n, const T *x, const T *shifts, T *accumulator)
{
    T powers[BLOCK];

    for (int64_t from = 0; from < n; from += BLOCK) {
        int64_t count = n - from < BLOCK ? n - from : BLOCK;

        for (int64_t i = 0; i < count; i++)
            powers[i] = SUBTRACT(x[from + i], *shifts);
        NAME(exp)(count, powers);
        NAME(line_sum)(count, powers, shifts, accumulator);
    }
}

/* n is at most BLOCK. */
static void NAME(step_exp)(int64_t n, const T *x, const T *shifts, T *accumulators)
{
    T powers[BLOCK] = {0};

    for (int64_t i = 0; i < n; i++)
        powers[i] = SUBTRACT(x[i], shifts[i]);
    NAME(exp)(n, powers);
    NAME(step_sum)(n, powers, shifts, accumulators);
}

typedef void NAME(take_fn)(int64_t n, const T *x, const T *shifts, T *accumulators);

/* The functions of a pass; `join` adds one row of accumulators to another. */
struct NAME(reducer) {
    NAME(take_fn) *line, *step, *join;
    T start;
};

static const struct NAME(reducer) NAME(reducers)[PASSES] = {
    [PASS_SUM] = {NAME(line_sum), NAME(step_sum), NAME(step_sum), 0},
    [PASS_MAX] = {NAME(line_max), NAME(step_max), NAME(step_max), LOWEST},
    [PASS_MIN] = {NAME(line_min), NAME(step_min), NAME(step_min), HIGHEST},
    [PASS_PROD] = {NAME(line_prod), NAME(step_prod), NAME(step_prod), 1},
    [PASS_ABS] = {NAME(line_abs), NAME(step_abs), NAME(step_sum), 0},
    [PASS_SQUARE] = {NAME(line_square), NAME(step_square), NAME(step_sum), 0},
    [PASS_EXP] = {NAME(line_exp), NAME(step_exp), NAME(step_sum), 0},
};

/* n elements of the tensor from `offset` on, as T: in place, or loaded to `buffer`. */
static const T *NAME(elements)(const struct job *job, int64_t offset, int64_t n, T *buffer)
{
    const char *x = job->x + (size_t)offset * job->size;

    if (job->stride != 1) {
        for (int64_t i = 0; i < n; i++)
            buffer[i] = ((const T *)x)[i * job->stride];
        return buffer;
    }
    if (job->dtype == job->compute)
        return (const T *)x;
    load_as(job->compute, job->dtype, n, x, buffer);
    return buffer;
}

/* One output from lines of job->n_last elements. */
static T NAME(reduce_lines)(const struct job *job, enum pass pass, int64_t base, T shift)
{
    const struct NAME(reducer) *reducer = &NAME(reducers)[pass];
    NAME(take_fn) *fast = job->n_last >= SHORT_LINE ? NAME(line_of)(pass) : NULL;
    NAME(take_fn) *line = fast != NULL ? fast : reducer->line;
    struct walk walk = {0};
    T accumulator = reducer->start, buffer[BLOCK];
    int64_t piece = job->dtype == job->compute ? job->n_last : BLOCK;

    for (int64_t k = 0; k < job->n_reduced; k++) {
        for (int64_t from = 0; from < job->n_last; from += piece) {
            int64_t count = job->n_last - from < piece ? job->n_last - from : piece;

            line(count, NAME(elements)(job, base + walk.offset + from, count, buffer), &shift,
                 &accumulator);
        }
        walk_next(&walk, job->n_reduced_dims, job->reduced);
    }
    return accumulator;
}

/* `count` neighbouring outputs, at most BLOCK, from rows. Partial results form a cascade: ROWS rows
 * make one of the first level, ROWS of those one of the second, and so on. */
static void NAME(reduce_rows)(const struct job *job, enum pass pass, int64_t base, int64_t count,
                              const T *shifts, T *totals)
{
    const struct NAME(reducer) *reducer = &NAME(reducers)[pass];
    struct walk walk = {0};
    T partial[LEVELS][BLOCK], buffer[BLOCK];

    for (int64_t i = 0; i < count; i++)
        for (int level = 0; level < LEVELS; level++)
            partial[level][i] = reducer->start;
    for (int64_t row = 0; row < job->n_reduced; row++) {
        int64_t done = row + 1;

        reducer->step(count, NAME(elements)(job, base + walk.offset, count, buffer), shifts,
                      partial[0]);
        walk_next(&walk, job->n_reduced_dims, job->reduced);
        for (int level = 0; level + 1 < LEVELS && done % ROWS == 0; level++, done /= ROWS) {
            reducer->join(count, partial[level], shifts, partial[level + 1]);
            for (int64_t i = 0; i < count; i++)
                partial[level][i] = reducer->start;
        }
    }
    for (int level = 0; level + 1 < LEVELS; level++)
        reducer->join(count, partial[level], shifts, partial[level + 1]);
    memcpy(totals, partial[LEVELS - 1], (size_t)count * sizeof(*totals));
}

static void NAME(finish)(const struct job *job, int64_t n, const T *shifts, T *totals)
{
    double elements = (double)(job->n_reduced * job->n_last);

    for (int64_t i = 0; i < n; i++) {
        switch (job->kind) {
        case REDUCE_MEAN:
        case REDUCE_MEAN_SQUARE:
            totals[i] = (T)((double)totals[i] / elements);
            break;
        case REDUCE_L2:
            totals[i] = (T)sqrt((double)totals[i]);
            break;
        case REDUCE_LOG_SUM:
            totals[i] = (T)log((double)totals[i]);
            break;
        case REDUCE_LOG_SUM_EXP:
            totals[i] = (T)(log((double)totals[i]) + (double)shifts[i]);
            break;
        default:
            return;
        }
    }
}

/* What LogSumExp subtracts: the largest, or nothing where that is infinite. */
static void NAME(limit_shifts)(int64_t n, T *shifts)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite((double)shifts[i]) || shifts[i] == LOWEST)
            shifts[i] = 0;
}

/* Outputs [first, last) of the kept dimensions but the innermost. */
static void NAME(reduce_range)(const struct job *job, int64_t first, int64_t last)
{
    T totals[BLOCK], shifts[BLOCK] = {0};
    enum pass pass = kinds[job->kind];
    struct walk walk = walk_to(first, job->n_kept_dims, job->kept);

    for (int64_t output = first; output < last; output++) {
        for (int64_t from = 0; from < job->n_row; from += BLOCK) {
            int64_t count = job->n_row - from < BLOCK ? job->n_row - from : BLOCK;
            int64_t base = walk.offset + from * job->stride;

            for (int stage = pass == PASS_EXP ? 0 : 1; stage < 2; stage++) {
                enum pass now = stage == 0 ? PASS_MAX : pass;
                T *into = stage == 0 ? shifts : totals;

                if (job->by_line)
                    *into = NAME(reduce_lines)(job, now, base, *shifts);
                else
                    NAME(reduce_rows)(job, now, base, count, shifts, into);
                if (stage == 0)
                    NAME(limit_shifts)(count, shifts);
            }
            NAME(finish)(job, count, shifts, totals);
            store_as(job->compute, job->dtype, count, totals,
                     job->y + (size_t)(output * job->n_row + from) * job->size);
        }
        walk_next(&walk, job->n_kept_dims, job->kept);
    }
}

#undef REDUCER
