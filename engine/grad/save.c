/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grad/save.h"

enum engine_status save_crosswise(struct grad_prepare *prepare, struct engine_error *err)
{
    (void)err;
    if ((prepare->wanted & GRAD_BIT(0)) == 0)
        prepare->save_inputs &= ~GRAD_BIT(1);
    if ((prepare->wanted & GRAD_BIT(1)) == 0)
        prepare->save_inputs &= ~GRAD_BIT(0);
    return ENGINE_OK;
}
