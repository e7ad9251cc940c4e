// SPDX-License-Identifier: BSD-2-Clause
//
// Fills every register and some memory with a word nobody else has, and lets others run, again and again.

#include <stdbool.h>
#include <stdint.h>

#include "canary.h"
#include "hypercall.h"
#include "memory.h"
#include "peer.h"
#include "result.h"
#include "trap.h"

#include <xen/sched.h>

const char test_title[] = "a domain whose registers hold a canary";

static void wide_fill(void *unused)
{
    (void)unused;
    __asm__ volatile("vbroadcastsd %0, %%ymm0; vmovapd %%ymm0, %%ymm1; vmovapd %%ymm0, %%ymm7; vmovapd %%ymm0, %%ymm15"
                     : : "m"(canary_word));
}

static void registers_fill(void)
{
    __asm__ volatile("movq %0, %%xmm0; movlhps %%xmm0, %%xmm0;"
                     "movaps %%xmm0, %%xmm1; movaps %%xmm0, %%xmm2; movaps %%xmm0, %%xmm3; movaps %%xmm0, %%xmm4;"
                     "movaps %%xmm0, %%xmm5; movaps %%xmm0, %%xmm6; movaps %%xmm0, %%xmm7; movaps %%xmm0, %%xmm8;"
                     "movaps %%xmm0, %%xmm9; movaps %%xmm0, %%xmm10; movaps %%xmm0, %%xmm11; movaps %%xmm0, %%xmm12;"
                     "movaps %%xmm0, %%xmm13; movaps %%xmm0, %%xmm14; movaps %%xmm0, %%xmm15;"
                     "fninit; fldl %0; fldl %0; fldl %0; fldl %0; fldl %0; fldl %0; fldl %0; fldl %0"
                     : : "m"(canary_word));
}

static void others_run(void)
{
    __asm__ volatile("mov %0, %%r12; mov %0, %%r13; mov %0, %%r14; mov %0, %%r15; mov %0, %%r9; mov %0, %%rbx"
                     : : "r"(canary_word) : "r12", "r13", "r14", "r15", "r9", "rbx");
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, canary_word, canary_word, canary_word);
}

void test_main(void)
{
    struct peer_page *shared;
    struct trap_seen seen;
    bool wide = canary_wide_enable();

    for (unsigned int i = 0; i < 4; i++)
        hypercall2(__HYPERVISOR_set_debugreg, i, canary_word & 0x7ffffffffff8ul);
    for (unsigned int which = SEGBASE_FS; which <= SEGBASE_GS_KERNEL; which++)
        hypercall2(__HYPERVISOR_set_segment_base, which, canary_word & 0x7fffffffffff);
    for (unsigned int i = 0; i < 200; i++) {            /* memory it gives back full of it */
        uint64_t *page = page_alloc();

        for (unsigned int word = 0; word < ENTRIES; word++)
            page[word] = canary_word;
    }
    shared = peer_offer(0, NULL);
    for (;;) {
        registers_fill();
        if (wide)
            trap_catch(wide_fill, NULL, &seen);
        others_run();
        shared->progress++;
    }
}
