// SPDX-License-Identifier: BSD-2-Clause
/*
 * INIT and SIPI (Intel SDM volume 3, 9.4).  Another vcpu may send them at any time, and a vcpu changes its state by itself alone: the sender
 * only leaves word in struct hvm_vcpu, boot, and wakes it.
 */
#include "guest/hvm/internal.h"
#include "guest/hvm/lapic.h"

#define BOOT_INIT 2u
#define BOOT_SIPI 4u
#define BOOT_VECTOR_SHIFT 8

#define ATTRIBUTES_CODE 0x9b /* present, accessed, execute and read */
#define ATTRIBUTES_DATA 0x93

static bool boot_change(struct vcpu *v, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&v->hvm->boot, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void hvm_boot_init(struct vcpu *v)
{
    if (boot_change(v, 0, BOOT_INIT))
        vcpu_kick(v);
}

void hvm_boot_startup(struct vcpu *v, uint8_t vector)
{
    uint32_t now = __atomic_load_n(&v->hvm->boot, __ATOMIC_SEQ_CST);

    if (!(now & (HVM_BOOT_WAIT | BOOT_INIT)) || !boot_change(v, now, BOOT_SIPI | (uint32_t)vector << BOOT_VECTOR_SHIFT))
        return;
    v->is_initialised = true;
    __atomic_fetch_and(&v->pause_flags, ~VCPU_DOWN, __ATOMIC_SEQ_CST);
    vcpu_kick(v);
    vcpu_wake(v);
}

/* As after INIT, with rip where the SIPI said. */
static void start_at(struct vcpu *v, uint8_t vector)
{
    struct hvm_hw_cpu cpu = {
        .rdx = cpu_model.signature,
        .rflags = RFLAGS_MBS,
        .cr0 = CR0_ET | (v->hvm->cr0 & (CR0_CD | CR0_NW)),
        .dr6 = DR6_DEFAULT, .dr7 = DR7_DEFAULT,
        .cs_sel = (uint32_t)vector << 8, .cs_base = (uint64_t)vector << 12,
        .cs_limit = 0xffff, .ds_limit = 0xffff, .es_limit = 0xffff, .fs_limit = 0xffff, .gs_limit = 0xffff,
        .ss_limit = 0xffff, .tr_limit = 0xffff, .ldtr_limit = 0xffff, .idtr_limit = 0xffff, .gdtr_limit = 0xffff,
        .cs_arbytes = ATTRIBUTES_CODE, .ds_arbytes = ATTRIBUTES_DATA, .es_arbytes = ATTRIBUTES_DATA,
        .fs_arbytes = ATTRIBUTES_DATA, .gs_arbytes = ATTRIBUTES_DATA, .ss_arbytes = ATTRIBUTES_DATA,
        .tr_arbytes = ATTRIBUTES_TSS, .ldtr_arbytes = ATTRIBUTES_LDT,
        .msr_tsc_aux = v->arch.tsc_aux,
    };

    lapic_reset(v);
    v->hvm->inject.pending = false;
    v->hvm->nmi_blocked = false;
    hvm_state_apply(v, &cpu);
}

/*
 * The mark that it is down comes before the look at the word: a SIPI either is seen here, or comes later and takes the mark away.
 */
bool hvm_boot_step(struct vcpu *v)
{
    uint32_t now;

    __atomic_fetch_or(&v->pause_flags, VCPU_DOWN, __ATOMIC_SEQ_CST);
    now = __atomic_load_n(&v->hvm->boot, __ATOMIC_SEQ_CST);
    if ((now & BOOT_INIT) && boot_change(v, now, HVM_BOOT_WAIT))
        now = HVM_BOOT_WAIT;
    if (now == HVM_BOOT_WAIT) {
        softirq_raise(SOFTIRQ_SCHEDULE);
        return false;
    }
    __atomic_fetch_and(&v->pause_flags, ~VCPU_DOWN, __ATOMIC_SEQ_CST);
    if (!(now & BOOT_SIPI) || !boot_change(v, now, 0))
        return false; /* it changed meanwhile */
    start_at(v, (uint8_t)(now >> BOOT_VECTOR_SHIFT));
    return true;
}
