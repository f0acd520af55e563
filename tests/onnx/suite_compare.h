/* SPDX-License-Identifier: Apache-2.0
 * tests/onnx/suite_compare.h - is an output what the suite expects? */
#ifndef TESTS_ONNX_SUITE_COMPARE_H
#define TESTS_ONNX_SUITE_COMPARE_H

#include "engine/tensor.h"

struct tolerance {
    double rtol, atol;
};

/* Type and shape exactly; numbers within |actual - expected| <= atol + rtol * |expected|, NaN equal
 * to NaN; strings byte by byte; sequences and optionals element by element. False with the first
 * difference in `text`. */
bool suite_compare(const struct tensor *actual, const struct tensor *expected,
                   const struct tolerance *tolerance, char *text, size_t size);

#endif
