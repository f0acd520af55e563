/* SPDX-License-Identifier: Apache-2.0
 * tests/support/op_case.h - one operator, run as an executor would run it (init, infer, run), with
 * everything written as text, so that a test is a table of rows.
 *
 * A tensor:     "f32[2,3] 1 2 3 4 5 6"   "i64[] -1"   "str[2] a ''"   "bool[0]"   "" (absent)
 * Its types are u8 i8 u16 i16 i32 i64 u32 u64 bool f16 bf16 f32 f64 str.
 * A sequence:   "seq{f32[1] 1; f32[2] 1 2}"      An optional: "opt{f32[1] 1}" or "opt{}"
 * Attributes:   "axis=i:1; alpha=f:0.5; mode=s:linear; perm=I:1,0; ws=F:0.5,1; keys=S:a,b;
 *                value=t:f32[1] 2" */
#ifndef TESTS_SUPPORT_OP_CASE_H
#define TESTS_SUPPORT_OP_CASE_H

#include "engine/op.h"

enum { OP_CASE_INPUTS_MAX = 8, OP_CASE_OUTPUTS_MAX = 8 };

struct op_case {
    const char *name;              /* of the row; NULL: that of the operator */
    const char *op;                /* "Slice", "ai.onnx.ml/Scaler" */
    const char *attributes;        /* NULL: none */
    const char *inputs[OP_CASE_INPUTS_MAX];     /* up to the first NULL */
    const char *outputs[OP_CASE_OUTPUTS_MAX];   /* "" : wanted by nobody; NULL ends */
    const char *error;             /* expected refusal: a part of its text; outputs are ignored */
    double tolerance;              /* absolute and relative; 0: 1e-6 */
};

/* Rows read best as {"reshape", "Reshape", NULL, IN("f32[2] 1 2", ...), OUT("f32[2,1] 1 2")} and
 * {..., IN(...), SAYS("does not fit")}. */
#define IN(...) .inputs = {__VA_ARGS__}
#define OUT(...) .outputs = {__VA_ARGS__}
#define SAYS(text) .error = (text)

/* Fails the running Check test with the row's name when something differs. */
void op_case_check(const struct op_case *c);

/* The parts, for tests that make their own inputs. Memory is the arena's; a malformed text fails
 * the test. */
struct tensor op_case_tensor(struct arena *arena, const char *text);
/* Runs `op` on tensors; `ret_outputs` get memory from `arena`. */
enum engine_status op_case_run(struct arena *arena, const char *op, const char *attributes,
                               int n_inputs, const struct tensor *inputs, int n_outputs,
                               struct tensor *ret_outputs, struct engine_error *err);
/* Fails the test naming `row` unless dtype, shape and elements are the same. NaN equals NaN. */
void op_case_compare(const char *row, int output, const struct tensor *actual,
                     const struct tensor *expected, double tolerance);

#endif
