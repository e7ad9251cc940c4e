// SPDX-License-Identifier: BSD-2-Clause
/*
 * Address space identifiers.  A CPU gives them out in order; a vcpu whose translations have to be forgotten, or that comes
 * from another CPU, gets the next one, which no translation carries yet.  When they are used up the CPU forgets all
 * guests' translations and starts a new generation.  Nothing is flushed by identifier: not every CPU can.
 * AMD64 APM volume 2, 15.16.
 */
#include "guest/hvm/svm/svm.h"

struct asids {
    uint64_t generation; /* from 1 */
    uint32_t next, count;
    bool flush;          /* all, at the next entry */
};
static PER_CPU_DEFINE(struct asids, asids);

void svm_asid_cpu_init(unsigned count)
{
    this_cpu(asids) = (struct asids){.generation = 1, .next = 1, .count = count, .flush = true};
}

static void asid_take(struct svm_vcpu *s, struct asids *a)
{
    if (a->next >= a->count) {
        a->generation++;
        a->next = 1;
        a->flush = true;
    }
    s->vmcb->asid = a->next++;
    s->asid_generation = a->generation;
    s->asid_cpu = cpu_id();
}

void svm_asid_prepare(struct vcpu *v)
{
    struct svm_vcpu *s = svm_of(v);
    struct asids *a = &this_cpu(asids);

    if (unlikely(s->asid_cpu != cpu_id() || s->asid_generation != a->generation ||
                 __atomic_load_n(&v->hvm->flush_nested, __ATOMIC_RELAXED))) {
        __atomic_store_n(&v->hvm->flush_nested, false, __ATOMIC_SEQ_CST);
        asid_take(s, a);
    }
    s->vmcb->tlb_control = a->flush ? TLB_FLUSH_ALL_ASIDS : 0;
    a->flush = false;
}
