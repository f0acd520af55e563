/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/window_form.h"

#include "engine/op.h"

#include <string.h>

/* One list attribute: an entry for each spatial dimension, or two where `end` is given. */
struct list {
    const char *name;
    int64_t min, fallback;
    int64_t *begin, *end;
};

static const int64_t item_max = INT64_C(1) << 31;

/* *ret_found says whether the node has the attribute. */
static enum engine_status read_list(const struct node *node, const struct list *list,
                                    struct window_form *form, bool *ret_found,
                                    struct engine_error *err)
{
    size_t count, entries;
    const int64_t *items = node_ints(node, list->name, &count);

    for (int d = 0; d < WINDOW_DIMS; d++) {
        list->begin[d] = list->fallback;
        if (list->end != NULL)
            list->end[d] = list->fallback;
    }
    *ret_found = items != NULL && count > 0;
    if (!*ret_found)
        return ENGINE_OK;
    entries = list->end != NULL ? count / 2 : count;
    if (entries > WINDOW_DIMS)
        return op_unsupported(node, err, "%s has %zu entries; at most %d spatial dimensions are "
                                         "supported", list->name, count, WINDOW_DIMS);
    if ((list->end != NULL && count % 2 != 0) || (form->rank >= 0 && (size_t)form->rank != entries))
        return op_fail(node, err, "%s has %zu entries, which does not fit the other attributes",
                       list->name, count);
    form->rank = (int)entries;
    for (size_t i = 0; i < count; i++) {
        int64_t *to = i < entries ? list->begin : list->end;

        if (items[i] < list->min || items[i] > item_max)
            return op_fail(node, err, "%s[%zu] is %lld, out of range", list->name, i,
                           (long long)items[i]);
        to[WINDOW_DIMS - entries + i % entries] = items[i];
    }
    return ENGINE_OK;
}

static enum engine_status read_auto_pad(const struct node *node, struct window_form *ret,
                                        struct engine_error *err)
{
    static const struct {
        const char *name;
        enum window_pad pad;
    } pads[] = {
        {"NOTSET", WINDOW_PAD_EXPLICIT},
        {"SAME_UPPER", WINDOW_PAD_SAME_UPPER},
        {"SAME_LOWER", WINDOW_PAD_SAME_LOWER},
        {"VALID", WINDOW_PAD_VALID},
    };
    const char *text = node_string(node, "auto_pad", "NOTSET");

    for (size_t i = 0; i < sizeof(pads) / sizeof(pads[0]); i++) {
        if (strcmp(text, pads[i].name) == 0) {
            ret->pad = pads[i].pad;
            return ENGINE_OK;
        }
    }
    return op_fail(node, err, "auto_pad is '%.32s'", text);
}

enum engine_status window_form_read(const struct node *node, struct window_form *ret,
                                    struct engine_error *err)
{
    const struct list lists[] = {
        {"kernel_shape", 1, 1, ret->kernel, NULL},
        {"strides", 1, 1, ret->stride, NULL},
        {"dilations", 1, 1, ret->dilation, NULL},
        {"pads", 0, 0, ret->pad_begin, ret->pad_end},
        {"output_padding", 0, 0, ret->output_padding, NULL},
        {"output_shape", 1, 1, ret->output_shape, NULL},
    };
    bool found[sizeof(lists) / sizeof(lists[0])];
    enum engine_status status;

    memset(ret, 0, sizeof(*ret));
    ret->rank = -1;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        status = read_list(node, &lists[i], ret, &found[i], err);
        if (status != ENGINE_OK)
            return status;
    }
    ret->has_kernel = found[0];
    ret->has_output_shape = found[5];
    ret->ceil = node_int(node, "ceil_mode", 0) != 0;
    return read_auto_pad(node, ret, err);
}
