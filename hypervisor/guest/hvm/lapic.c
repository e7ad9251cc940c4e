// SPDX-License-Identifier: BSD-2-Clause
/*
 * Local APIC: registers, priorities, delivery to its vcpu (guest/hvm/lapic.h).  IRR is changed by any CPU; all else by the vcpu
 * itself, or while it does not run.
 */
#include "guest/hvm/internal.h"
#include "guest/hvm/lapic.h"
#include "guest/policy.h"
#include "lib/string.h"
#include "mm/heap.h"

#define VERSION 0x00050014u /* six local vectors */
#define DFR_FLAT 0xffffffffu
#define SPURIOUS_RESET 0xffu
#define VECTOR_WORDS 8
#define ICR_RESERVED 0xfff32000u
#define DFR_FIXED 0x0fffffffu

static inline uint32_t *vector_word(struct lapic *l, unsigned base, unsigned word)
{
    return lapic_register(l, base + word * 16);
}

uint32_t lapic_id(const struct vcpu *v) { return v->id * 2; }

/* ---- interrupts ---- */

void lapic_post(struct vcpu *v, uint8_t vector)
{
    struct lapic *l = v->hvm->lapic;

    __atomic_fetch_or(vector_word(l, LAPIC_IRR, vector / 32), 1u << vector % 32, __ATOMIC_RELAXED);
    __atomic_fetch_or(&l->urgent, 1u << vector / 32, __ATOMIC_SEQ_CST);
    vcpu_kick(v);
}

void lapic_interrupt(struct vcpu *v, uint8_t vector)
{
    if (vector >= 16 && lapic_enabled(v))
        lapic_post(v, vector);
}

static int highest(struct lapic *l, unsigned base)
{
    for (int word = VECTOR_WORDS - 1; word >= 0; word--) {
        uint32_t bits = __atomic_load_n(vector_word(l, base, (unsigned)word), __ATOMIC_RELAXED);

        if (bits)
            return word * 32 + 31 - __builtin_clz(bits);
    }
    return -1;
}

static unsigned priority(struct lapic *l)
{
    unsigned tpr = *lapic_register(l, LAPIC_TPR) & 0xff;
    int in_service = highest(l, LAPIC_ISR);

    return in_service >= 0 && (unsigned)in_service >> 4 > tpr >> 4 ? (unsigned)in_service & 0xf0 : tpr;
}

/*
 * One that waits behind the task priority is named too when nothing else is in its way: the hardware tells when the guest lowers
 * its priority (V_TPR), which it does without an exit.
 */
int lapic_next(struct vcpu *v)
{
    struct lapic *l = v->hvm->lapic;
    int vector = highest(l, LAPIC_IRR), in_service = highest(l, LAPIC_ISR);

    if (vector < 0) {
        __atomic_store_n(&l->urgent, 0, __ATOMIC_SEQ_CST);
        if (highest(l, LAPIC_IRR) >= 0) /* one came in between */
            __atomic_store_n(&l->urgent, 1, __ATOMIC_SEQ_CST);
        return -1;
    }
    return !lapic_enabled(v) || (in_service >= 0 && vector >> 4 <= in_service >> 4) ? -1 : vector;
}

bool lapic_above_task_priority(struct vcpu *v, uint8_t vector)
{
    return vector >> 4 > (int)(*lapic_register(v->hvm->lapic, LAPIC_TPR) >> 4 & 15);
}

void lapic_accept(struct vcpu *v, uint8_t vector)
{
    struct lapic *l = v->hvm->lapic;

    __atomic_fetch_and(vector_word(l, LAPIC_IRR, vector / 32), ~(1u << vector % 32), __ATOMIC_RELAXED);
    *vector_word(l, LAPIC_ISR, vector / 32) |= 1u << vector % 32;
}

static void end_of_interrupt(struct vcpu *v)
{
    struct lapic *l = v->hvm->lapic;
    int vector = highest(l, LAPIC_ISR);

    if (vector >= 0)
        *vector_word(l, LAPIC_ISR, (unsigned)vector / 32) &= ~(1u << vector % 32);
}

/* ---- registers ---- */

#define READ 1
#define WRITE 2
#define BOTH (READ | WRITE)
#define LVT_BITS (LAPIC_LVT_MASKED | 0xffu)
#define LVT_STATUS 0x1000u

/* What may be done to a register in either mode, and the bits a write keeps; in x2APIC mode others fault, but for a status. */
static const struct register_rule {
    uint8_t xapic, x2apic;
    uint32_t bits, status;
} register_rules[LAPIC_REGISTERS / 16] = {
    [LAPIC_ID / 16] = {BOTH, READ, 0xff000000, 0},
    [LAPIC_VERSION / 16] = {READ, READ, 0, 0},
    [LAPIC_TPR / 16] = {BOTH, BOTH, 0xff, 0},
    [LAPIC_PPR / 16] = {READ, READ, 0, 0},
    [LAPIC_EOI / 16] = {WRITE, WRITE, 0, 0},
    [LAPIC_LDR / 16] = {BOTH, READ, 0xff000000, 0},
    [LAPIC_DFR / 16] = {BOTH, 0, ~DFR_FIXED, 0},
    [LAPIC_SPURIOUS / 16] = {BOTH, BOTH, 0x1ff, 0},
    [LAPIC_ISR / 16 ... LAPIC_IRR / 16 + 7] = {READ, READ, 0, 0}, /* TMR is between */
    [LAPIC_ESR / 16] = {BOTH, BOTH, 0, 0},
    [LAPIC_ICR / 16] = {BOTH, READ, 0xffffffff, 0}, /* written whole in x2APIC mode */
    [LAPIC_ICR_HIGH / 16] = {BOTH, 0, 0xff000000, 0},
    [LAPIC_LVT_TIMER / 16] = {BOTH, BOTH, LVT_BITS | LAPIC_LVT_PERIODIC | LAPIC_LVT_DEADLINE, LVT_STATUS},
    [LAPIC_LVT_THERMAL / 16] = {BOTH, BOTH, LVT_BITS | 0x700, LVT_STATUS},
    [LAPIC_LVT_PERF / 16] = {BOTH, BOTH, LVT_BITS | 0x700, LVT_STATUS},
    [LAPIC_LVT_LINT0 / 16 ... LAPIC_LVT_LINT1 / 16] = {BOTH, BOTH, LVT_BITS | 0xa700, LVT_STATUS},
    [LAPIC_LVT_ERROR / 16] = {BOTH, BOTH, LVT_BITS, LVT_STATUS},
    [LAPIC_TIMER_INITIAL / 16] = {BOTH, BOTH, 0xffffffff, 0},
    [LAPIC_TIMER_CURRENT / 16] = {READ, READ, 0, 0},
    [LAPIC_TIMER_DIVIDE / 16] = {BOTH, BOTH, 0xb, 0},
    [LAPIC_SELF_IPI / 16] = {0, WRITE, 0xff, 0},
};

/* NULL: not for this access in v's mode. */
static const struct register_rule *register_rule(struct vcpu *v, unsigned offset, unsigned access)
{
    const struct register_rule *rule = offset < LAPIC_REGISTERS ? &register_rules[offset / 16] : NULL;

    return rule && ((lapic_x2apic(v) ? rule->x2apic : rule->xapic) & access) ? rule : NULL;
}

int lapic_read(struct vcpu *v, unsigned offset, uint32_t *value)
{
    struct lapic *l = v->hvm->lapic;

    if (!register_rule(v, offset, READ))
        return -EPERM;
    if (offset == LAPIC_PPR)
        *value = priority(l);
    else if (offset == LAPIC_TIMER_CURRENT)
        *value = lapic_timer_current(l);
    else
        *value = __atomic_load_n(lapic_register(l, offset), __ATOMIC_RELAXED);
    return 0;
}

static void local_vectors_mask(struct lapic *l)
{
    for (unsigned offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 16)
        *lapic_register(l, offset) |= LAPIC_LVT_MASKED;
}

static void lvt_write(struct vcpu *v, unsigned offset, uint32_t value)
{
    struct lapic *l = v->hvm->lapic;
    uint32_t old = *lapic_register(l, offset), modes = LAPIC_LVT_PERIODIC | LAPIC_LVT_DEADLINE;

    if (!(*lapic_register(l, LAPIC_SPURIOUS) & 0x100))
        value |= LAPIC_LVT_MASKED;
    if (!policy_has(v->domain->policy, XEN_X86_FEATURE_TSC_DEADLINE))
        value &= ~LAPIC_LVT_DEADLINE;
    *lapic_register(l, offset) = value;
    if (offset == LAPIC_LVT_TIMER && ((old ^ value) & modes)) {
        *lapic_register(l, LAPIC_TIMER_INITIAL) = 0;
        l->deadline = 0;
        lapic_timer_changed(l);
    }
}

static void icr_write(struct vcpu *v, uint32_t destination, uint32_t command)
{
    struct lapic *l = v->hvm->lapic;

    *lapic_register(l, LAPIC_ICR) = command & ~0x1000u;
    *lapic_register(l, LAPIC_ICR_HIGH) = destination;
    lapic_send(v, lapic_x2apic(v) ? destination : destination >> 24, command);
}

int lapic_write(struct vcpu *v, unsigned offset, uint32_t value)
{
    const struct register_rule *rule = register_rule(v, offset, WRITE);
    struct lapic *l = v->hvm->lapic;

    if (!rule)
        return -EPERM;
    value &= rule->bits;
    switch (offset) {
    case LAPIC_EOI:
        end_of_interrupt(v);
        return 0;
    case LAPIC_ICR:
        icr_write(v, *lapic_register(l, LAPIC_ICR_HIGH), value);
        return 0;
    case LAPIC_SELF_IPI:
        lapic_interrupt(v, (uint8_t)value);
        return 0;
    case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
        lvt_write(v, offset, value);
        return 0;
    case LAPIC_DFR:
        value |= DFR_FIXED;
        break;
    }
    *lapic_register(l, offset) = value;
    if (offset == LAPIC_SPURIOUS && !(value & 0x100)) /* switched off: all local vectors are masked and stay so */
        local_vectors_mask(l);
    else if (offset != LAPIC_TIMER_INITIAL && offset != LAPIC_TIMER_DIVIDE)
        return 0;
    lapic_timer_changed(l);
    return 0;
}

/* ---- x2APIC ---- */

int lapic_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    unsigned offset = (msr - MSR_X2APIC_BASE) << 4;
    uint32_t low = 0;

    if (!lapic_x2apic(v) || lapic_read(v, offset, &low))
        return -EPERM;
    *value = low;
    if (offset == LAPIC_ICR)
        *value |= (uint64_t)*lapic_register(v->hvm->lapic, LAPIC_ICR_HIGH) << 32;
    return 0;
}

int lapic_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    unsigned offset = (msr - MSR_X2APIC_BASE) << 4;
    const struct register_rule *rule = register_rule(v, offset, WRITE);

    if (!lapic_x2apic(v))
        return -EPERM;
    if (offset == LAPIC_ICR && !((uint32_t)value & ICR_RESERVED)) {
        icr_write(v, (uint32_t)(value >> 32), (uint32_t)value);
        return 0;
    }
    return !rule || (value & ~(uint64_t)(rule->bits | rule->status)) ? -EPERM : lapic_write(v, offset, (uint32_t)value);
}

/* In x2APIC mode the logical id follows from the id: cluster and bit. */
static void ids_set(struct vcpu *v)
{
    uint32_t id = lapic_id(v);

    *lapic_register(v->hvm->lapic, LAPIC_ID) = lapic_x2apic(v) ? id : id << 24;
    *lapic_register(v->hvm->lapic, LAPIC_LDR) = lapic_x2apic(v) ? id >> 4 << 16 | 1u << (id & 15) : 0;
}

/* Its place in memory is fixed; modes change as Intel SDM volume 3, 11.12.5 draws it. */
int lapic_base_write(struct vcpu *v, uint64_t value)
{
    uint64_t old = v->hvm->apic_base, modes = APIC_BASE_ENABLED | APIC_BASE_X2APIC;

    if ((value & ~modes) != (old & ~modes) || (value & modes) == APIC_BASE_X2APIC ||
        ((old & modes) == modes && (value & modes) == APIC_BASE_ENABLED))
        return -EPERM;
    if ((value & APIC_BASE_X2APIC) && (!policy_has(v->domain->policy, XEN_X86_FEATURE_X2APIC) || !(old & APIC_BASE_ENABLED)))
        return -EPERM;
    v->hvm->apic_base = value;
    if (!(value & APIC_BASE_ENABLED))
        lapic_reset(v);
    else if ((value ^ old) & APIC_BASE_X2APIC)
        ids_set(v);
    return 0;
}

/* ---- life ---- */

void lapic_reset(struct vcpu *v)
{
    struct lapic *l = v->hvm->lapic;

    timer_stop(&l->timer);
    l->urgent = 0;
    l->deadline = 0;
    l->period = 0;
    memset(l->registers, 0, sizeof(l->registers));
    *lapic_register(l, LAPIC_VERSION) = VERSION;
    *lapic_register(l, LAPIC_DFR) = DFR_FLAT;
    *lapic_register(l, LAPIC_SPURIOUS) = SPURIOUS_RESET;
    local_vectors_mask(l);
    ids_set(v);
}

int lapic_init(struct vcpu *v)
{
    struct lapic *l = mem_new(struct lapic);

    if (!l)
        return -ENOMEM;
    l->vcpu = v;
    v->hvm->lapic = l;
    lapic_timer_init(l, cpu_id());
    lapic_reset(v);
    return 0;
}

void lapic_free(struct vcpu *v)
{
    if (!v->hvm->lapic)
        return;
    timer_kill(&v->hvm->lapic->timer);
    mem_free(v->hvm->lapic);
    v->hvm->lapic = NULL;
}

/* ---- the public record ---- */

void hvm_lapic_get(struct vcpu *v, struct hvm_hw_lapic *lapic, struct hvm_hw_lapic_regs *regs)
{
    struct lapic *l = v->hvm->lapic;

    *lapic = (struct hvm_hw_lapic){
        .apic_base_msr = v->hvm->apic_base,
        .disabled = (*lapic_register(l, LAPIC_SPURIOUS) & 0x100 ? 0 : 1u) | (v->hvm->apic_base & APIC_BASE_ENABLED ? 0 : 2u),
        .timer_divisor = lapic_timer_divider(l),
        .tdt_msr = l->deadline,
    };
    memcpy(regs->data, l->registers, sizeof(regs->data));
    *(uint32_t *)(regs->data + LAPIC_TIMER_CURRENT) = lapic_timer_current(l);
}

int hvm_lapic_set(struct vcpu *v, const struct hvm_hw_lapic *lapic, const struct hvm_hw_lapic_regs *regs)
{
    struct lapic *l = v->hvm->lapic;
    uint64_t modes = APIC_BASE_ENABLED | APIC_BASE_X2APIC, bsp = v->id ? 0 : APIC_BASE_BSP;

    if ((lapic->apic_base_msr & ~(modes | APIC_BASE_BSP)) != APIC_BASE_ADDRESS ||
        (lapic->apic_base_msr & modes) == APIC_BASE_X2APIC)
        return -EINVAL;
    v->hvm->apic_base = (lapic->apic_base_msr & ~APIC_BASE_BSP) | bsp;
    memcpy(l->registers, regs->data, sizeof(l->registers));
    *lapic_register(l, LAPIC_VERSION) = VERSION;
    if (lapic_x2apic(v))
        ids_set(v);
    __atomic_store_n(&l->urgent, 1, __ATOMIC_SEQ_CST);
    lapic_timer_changed(l);
    if (lapic->tdt_msr)
        lapic_deadline_set(l, lapic->tdt_msr);
    return 0;
}
