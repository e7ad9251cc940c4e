/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzzers share: libFuzzer's entry, and reading an input piece by piece. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each program's test of one input; 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is. */
#define REQUIRE(condition)                                                                                     \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                     \
            abort();                                                                                           \
        }                                                                                                      \
    } while (0)

struct input {
    const uint8_t *at, *end;
};

/* The next bytes of the input as a number, 0 once it is used up. */
static inline uint64_t input_take(struct input *in, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && in->at < in->end; i++)
        value |= (uint64_t)*in->at++ << 8 * i;
    return value;
}

#endif
