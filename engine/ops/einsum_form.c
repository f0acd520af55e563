/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/einsum_form.h"

#include <inttypes.h>
#include <string.h>

/* One side of a comma or arrow, as written. */
struct written {
    int before, after;             /* letters before and behind the ellipsis */
    bool ellipsis;
    int letters[SHAPE_RANK_MAX];
};

static int letter_label(char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    return letter >= 'a' && letter <= 'z' ? letter - 'a' + 26 : -1;
}

/* Reads up to a comma, an arrow or the end. */
static enum engine_status read_term(const struct node *node, const char **at,
                                    struct written *written, struct engine_error *err)
{
    memset(written, 0, sizeof(*written));
    for (; **at != '\0' && **at != ',' && **at != '-'; (*at)++) {
        int label = letter_label(**at);

        if (**at == ' ')
            continue;
        if (strncmp(*at, "...", 3) == 0 && !written->ellipsis) {
            written->ellipsis = true;
            *at += 2;
            continue;
        }
        if (label < 0)
            return op_fail(node, err, "the equation has '%c' in a term", **at);
        if (written->before + written->after == SHAPE_RANK_MAX)
            return op_fail(node, err, "a term of the equation has more than %d letters",
                           SHAPE_RANK_MAX);
        written->letters[written->before + written->after] = label;
        *(written->ellipsis ? &written->after : &written->before) += 1;
    }
    return ENGINE_OK;
}

/* Labels of a term whose ellipsis stands for `hidden` dimensions. */
static void expand(const struct written *written, int hidden, struct einsum_term *term)
{
    term->rank = 0;
    for (int i = 0; i < written->before; i++)
        term->labels[term->rank++] = written->letters[i];
    for (int i = 0; i < hidden; i++)
        term->labels[term->rank++] = EINSUM_LABELS - hidden + i;
    for (int i = 0; i < written->after; i++)
        term->labels[term->rank++] = written->letters[written->before + i];
}

static enum engine_status size_labels(const struct node *node, struct einsum_form *form, int input,
                                      const struct shape *shape, struct engine_error *err)
{
    const struct einsum_term *term = &form->inputs[input];

    for (int d = 0; d < term->rank; d++) {
        int64_t *size = &form->sizes[term->labels[d]];

        if (shape->dims[d] != 1 && *size != 1 && *size != shape->dims[d])
            return op_fail(node, err, "dimension %d of input %d is %" PRId64 ", elsewhere %" PRId64,
                           d, input, shape->dims[d], *size);
        if (shape->dims[d] != 1)
            *size = shape->dims[d];
    }
    return ENGINE_OK;
}

static enum engine_status read_inputs(const struct node *node, const char **at, int n_inputs,
                                      const struct shape *const *shapes, struct einsum_form *form,
                                      int *hidden, struct engine_error *err)
{
    for (int i = 0; i < n_inputs; i++) {
        struct written written;
        enum engine_status status = read_term(node, at, &written, err);
        int dots;

        if (status != ENGINE_OK)
            return status;
        dots = shapes[i]->rank - written.before - written.after;
        if (dots < 0 || (dots > 0 && !written.ellipsis))
            return op_fail(node, err, "input %d has rank %d, its term names %d", i, shapes[i]->rank,
                           written.before + written.after);
        *hidden = dots > *hidden ? dots : *hidden;
        expand(&written, dots, &form->inputs[i]);
        status = size_labels(node, form, i, shapes[i], err);
        if (status != ENGINE_OK)
            return status;
        if (**at != ',' && i + 1 < n_inputs)
            return op_fail(node, err, "the equation has %d terms for %d inputs", i + 1, n_inputs);
        if (i + 1 < n_inputs)
            (*at)++;
    }
    return ENGINE_OK;
}

/* Without an arrow: the ellipsis, then the letters that occur once, in order. */
static enum engine_status implied_output(const struct node *node, struct einsum_form *form,
                                         int hidden, struct engine_error *err)
{
    int uses[EINSUM_LABELS] = {0};

    for (int i = 0; i < form->n_inputs; i++)
        for (int d = 0; d < form->inputs[i].rank; d++)
            uses[form->inputs[i].labels[d]]++;
    for (int i = 0; i < hidden; i++)
        form->output.labels[form->output.rank++] = EINSUM_LABELS - hidden + i;
    for (int label = 0; label < 52; label++) {
        if (uses[label] != 1)
            continue;
        if (form->output.rank == SHAPE_RANK_MAX)
            return op_fail(node, err, "the result has more than %d dimensions", SHAPE_RANK_MAX);
        form->output.labels[form->output.rank++] = label;
    }
    return ENGINE_OK;
}

static enum engine_status stated_output(const struct node *node, const char **at,
                                        struct einsum_form *form, int hidden,
                                        struct engine_error *err)
{
    struct written written;
    uint64_t known = 0, seen = 0;
    enum engine_status status = read_term(node, at, &written, err);

    if (status != ENGINE_OK)
        return status;
    if (written.before + written.after + (written.ellipsis ? hidden : 0) > SHAPE_RANK_MAX)
        return op_fail(node, err, "the result has more than %d dimensions", SHAPE_RANK_MAX);
    expand(&written, written.ellipsis ? hidden : 0, &form->output);
    for (int i = 0; i < form->n_inputs; i++)
        for (int d = 0; d < form->inputs[i].rank; d++)
            known |= UINT64_C(1) << form->inputs[i].labels[d];
    for (int d = 0; d < form->output.rank; d++) {
        uint64_t bit = UINT64_C(1) << form->output.labels[d];

        if ((known & bit) == 0 || (seen & bit) != 0)
            return op_fail(node, err, "dimension %d of the result is %s", d,
                           (seen & bit) != 0 ? "named twice" : "in no input");
        seen |= bit;
    }
    return ENGINE_OK;
}

enum engine_status einsum_read(const struct node *node, const char *equation, int n_inputs,
                               const struct shape *const *shapes, struct einsum_form *ret_form,
                               struct engine_error *err)
{
    enum engine_status status;
    int hidden = 0;

    memset(ret_form, 0, sizeof(*ret_form));
    for (int label = 0; label < EINSUM_LABELS; label++)
        ret_form->sizes[label] = 1;
    if (n_inputs > EINSUM_INPUTS_MAX)
        return op_unsupported(node, err, "%d inputs, at most %d are taken", n_inputs,
                              EINSUM_INPUTS_MAX);
    ret_form->n_inputs = n_inputs;
    status = read_inputs(node, &equation, n_inputs, shapes, ret_form, &hidden, err);
    if (status != ENGINE_OK)
        return status;
    if (strncmp(equation, "->", 2) == 0) {
        equation += 2;
        status = stated_output(node, &equation, ret_form, hidden, err);
    } else {
        status = implied_output(node, ret_form, hidden, err);
    }
    if (status == ENGINE_OK && *equation != '\0')
        return op_fail(node, err, "'%.32s' is left over of the equation", equation);
    return status;
}
