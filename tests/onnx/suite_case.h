/* SPDX-License-Identifier: Apache-2.0
 * tests/onnx/suite_case.h - one case of ONNX's backend suite: a directory with model.onnx and
 * test_data_set_N/{input,output}_I.pb. */
#ifndef TESTS_ONNX_SUITE_CASE_H
#define TESTS_ONNX_SUITE_CASE_H

#include <stdbool.h>

struct suite_outcome {
    bool passed;
    char family[64];  /* operator that the case is about, or that failed */
    char reason[400]; /* of a failure */
};

/* Loads, plans, runs and compares, with the optimiser off and then on. Takes as much time and
 * memory as the engine likes, and its crashes are the caller's: run it in a process of its own. */
void suite_case_run(const char *directory, struct suite_outcome *ret_outcome);

#endif
