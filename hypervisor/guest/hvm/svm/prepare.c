// SPDX-License-Identifier: BSD-2-Clause
/*
 * Before an entry: one event to inject, a window for the next that cannot be taken yet, translations, and the registers that are the
 * VMCB's.  AMD64 APM volume 2, 15.20 and 15.21.
 */
#include "arch/x86/entry.h"
#include "guest/hvm/lapic.h"
#include "guest/hvm/svm/svm.h"

static uint64_t event_encode(const struct hvm_injection *e)
{
    return EVENT_VALID | e->vector | (uint64_t)e->type << EVENT_TYPE_SHIFT |
           (e->has_error_code ? EVENT_ERROR_CODE | (uint64_t)e->error_code << 32 : 0);
}

static void window_open(struct vmcb *b, enum hvm_source source, uint8_t vector)
{
    if (source == HVM_NMI) { /* ends when the guest's handler does, or with the shadow */
        b->intercept1 |= INTERCEPT_IRET;
        if (!(b->interrupt_shadow & INTERRUPT_SHADOW) && !b->event_injection)
            return;
    }
    b->virtual_interrupt = (b->virtual_interrupt & ~(VINTR_PRIORITY(0xf) | VINTR_IGNORE_TPR)) | VINTR_IRQ |
                           (source == HVM_APIC ? VINTR_PRIORITY(vector >> 4) : VINTR_PRIORITY(0xf) | VINTR_IGNORE_TPR);
    b->intercept1 |= INTERCEPT_VINTR;
}

static void inject_pending(struct vcpu *v, struct vmcb *b)
{
    struct hvm_injection *e = &v->hvm->inject;

    b->event_injection = event_encode(e);
    if (e->type == 3 && e->vector == VECTOR_PF)
        b->cr2 = e->address;
    else if (e->type == 3 && e->vector == VECTOR_DB)
        b->dr6 |= e->address;
    e->pending = false;
}

static void events_prepare(struct vcpu *v, struct vmcb *b)
{
    uint8_t vector = 0;
    enum hvm_source source, taken;

    b->event_injection = 0;
    if (unlikely(v->hvm->inject.pending))
        inject_pending(v, b);
    source = hvm_next_event(v, &vector);
    if (likely(source == HVM_NOTHING)) {
        if (unlikely(b->virtual_interrupt & VINTR_IRQ))
            svm_window_close(b);
        return;
    }
    if (!(b->event_injection & EVENT_VALID) && !(b->interrupt_shadow & INTERRUPT_SHADOW) &&
        hvm_can_take(v, source, vector)) {
        taken = source;
        b->event_injection = EVENT_VALID | vector | (source == HVM_NMI ? 2u << EVENT_TYPE_SHIFT : 0);
        if (source == HVM_NMI) {
            v->hvm->nmi_blocked = true;
            b->intercept1 |= INTERCEPT_IRET;
        }
        hvm_take_event(v, source, vector);
        source = hvm_next_event(v, &vector);
        /* The callback stays asked for until its handler runs, which it is about to. */
        if (source == HVM_NOTHING || (source == HVM_CALLBACK && taken == HVM_CALLBACK)) {
            svm_window_close(b);
            return;
        }
    }
    window_open(b, source, vector);
}

/*
 * The emulator's VMRUN leaves an interrupt it delivered marked as one to deliver, until the guest faults or exits: when
 * its own main loop wants the CPU before that, the guest has the interrupt once more, whether it may be interrupted or not.
 * With an interrupt of ours waiting, the guest exits before its first instruction.
 */
static void deliver_once(const struct vmcb *b)
{
    if ((b->event_injection & (EVENT_VALID | EVENT_TYPE_MASK)) == EVENT_VALID)
        apic_send_ipi(cpu_id(), VECTOR_POKE);
}

/* The machine address of the VMCB; 0: not now, look for work again. */
uint64_t svm_prepare_entry(struct vcpu *v)
{
    struct svm_vcpu *s = svm_of(v);
    struct vmcb *b = s->vmcb;
    const struct cpu_user_regs *regs = &cpu_info()->guest_regs;

    if (unlikely(__atomic_load_n(&v->hvm->boot, __ATOMIC_RELAXED)) && !hvm_boot_step(v))
        return 0;
    events_prepare(v, b);
    if (unlikely(b->event_injection) && svm_by_tcg)
        deliver_once(b);
    svm_asid_prepare(v);
    b->virtual_interrupt =
        (b->virtual_interrupt & ~VINTR_TPR) | *lapic_register(v->hvm->lapic, LAPIC_TPR) >> 4;
    b->rax = regs->rax;
    b->rip = regs->rip;
    b->rsp = regs->rsp;
    b->rflags = regs->rflags;
    return s->vmcb_maddr;
}
