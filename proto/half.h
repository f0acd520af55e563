/* SPDX-License-Identifier: Apache-2.0
 * proto/half.h - 16-bit floats, by integer arithmetic alone: flush-to-zero modes do not matter. */
#ifndef PROTO_HALF_H
#define PROTO_HALF_H

#include <stdint.h>

/* Round to nearest even; too large becomes infinity. */
uint16_t fp16_from_double(double value);
uint16_t bf16_from_double(double value);
float fp16_to_float(uint16_t bits);
float bf16_to_float(uint16_t bits);

#endif
