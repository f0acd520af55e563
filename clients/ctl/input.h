/* SPDX-License-Identifier: Apache-2.0
 * clients/ctl/input.h - tensors from the command line: values, JSON, or files, in the type and
 * shape that the model's metadata asks for. */
#ifndef CLIENTS_CTL_INPUT_H
#define CLIENTS_CTL_INPUT_H

#include "clients/c/inferd_model.h"
#include "clients/ctl/ctl.h"
#include "proto/message_memory.h"

/* One tensor for each "NAME=VALUE". False with `problem` that names the input. */
bool inputs_read(const struct ctl *ctl, const struct inferd_model *model,
                 struct message_memory *memory, struct infer_request *ret_request,
                 struct problem *problem);
/* One tensor for each --target "NAME=VALUE": FP32 if a number has a point or an exponent, else INT64. */
bool targets_read(const struct ctl *ctl, struct message_memory *memory,
                  struct learn_request *ret_request, struct problem *problem);
/* One tensor of zeros (empty strings) for each input of the model; free dimensions are 1. */
bool inputs_of_zeros(const struct inferd_model *model, struct message_memory *memory,
                     struct infer_request *ret_request, struct problem *problem);

#endif
