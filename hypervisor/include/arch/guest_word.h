/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single words of the running guest's memory: what guest_copy.h and the bounce of traps are made of.  Each is one move.  When a
 * store faults, the exception table leads to a label; when a load does, out of line, where the result becomes -EFAULT, and the code
 * goes on behind it, so that a group of loads is tested once, at its end: compilers are not to be trusted with a value that
 * comes out of an asm goto.
 *
 * The address has to be checked first: guest_words_ok().
 */
#pragma once

#include "arch/layout.h"
#include "arch/extable.h"
#include "errno.h"

/*
 * True when no byte of the `size` bytes at address, a constant below 4096, is in the hypervisor's range.  A wrap round
 * the end of the address space is of no consequence: both sides are the guest's.
 */
static inline bool guest_words_ok(uint64_t address, uint64_t size)
{
    return address - (HYPERVISOR_RANGE_START - (size - 1)) >=
           HYPERVISOR_RANGE_END - HYPERVISOR_RANGE_START + (size - 1);
}

/* value (an integer variable of the type) = *(type *)address; an int rc that was 0 becomes -EFAULT on a fault. */
#define GUEST_LOAD(rc_, value_, type_, address_)                                                             \
    __asm__ volatile("1: mov %[from], %[to]\n"                                                               \
                     "2:\n .pushsection .fixup, \"ax\"\n3: mov %[fault], %[rc]\n jmp 2b\n .popsection\n"       \
                     EXTABLE(1b, 3b)                                                                         \
                     : [rc] "+r"(rc_), [to] "=r"(value_)                                                     \
                     : [from] "m"(*(const type_ *)(address_)), [fault] "i"(-EFAULT))
/* *(type *)address = value; goes to the label on a fault. */
#define GUEST_STORE(value_, type_, address_, label_)                                                         \
    __asm__ goto("1: mov %[from], %[to]\n" EXTABLE(1b, %l[label_])                                           \
                 : [to] "=m"(*(type_ *)(address_))                                                           \
                 : [from] "r"((type_)(value_))                                                               \
                 :                                                                                           \
                 : label_)

/* Sizes that are worth it: the fields and structs that hypercalls are made of. */
#define GUEST_SHORT_MAX 40
static inline bool guest_size_is_short(size_t size)
{
#ifdef XYLEM_ANALYZER /* which takes a word that is moved by another type's name for one that was never written */
    return false;
#endif
    return size == 1 || size == 2 || size == 4 || (size && size <= GUEST_SHORT_MAX && size % 8 == 0);
}

typedef uint64_t __attribute__((may_alias, aligned(1))) guest_word_t;
typedef uint32_t __attribute__((may_alias, aligned(1))) guest_word32_t;
typedef uint16_t __attribute__((may_alias, aligned(1))) guest_word16_t;

#define GUEST_READ_ONE(type, offset)                                                                         \
    do {                                                                                                     \
        type word_;                                                                                          \
                                                                                                             \
        GUEST_LOAD(rc, word_, type, from + (offset));                                                        \
        *(type *)((char *)to + (offset)) = word_;                                                            \
    } while (0)
#define GUEST_WRITE_ONE(type, offset)                                                                        \
    GUEST_STORE(*(const type *)((const char *)from + (offset)), type, to + (offset), fault)
#define GUEST_ALL(one)                                                                                       \
    do {                                                                                                     \
        if (size == 1)                                                                                       \
            one(uint8_t, 0);                                                                                 \
        else if (size == 2)                                                                                  \
            one(guest_word16_t, 0);                                                                          \
        else if (size == 4)                                                                                  \
            one(guest_word32_t, 0);                                                                          \
        if (size >= 8)                                                                                       \
            one(guest_word_t, 0);                                                                            \
        if (size >= 16)                                                                                      \
            one(guest_word_t, 8);                                                                            \
        if (size >= 24)                                                                                      \
            one(guest_word_t, 16);                                                                           \
        if (size >= 32)                                                                                      \
            one(guest_word_t, 24);                                                                           \
        if (size >= 40)                                                                                      \
            one(guest_word_t, 32);                                                                           \
    } while (0)

/* 0 or -EFAULT; size is a constant guest_size_is_short() allows.  On a fault *to holds nothing of meaning. */
static inline __attribute__((always_inline)) int guest_read_short(void *to, uint64_t from, size_t size)
{
    int rc = 0;

    if (!guest_words_ok(from, size))
        return -EFAULT;
    GUEST_ALL(GUEST_READ_ONE);
    return rc;
}

static inline __attribute__((always_inline)) int guest_write_short(uint64_t to, const void *from, size_t size)
{
    if (!guest_words_ok(to, size))
        return -EFAULT;
    GUEST_ALL(GUEST_WRITE_ONE);
    return 0;
fault:
    return -EFAULT;
}
