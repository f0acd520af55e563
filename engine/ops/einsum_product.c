/* SPDX-License-Identifier: Apache-2.0
 * Two operands at a time: each is gathered to [batch, rows, inner] and [batch, inner, columns] (labels that
 * only it has are summed, repeated ones are its diagonal), unless it lies in memory like that already,
 * and one product for each batch follows. */
#include "engine/ops/einsum_product.h"

#include "engine/kernels/gemm.h"

#include <string.h>

/* Values by label: the element at index i[l] is at the sum of i[l] * strides[l]. */
struct operand {
    const void *data;
    uint64_t labels;               /* those it has; it repeats along all others */
    int64_t strides[EINSUM_LABELS];
};

/* Labels in an order, outermost first. */
struct order {
    int n;
    int labels[EINSUM_LABELS];
};

/* One product. Each operand is wanted in the order `a` or `b`, or transposed within its batch; the
 * result comes in the order `c`. */
struct contraction {
    struct order a, b, c, a_transposed, b_transposed;
    uint64_t a_sum, b_sum;         /* labels summed while gathering */
    int64_t batch, m, n, k;
};

#define BIT(label) (UINT64_C(1) << (label))

static void append(struct order *order, const struct order *from, uint64_t chosen)
{
    for (int i = 0; i < from->n; i++)
        if ((chosen & BIT(from->labels[i])) != 0)
            order->labels[order->n++] = from->labels[i];
}

/* Three groups of labels after each other, each in the order of `all`. */
static struct order ordered(const struct order *all, uint64_t first, uint64_t second,
                            uint64_t third)
{
    struct order order = {0};

    append(&order, all, first);
    append(&order, all, second);
    append(&order, all, third);
    return order;
}

static int64_t extent(const struct einsum_form *form, uint64_t labels)
{
    int64_t product = 1;

    for (int label = 0; label < EINSUM_LABELS; label++)
        if ((labels & BIT(label)) != 0 &&
            __builtin_mul_overflow(product, form->sizes[label], &product))
            return INT64_MAX;
    return product;
}

static struct operand make_operand(const struct einsum_form *form, const struct einsum_term *term,
                                   const struct shape *shape, const void *data)
{
    struct operand operand = {.data = data};
    int64_t strides[SHAPE_RANK_MAX];

    shape_strides(shape, strides);
    for (int d = 0; d < term->rank; d++) {
        int label = term->labels[d];

        if (shape->dims[d] == 1 && form->sizes[label] != 1)
            continue;              /* broadcast */
        operand.labels |= BIT(label);
        operand.strides[label] += strides[d];
    }
    return operand;
}

/* All labels: the result's in its order, then the others. */
static struct order all_labels(const struct einsum_form *form)
{
    struct order order = {0};
    uint64_t seen = 0;

    for (int d = 0; d < form->output.rank; d++) {
        order.labels[order.n++] = form->output.labels[d];
        seen |= BIT(form->output.labels[d]);
    }
    for (int label = 0; label < EINSUM_LABELS; label++)
        if ((seen & BIT(label)) == 0)
            order.labels[order.n++] = label;
    return order;
}

/* The product of a and b that keeps the labels in `keep`. */
static struct contraction contract(const struct einsum_form *form, uint64_t a, uint64_t b,
                                   uint64_t keep)
{
    struct contraction c = {0};
    struct order all = all_labels(form);
    uint64_t batch = a & b & keep, inner = a & b & ~keep;
    uint64_t rows = a & ~b & keep, columns = b & ~a & keep;

    c.a_sum = a & ~b & ~keep;
    c.b_sum = b & ~a & ~keep;
    c.a = ordered(&all, batch, rows, inner);
    c.a_transposed = ordered(&all, batch, inner, rows);
    c.b = ordered(&all, batch, inner, columns);
    c.b_transposed = ordered(&all, batch, columns, inner);
    c.c = ordered(&all, batch, rows, columns);
    c.batch = extent(form, batch);
    c.m = extent(form, rows);
    c.n = extent(form, columns);
    c.k = extent(form, inner);
    return c;
}

/* The operand that a contiguous result in this order is. */
static struct operand contiguous(const struct einsum_form *form, const struct order *order,
                                 const void *data)
{
    struct operand operand = {.data = data};
    int64_t stride = 1;

    for (int i = order->n - 1; i >= 0; i--) {
        operand.labels |= BIT(order->labels[i]);
        operand.strides[order->labels[i]] = stride;
        stride *= form->sizes[order->labels[i]];
    }
    return operand;
}

static bool lies_in_order(const struct einsum_form *form, const struct operand *operand,
                          const struct order *order)
{
    int64_t stride = 1;

    for (int i = order->n - 1; i >= 0; i--) {
        int label = order->labels[i];

        if (form->sizes[label] != 1 && operand->strides[label] != stride)
            return false;
        stride *= form->sizes[label];
    }
    return true;
}

/* Moves on to the next place; false when it is the first one again. */
static bool step(const struct einsum_form *form, const struct operand *operand,
                 const struct order *order, int64_t *index, int64_t *offset)
{
    for (int i = order->n - 1; i >= 0; i--) {
        int label = order->labels[i];

        *offset += operand->strides[label];
        if (++index[i] < form->sizes[label])
            return true;
        *offset -= operand->strides[label] * form->sizes[label];
        index[i] = 0;
    }
    return false;
}

/* sum: the sum over some labels from `offset` on; none of them is empty. copy: the operand into
 * `to` in an order, summed over `sum`, which may be empty. `outer` is the order without its
 * innermost label, along which there are n elements `stride` apart. */
#define GATHER(name, type) \
    static type name##_sum(const struct einsum_form *form, const struct operand *operand, \
                           const struct order *sum, int64_t offset) \
    { \
        int64_t index[EINSUM_LABELS] = {0}; \
        const type *from = operand->data; \
        type total = 0; \
        do \
            total += from[offset]; \
        while (step(form, operand, sum, index, &offset)); \
        return total; \
    } \
    static void name##_copy(const struct einsum_form *form, const struct operand *operand, \
                            const struct order *outer, int64_t rows, int64_t n, int64_t stride, \
                            const struct order *sum, type *to) \
    { \
        int64_t index[EINSUM_LABELS] = {0}, offset = 0; \
        const type *from = operand->data; \
        for (int64_t row = 0; row < rows; row++, to += n) { \
            if (sum->n == 0) \
                for (int64_t i = 0; i < n; i++) \
                    to[i] = from[offset + i * stride]; \
            else \
                for (int64_t i = 0; i < n; i++) \
                    to[i] = name##_sum(form, operand, sum, offset + i * stride); \
            (void)step(form, operand, outer, index, &offset); \
        } \
    }

GATHER(f32, float)
GATHER(f64, double)
GATHER(u64, uint64_t)

static void gather(const struct einsum_form *form, enum dtype dtype, const struct operand *operand,
                   const struct order *order, uint64_t summed, void *to)
{
    struct order all = all_labels(form), outer = *order, sum = ordered(&all, summed, 0, 0);
    int last = order->n > 0 ? order->labels[--outer.n] : -1;
    int64_t n = last >= 0 ? form->sizes[last] : 1, rows = 1;
    int64_t stride = last >= 0 ? operand->strides[last] : 0;

    for (int i = 0; i < outer.n; i++)
        rows *= form->sizes[outer.labels[i]];
    if (rows == 0 || n == 0)
        return;
    if (extent(form, summed) == 0)
        memset(to, 0, (size_t)(rows * n) * dtype_size(dtype));
    else if (dtype == DTYPE_F32)
        f32_copy(form, operand, &outer, rows, n, stride, &sum, to);
    else if (dtype == DTYPE_F64)
        f64_copy(form, operand, &outer, rows, n, stride, &sum, to);
    else
        u64_copy(form, operand, &outer, rows, n, stride, &sum, to);
}

static void multiply_integers(const struct gemm_form *form, const uint64_t *a, const uint64_t *b,
                              uint64_t *c)
{
    for (int64_t i = 0; i < form->m; i++)
        for (int64_t j = 0; j < form->n; j++) {
            uint64_t sum = 0;

            for (int64_t k = 0; k < form->k; k++)
                sum += a[i * form->k + k] * b[k * form->n + j];
            c[i * form->n + j] = sum;
        }
}

/* Matrices of one product: where they lie and whether transposed. */
struct factor {
    const void *data;
    bool transposed;
};

static void multiply(enum dtype dtype, const struct contraction *c, const struct factor *a,
                     const struct factor *b, void *to)
{
    const struct gemm_form form = {.trans_a = a->transposed, .trans_b = b->transposed, .m = c->m,
                                   .n = c->n, .k = c->k, .lda = a->transposed ? c->m : c->k,
                                   .ldb = b->transposed ? c->k : c->n, .ldc = c->n};
    size_t size = dtype_size(dtype);

    if (c->k == 0 || c->m == 0 || c->n == 0) {
        memset(to, 0, (size_t)(c->batch * c->m * c->n) * size);
        return;
    }
    for (int64_t i = 0; i < c->batch; i++) {
        const char *x = (const char *)a->data + (size_t)(i * c->m * c->k) * size;
        const char *y = (const char *)b->data + (size_t)(i * c->k * c->n) * size;
        char *z = (char *)to + (size_t)(i * c->m * c->n) * size;

        if (dtype == DTYPE_F32)
            gemm_f32(&form, 1.0f, (const float *)x, (const float *)y, 0.0f, (float *)z);
        else if (dtype == DTYPE_F64)
            gemm_f64(&form, 1.0, (const double *)x, (const double *)y, 0.0, (double *)z);
        else
            multiply_integers(&form, (const uint64_t *)x, (const uint64_t *)y, (uint64_t *)z);
    }
}

/* Labels of the result. */
static uint64_t wanted_labels(const struct einsum_form *form)
{
    uint64_t wanted = 0;

    for (int d = 0; d < form->output.rank; d++)
        wanted |= BIT(form->output.labels[d]);
    return wanted;
}

/* The labels that operands after `input`, or the result, still need. */
static uint64_t needed_later(const struct einsum_form *form, const struct operand *operands,
                             int input)
{
    uint64_t needed = wanted_labels(form);

    for (int i = input + 1; i < form->n_inputs; i++)
        needed |= operands[i].labels;
    return needed;
}

/* Scratch of all products: both operands and the result of each. False when it overflows. */
static bool scratch_bytes(const struct einsum_form *form, const struct operand *operands, size_t size,
                          size_t *ret_bytes)
{
    uint64_t left = operands[0].labels;
    size_t bytes = 0;

    for (int i = 1; i < form->n_inputs; i++) {
        uint64_t keep = needed_later(form, operands, i);
        uint64_t parts[3] = {left & (keep | operands[i].labels), operands[i].labels & (keep | left),
                             (left | operands[i].labels) & keep};

        for (int k = 0; k < 3; k++) {
            int64_t elements = extent(form, parts[k]);

            if (elements > (int64_t)(SIZE_MAX / 4 / size) - 64 ||
                __builtin_add_overflow(bytes, (size_t)elements * size + 64, &bytes))
                return false;
        }
        left = parts[2];
    }
    *ret_bytes = bytes;
    return true;
}

/* Room for the elements of these labels, from the scratch memory. */
static void *room(const struct einsum_form *form, size_t size, uint64_t labels, char **scratch)
{
    void *here = *scratch;

    *scratch += ((size_t)extent(form, labels) * size + 63) / 64 * 64;
    return here;
}

/* The operand as the product takes it: where it lies, or gathered. */
static struct factor take(const struct einsum_form *form, enum dtype dtype,
                          const struct operand *operand, const struct order *order,
                          const struct order *transposed, uint64_t summed, void *to)
{
    if (summed == 0 && lies_in_order(form, operand, order))
        return (struct factor){operand->data, false};
    if (summed == 0 && dtype_is_float(dtype) && lies_in_order(form, operand, transposed))
        return (struct factor){operand->data, true};
    gather(form, dtype, operand, order, summed, to);
    return (struct factor){to, false};
}

/* The product of two operands, in `output` if that is given and the order is `result`, else in
 * scratch memory. */
static struct operand join(const struct einsum_form *form, enum dtype dtype,
                           const struct operand *left, const struct operand *right, uint64_t keep,
                           const struct order *result, void *output, char **scratch)
{
    struct contraction c = contract(form, left->labels, right->labels, keep);
    size_t size = dtype_size(dtype);
    void *a_room = room(form, size, left->labels & ~c.a_sum, scratch);
    void *b_room = room(form, size, right->labels & ~c.b_sum, scratch);
    void *to = room(form, size, (left->labels | right->labels) & keep, scratch);
    struct operand product = contiguous(form, &c.c, to);
    struct factor a = take(form, dtype, left, &c.a, &c.a_transposed, c.a_sum, a_room);
    struct factor b = take(form, dtype, right, &c.b, &c.b_transposed, c.b_sum, b_room);

    if (output != NULL && lies_in_order(form, &product, result))
        product.data = to = output;
    multiply(dtype, &c, &a, &b, to);
    return product;
}

bool einsum_scratch(const struct einsum_form *form, const struct shape *const *shapes, size_t size,
                    size_t *ret_bytes)
{
    struct operand operands[EINSUM_INPUTS_MAX] = {0};

    for (int i = 0; i < form->n_inputs; i++)
        operands[i] = make_operand(form, &form->inputs[i], shapes[i], NULL);
    return scratch_bytes(form, operands, size, ret_bytes);
}

void einsum_product(const struct einsum_form *form, enum dtype dtype,
                    const struct tensor *const *tensors, void *to, void *scratch)
{
    const struct order all = all_labels(form);
    const uint64_t wanted = wanted_labels(form);
    const struct order result = ordered(&all, wanted, 0, 0);
    struct operand operands[EINSUM_INPUTS_MAX] = {0}, left;
    char *rest = scratch;

    if (extent(form, wanted) == 0)
        return;
    for (int i = 0; i < form->n_inputs; i++)
        operands[i] = make_operand(form, &form->inputs[i], &tensors[i]->shape, tensors[i]->data);
    left = operands[0];
    for (int i = 1; i < form->n_inputs; i++)
        left = join(form, dtype, &left, &operands[i], needed_later(form, operands, i), &result,
                    i + 1 == form->n_inputs ? to : NULL, &rest);
    if (left.data != to)
        gather(form, dtype, &left, &result, left.labels & ~wanted, to);
}
