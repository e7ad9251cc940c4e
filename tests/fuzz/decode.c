// SPDX-License-Identifier: BSD-2-Clause
/* An instruction that faulted: up to 15 bytes, with any registers.  What is accepted is consistent. */
#include "tests/fuzz/fuzz.h"

#include "errno.h"
#include "guest/pv/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cpu_user_regs regs;
    struct decoded_store store;
    uint8_t *code;
    size_t length;
    int rc;

    memset(&regs, 0, sizeof(regs));
    length = size < 16 ? size : 16;
    if (size > length)
        memcpy(&regs, data + length, size - length < sizeof(regs) ? size - length : sizeof(regs));
    code = malloc(length ? length : 1);
    memcpy(code, data, length);
    rc = decode_store(code, (unsigned)length, &regs, &store);
    free(code);
    REQUIRE(rc == 0 || rc == -EOPNOTSUPP || rc == -EFAULT);
    if (rc == 0) {
        REQUIRE(store.instruction_length >= 1 && store.instruction_length <= 15 && store.instruction_length <= length);
        REQUIRE(store.size <= 8 && (store.size & (store.size - 1)) == 0 && store.size);
        REQUIRE(store.size >= 8 || !(store.value >> 8 * store.size));
        REQUIRE(store.register_number < 16);
    }
    return 0;
}
