/* SPDX-License-Identifier: Apache-2.0
 * Drafts: what a plan and a tape are both laid out from. */
#include "engine/plan_private.h"

bool plan_draft_is_view(const struct plan_draft *draft)
{
    return draft->node == NULL || (draft->node->op->flags & OP_VIEW) != 0;
}

int plan_draft_n_outputs(const struct plan_draft *draft)
{
    return draft->node != NULL ? draft->node->n_outputs : 1;
}

int plan_draft_n_reads(const struct plan_draft *draft)
{
    if (plan_draft_is_view(draft))
        return 1;
    return (draft->node->op->flags & OP_SHAPE_ONLY) != 0 ? 0 : draft->node->n_inputs;
}

void plan_keep_wanted(struct plan_builder *builder, unsigned char *wanted)
{
    for (int d = builder->n_drafts - 1; d >= 0; d--) {
        struct plan_draft *draft = &builder->drafts[d];

        for (int i = 0; i < plan_draft_n_outputs(draft); i++)
            if (draft->outputs[i] != VALUE_ABSENT && wanted[draft->outputs[i]])
                draft->kept = true;
        for (int i = 0; i < plan_draft_n_reads(draft) && draft->kept; i++)
            if (draft->inputs[i] != VALUE_ABSENT)
                wanted[draft->inputs[i]] = 1;
    }
}
