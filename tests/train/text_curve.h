/* SPDX-License-Identifier: Apache-2.0
 * Written by tests/train/make_text.py with PyTorch 1.13.0a0: do not edit. */
static const double means[] = {3.142743, 2.386460, 2.200781, 2.100798, 1.986705, 1.902202};
