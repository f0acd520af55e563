/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/detect.c - NonMaxSuppression: the best boxes that do not overlap much. How many there
 * are depends on data, so infer finds them, too. */
#include "engine/ops/operands.h"

#include <inttypes.h>
#include <string.h>

struct nms_params {
    bool centre;                   /* boxes are centre, width, height instead of two corners */
};

static enum engine_status nms_init(const struct op_init *init, struct engine_error *err)
{
    struct nms_params *params = init->params;

    (void)err;
    params->centre = node_int(init->node, "center_point_box", 0) != 0;
    return ENGINE_OK;
}

/* The operands, wherever they come from. */
struct nms {
    bool centre, has_threshold;
    const float *boxes, *scores;
    int64_t batches, classes, n_boxes, most;
    float overlap, threshold;
};

static float scalar_or(const struct tensor *tensor, float fallback)
{
    return tensor != NULL && shape_elements(&tensor->shape) > 0
               ? (float)tensor_double_at(tensor, 0) : fallback;
}

/* inputs[0 .. 4], NULL for an absent one. */
static void nms_read(const struct nms_params *params, const struct tensor *const inputs[5],
                     struct nms *ret)
{
    *ret = (struct nms){
        .centre = params->centre,
        .has_threshold = inputs[4] != NULL && shape_elements(&inputs[4]->shape) > 0,
        .boxes = inputs[0]->data,
        .scores = inputs[1]->data,
        .batches = inputs[1]->shape.dims[0],
        .classes = inputs[1]->shape.dims[1],
        .n_boxes = inputs[1]->shape.dims[2],
        .overlap = scalar_or(inputs[3], 0),
        .threshold = scalar_or(inputs[4], 0),
    };
    if (inputs[2] != NULL && shape_elements(&inputs[2]->shape) > 0)
        ret->most = tensor_int_at(inputs[2], 0);
}

struct box {
    float low[2], high[2];
};

static struct box read_box(const struct nms *nms, const float *at)
{
    struct box box;

    for (int d = 0; d < 2; d++) {
        box.low[d] = nms->centre ? at[d] - at[2 + d] / 2 : at[d] < at[2 + d] ? at[d] : at[2 + d];
        box.high[d] = nms->centre ? at[d] + at[2 + d] / 2 : at[d] < at[2 + d] ? at[2 + d] : at[d];
    }
    return box;
}

/* True when the boxes share more of their union than nms->overlap. */
static bool overlaps(const struct nms *nms, const float *a_at, const float *b_at)
{
    const struct box a = read_box(nms, a_at), b = read_box(nms, b_at);
    float common = 1, area_a = 1, area_b = 1;

    for (int d = 0; d < 2; d++) {
        const float low = a.low[d] > b.low[d] ? a.low[d] : b.low[d];
        const float high = a.high[d] < b.high[d] ? a.high[d] : b.high[d];

        if (!(high > low))
            return false;
        common *= high - low;
        area_a *= a.high[d] - a.low[d];
        area_b *= b.high[d] - b.low[d];
    }
    if (!(area_a > 0) || !(area_b > 0))
        return false;
    return common / (area_a + area_b - common) > nms->overlap;
}

/* Whether box `a` comes before box `b`: by score, then by place. */
static bool before(const float *scores, int64_t a, int64_t b)
{
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

/* Lets the entry at `i` sink to its place in a heap whose top is the first box of all. */
static void sift_down(const float *scores, int64_t *heap, int64_t count, int64_t i)
{
    for (;;) {
        int64_t child = 2 * i + 1;
        const int64_t entry = heap[i];

        if (child >= count)
            return;
        if (child + 1 < count && before(scores, heap[child + 1], heap[child]))
            child++;
        if (!before(scores, heap[child], entry))
            return;
        heap[i] = heap[child];
        heap[child] = entry;
        i = child;
    }
}

/* One class of one batch: the chosen boxes in `chosen`, their number returned. `heap` and `chosen`
 * have n_boxes entries. */
static int64_t choose(const struct nms *nms, const float *boxes, const float *scores, int64_t *heap,
                      int64_t *chosen)
{
    int64_t count = 0, n_chosen = 0;

    for (int64_t i = 0; i < nms->n_boxes; i++)
        if (!nms->has_threshold || scores[i] > nms->threshold)
            heap[count++] = i;
    for (int64_t i = count / 2 - 1; i >= 0; i--)
        sift_down(scores, heap, count, i);
    while (count > 0 && n_chosen < nms->most) {
        const int64_t box = heap[0];
        bool keep = true;

        heap[0] = heap[--count];
        sift_down(scores, heap, count, 0);
        for (int64_t k = 0; k < n_chosen && keep; k++)
            keep = !overlaps(nms, boxes + 4 * box, boxes + 4 * chosen[k]);
        if (keep)
            chosen[n_chosen++] = box;
    }
    return n_chosen;
}

/* All of them: [batch, class, box] triples at `to` (NULL: only counted). `memory` has 2 * n_boxes
 * entries. */
static int64_t nms_all(const struct nms *nms, int64_t *memory, int64_t *to)
{
    int64_t total = 0;

    for (int64_t b = 0; b < nms->batches; b++) {
        for (int64_t c = 0; c < nms->classes; c++) {
            const int64_t n = choose(nms, nms->boxes + b * nms->n_boxes * 4,
                                     nms->scores + (b * nms->classes + c) * nms->n_boxes, memory,
                                     memory + nms->n_boxes);

            for (int64_t i = 0; i < n && to != NULL; i++) {
                to[3 * (total + i)] = b;
                to[3 * (total + i) + 1] = c;
                to[3 * (total + i) + 2] = memory[nms->n_boxes + i];
            }
            total += n;
        }
    }
    return total;
}

static enum engine_status nms_infer(struct op_infer *infer, struct engine_error *err)
{
    const struct shape *boxes = &infer->inputs[0].shape, *scores = &infer->inputs[1].shape;
    const struct tensor *inputs[5] = {NULL};
    char text[2][SHAPE_TEXT_MAX];
    struct shape shape = {.rank = 2, .dims = {0, 3}};
    struct nms nms;
    int64_t *memory;

    for (int i = 0; i < 5; i++) {
        inputs[i] = operand_present(infer, i) ? &infer->inputs[i] : NULL;
        if (inputs[i] != NULL && inputs[i]->dtype != (i == 2 ? DTYPE_I64 : DTYPE_F32))
            return op_fail(infer->node, err, "input %d is of type %s", i,
                           dtype_name(inputs[i]->dtype));
    }
    if (boxes->rank != 3 || scores->rank != 3 || boxes->dims[2] != 4 ||
        boxes->dims[0] != scores->dims[0] || boxes->dims[1] != scores->dims[2])
        return op_fail(infer->node, err, "boxes %s and scores %s do not fit",
                       shape_text(boxes, text[0], sizeof(text[0])),
                       shape_text(scores, text[1], sizeof(text[1])));
    nms_read(infer->params, inputs, &nms);
    infer->scratch_bytes = (size_t)nms.n_boxes * 2 * sizeof(*memory);
    memory = arena_alloc(infer->arena, infer->scratch_bytes);
    if (memory == NULL)
        return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory for %" PRId64 " boxes",
                                nms.n_boxes);
    shape.dims[0] = nms_all(&nms, memory, NULL);
    infer_output(infer, 0, DTYPE_I64, &shape);
    return ENGINE_OK;
}

static enum engine_status nms_run(const struct op_call *call, struct engine_error *err)
{
    const struct tensor *inputs[5] = {NULL};
    struct nms nms;

    (void)err;
    for (int i = 0; i < 5; i++)
        inputs[i] = operand_given(call, i) ? call->inputs[i] : NULL;
    nms_read(call->params, inputs, &nms);
    if (call->outputs[0]->shape.dims[0] > 0)
        nms_all(&nms, call->scratch, call->outputs[0]->data);
    return ENGINE_OK;
}

const struct op_def ops_detect[] = {
    {.name = "NonMaxSuppression", .domain = "", .since = 10, .inputs_min = 2, .inputs_max = 5,
     .outputs_min = 1, .outputs_max = 1, .host_inputs = 0x1f,
     .params_size = sizeof(struct nms_params), .init = nms_init, .infer = nms_infer,
     .run = nms_run},
    {.name = NULL},
};
