/* SPDX-License-Identifier: Apache-2.0
 * tests/support/count_allocations.h - how often the process has asked for memory. A test binary that
 * links this has its malloc family replaced by one that counts. */
#ifndef TESTS_SUPPORT_COUNT_ALLOCATIONS_H
#define TESTS_SUPPORT_COUNT_ALLOCATIONS_H

/* Calls so far, of any thread; -1 where they cannot be counted (sanitizers have their own malloc). */
long allocations_counted(void);

#endif
