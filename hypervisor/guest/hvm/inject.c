// SPDX-License-Identifier: BSD-2-Clause
/*
 * What goes into a vcpu at its next entry: an exception, an NMI, or an interrupt of the event callback or of the local APIC.
 * Two exceptions at once become one, as a CPU would have it (AMD64 APM volume 2, 8.2.9).
 *
 * The event callback by vector (HVM_PARAM_CALLBACK_IRQ) is asked for as long as an event shows; nothing is acknowledged.  An upcall vector
 * of the vcpu's own (HVMOP_set_evtchn_upcall_vector) is an edge at its local APIC whenever an event starts to show.
 */
#include "guest/hvm/internal.h"
#include "guest/hvm/lapic.h"

#define TYPE_NMI 2
#define TYPE_EXCEPTION 3
#define CONTRIBUTORY (1u << VECTOR_DE | 1u << VECTOR_TS | 1u << VECTOR_NP | 1u << VECTOR_SS | 1u << VECTOR_GP)

/* ---- exceptions ---- */

static bool is_contributory(unsigned vector) { return CONTRIBUTORY >> vector & 1; }

static void exception_put(struct vcpu *v, struct hvm_injection e)
{
    struct hvm_injection *old = &v->hvm->inject;

    if (old->pending && old->type == TYPE_EXCEPTION) {
        if (old->vector == VECTOR_DF) {
            hvm_exit_shutdown(v);
            return;
        }
        if ((is_contributory(old->vector) && is_contributory(e.vector)) ||
            (old->vector == VECTOR_PF && (e.vector == VECTOR_PF || is_contributory(e.vector))))
            e = (struct hvm_injection){.vector = VECTOR_DF, .type = TYPE_EXCEPTION, .has_error_code = true};
    }
    e.pending = true;
    *old = e;
}

void hvm_inject_exception(unsigned vector, bool has_error_code, uint32_t error_code)
{
    exception_put(current, (struct hvm_injection){.vector = (uint8_t)vector, .type = TYPE_EXCEPTION,
                                                  .has_error_code = has_error_code, .error_code = error_code});
}

void hvm_inject_page_fault(const struct hvm_fault *f)
{
    exception_put(current, (struct hvm_injection){.vector = VECTOR_PF, .type = TYPE_EXCEPTION,
                                                  .has_error_code = true, .error_code = f->code, .address = f->linear});
}

void hvm_inject_debug(uint64_t dr6)
{
    exception_put(current, (struct hvm_injection){.vector = VECTOR_DB, .type = TYPE_EXCEPTION, .address = dr6});
}

void hvm_reinject(struct vcpu *v, const struct hvm_injection *event)
{
    v->hvm->inject = *event;
    v->hvm->inject.pending = true;
    if (event->type == TYPE_NMI)
        v->hvm->nmi_blocked = true;
}

/* ---- interrupts ---- */

static void upcall_edge(struct vcpu *v)
{
    if (__atomic_exchange_n(&v->upcall_edge, 0, __ATOMIC_ACQUIRE) && v->hvm->upcall_vector)
        lapic_post(v, v->hvm->upcall_vector);
}

static inline bool callback_wanted(const struct vcpu *v)
{
    return !v->hvm->upcall_vector && v->domain->hvm->callback_vector &&
           __atomic_load_n(&v->info->evtchn_upcall_pending, __ATOMIC_RELAXED);
}

enum hvm_source hvm_next_event(struct vcpu *v, uint8_t *vector)
{
    int next;

    if (unlikely(v->upcall_edge))
        upcall_edge(v);
    if (unlikely(v->nmi_pending) && !v->hvm->nmi_blocked) {
        *vector = VECTOR_NMI;
        return HVM_NMI;
    }
    if (callback_wanted(v)) {
        *vector = v->domain->hvm->callback_vector;
        return HVM_CALLBACK;
    }
    if (likely(!__atomic_load_n(&v->hvm->lapic->urgent, __ATOMIC_RELAXED)))
        return HVM_NOTHING;
    next = lapic_next(v);
    if (next < 0)
        return HVM_NOTHING;
    *vector = (uint8_t)next;
    return HVM_APIC;
}

void hvm_take_event(struct vcpu *v, enum hvm_source source, uint8_t vector)
{
    if (source == HVM_NMI)
        __atomic_store_n(&v->nmi_pending, 0, __ATOMIC_RELAXED);
    else if (source == HVM_APIC)
        lapic_accept(v, vector);
}

bool hvm_can_take(struct vcpu *v, enum hvm_source source, uint8_t vector)
{
    if (source == HVM_NMI)
        return !v->hvm->nmi_blocked;
    return (source != HVM_APIC || lapic_above_task_priority(v, vector)) && (hvm_regs(v)->rflags & RFLAGS_IF);
}

bool hvm_event_pending(struct vcpu *v)
{
    uint8_t vector;
    enum hvm_source source = hvm_next_event(v, &vector);

    return source != HVM_NOTHING && hvm_can_take(v, source, vector);
}

int hvm_upcall_vector_set(struct vcpu *v, unsigned vector)
{
    if (vector < 16 || vector > 255)
        return -EINVAL;
    v->hvm->upcall_vector = (uint8_t)vector;
    if (v->info->evtchn_upcall_pending) { /* shown before there was a vector */
        __atomic_store_n(&v->upcall_edge, 1, __ATOMIC_RELEASE);
        vcpu_kick(v);
    }
    return 0;
}
