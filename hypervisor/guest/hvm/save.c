// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state of a hardware-assisted domain as records (xen/hvm/save.h, xen/arch-x86/hvm/save.h): a header, then for each vcpu
 * its registers, local APIC, MTRRs, TSC adjustment and vector state, then an end.  Each record is a descriptor and its
 * contents.  A state to be loaded may hold some of them, in any order after the header; those of devices there are not are
 * refused.
 *
 * Vector state travels in standard format; a component is there when it was ever enabled.
 */
#include "guest/hvm/physmap.h"

#include "errno.h"
#include "guest/pv.h"
#include "lib/string.h"
#include "log.h"

#define XSAVE_FIELDS offsetof(struct hvm_hw_cpu_xsave, save_area)
#define CPU_COMPAT_SIZE sizeof(struct hvm_hw_cpu_compat)
#define MTRR_VARIABLE_PAIRS 8u

_Static_assert(MTRR_VARIABLE_PAIRS == MTRR_VCNT, "what the guest sees in its MTRR_CAP");

struct writer {
    uint8_t *at;
};

/* ---- saving ---- */

static void *record_begin(struct writer *w, unsigned type, unsigned instance, size_t size)
{
    struct hvm_save_descriptor d = {.typecode = (uint16_t)type, .instance = (uint16_t)instance, .length = (uint32_t)size};
    void *contents = w->at + sizeof(d);

    memcpy(w->at, &d, sizeof(d));
    memset(contents, 0, size);
    w->at = (uint8_t *)contents + size;
    return contents;
}

#define RECORD(w, name, instance) \
    ((HVM_SAVE_TYPE(name) *)record_begin(w, HVM_SAVE_CODE(name), instance, HVM_SAVE_LENGTH(name)))

/* What the guest may have in its registers.  SSE is there whatever XCR0 says: a kernel without XSAVE saves it by FXSAVE. */
static uint64_t vector_components(const struct vcpu *v) { return v->arch.xcr0_accum | (XCR0_X87 | XCR0_SSE); }

static size_t vector_size(const struct vcpu *v)
{
    return xsave_features ? xsave_size_of(vector_components(v)) : 0;
}

static bool vcpu_is_down(const struct vcpu *v)
{
    return __atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED) & VCPU_DOWN;
}

static void mtrr_get(const struct vcpu *v, struct hvm_hw_mtrr *m)
{
    m->msr_pat_cr = v->hvm->pat;
    memcpy(m->msr_mtrr_var, v->hvm->mtrr_variable, sizeof(m->msr_mtrr_var));
    memcpy(m->msr_mtrr_fixed, v->hvm->mtrr_fixed, sizeof(m->msr_mtrr_fixed));
    m->msr_mtrr_cap = MTRR_VARIABLE_PAIRS | 1u << 8 | 1u << 10; /* fixed ranges, write-combining */
    m->msr_mtrr_def_type = v->hvm->mtrr_def_type;
}

static void vector_get(struct writer *w, struct vcpu *v)
{
    struct hvm_hw_cpu_xsave *x;
    size_t size = vector_size(v);

    if (!size)
        return;
    x = record_begin(w, CPU_XSAVE_CODE, v->id, XSAVE_FIELDS + size);
    x->xfeature_mask = xsave_features;
    x->xcr0 = v->arch.xcr0;
    x->xcr0_accum = vector_components(v);
    memcpy(&x->save_area, v->arch.xsave_area, size);
    x->save_area.xsave_hdr.xstate_bv &= x->xcr0_accum; /* the hypervisor saves whatever the CPU has */
}

static void vcpu_save(struct writer *w, struct vcpu *v)
{
    HVM_SAVE_TYPE(LAPIC) *lapic;

    if (!vcpu_is_down(v)) {
        hvm_cpu_get(v, RECORD(w, CPU, v->id));
        vector_get(w, v);
    }
    lapic = RECORD(w, LAPIC, v->id);
    hvm_lapic_get(v, lapic, RECORD(w, LAPIC_REGS, v->id));
    mtrr_get(v, RECORD(w, MTRR, v->id));
    RECORD(w, TSC_ADJUST, v->id)->tsc_adjust = v->hvm->tsc_adjust;
}

static void header_fill(struct domain *d, struct hvm_save_header *h)
{
    uint64_t elapsed;
    uint32_t out[4];

    cpu_policy_cpuid(domain_vcpu(d, 0), 1, 0, out);
    h->magic = HVM_FILE_MAGIC;
    h->version = HVM_FILE_VERSION;
    h->changeset = ~0UL;
    h->cpuid = out[0];
    time_tsc_get(d, &h->gtsc_khz, &elapsed);
}

#define RECORD_SIZE(name) (sizeof(struct hvm_save_descriptor) + HVM_SAVE_LENGTH(name))

size_t hvm_state_size(const struct domain *d)
{
    size_t each = RECORD_SIZE(CPU) + RECORD_SIZE(LAPIC) + RECORD_SIZE(LAPIC_REGS) + RECORD_SIZE(MTRR) +
                  RECORD_SIZE(TSC_ADJUST);

    if (xsave_features)
        each += sizeof(struct hvm_save_descriptor) + XSAVE_FIELDS + xsave_size_of(xsave_features);
    return RECORD_SIZE(HEADER) + d->max_vcpus * each + sizeof(struct hvm_save_descriptor);
}

size_t hvm_state_save(struct domain *d, void *buffer)
{
    struct writer w = {buffer};
    struct vcpu *v;

    if (!domain_vcpu(d, 0))
        return 0;
    header_fill(d, RECORD(&w, HEADER, 0));
    for_each_vcpu(d, v)
        vcpu_save(&w, v);
    (void)record_begin(&w, HVM_SAVE_CODE(END), 0, 0);
    return (size_t)(w.at - (uint8_t *)buffer);
}

/* ---- reading ---- */

/* The record at an offset; NULL when it does not lie within the state. */
static const void *record_at(const void *state, size_t size, size_t offset, struct hvm_save_descriptor *d)
{
    const uint8_t *bytes = state;

    if (size < sizeof(*d) || offset > size - sizeof(*d))
        return NULL;
    memcpy(d, bytes + offset, sizeof(*d));
    offset += sizeof(*d);
    return d->length <= size - offset ? bytes + offset : NULL;
}

const void *hvm_state_find(const void *state, size_t size, unsigned type, unsigned instance, uint32_t *length)
{
    struct hvm_save_descriptor d;
    const void *contents;

    for (size_t offset = 0; (contents = record_at(state, size, offset, &d)) != NULL; offset += sizeof(d) + d.length) {
        if (d.typecode == HVM_SAVE_CODE(END))
            return NULL;
        if (d.typecode == type && d.instance == instance) {
            *length = d.length;
            return contents;
        }
    }
    return NULL;
}

/* ---- loading ---- */

static int header_check(const struct hvm_save_descriptor *d, const void *contents)
{
    struct hvm_save_header h;

    if (!contents || d->typecode != HVM_SAVE_CODE(HEADER) || d->length != sizeof(h))
        return -EINVAL;
    memcpy(&h, contents, sizeof(h));
    return h.magic == HVM_FILE_MAGIC && h.version == HVM_FILE_VERSION ? 0 : -EINVAL;
}

static int cpu_load(struct vcpu *v, const void *contents, size_t size)
{
    struct hvm_hw_cpu cpu = {.flags = XEN_X86_FPU_INITIALISED};

    if (size == CPU_COMPAT_SIZE) { /* of hypervisors before TSC_AUX was saved */
        const size_t common = offsetof(struct hvm_hw_cpu, msr_tsc_aux);

        memcpy(&cpu, contents, common);
        memcpy(&cpu.tsc, (const uint8_t *)contents + common, CPU_COMPAT_SIZE - common);
    } else if (size == sizeof(cpu)) {
        memcpy(&cpu, contents, sizeof(cpu));
    } else {
        return -EINVAL;
    }
    return hvm_cpu_set(v, &cpu);
}

static int mtrr_load(struct vcpu *v, const struct hvm_hw_mtrr *m)
{
    if (!hvm_pat_valid(m->msr_pat_cr))
        return -EINVAL;
    v->hvm->pat = m->msr_pat_cr;
    memcpy(v->hvm->mtrr_variable, m->msr_mtrr_var, sizeof(m->msr_mtrr_var));
    memcpy(v->hvm->mtrr_fixed, m->msr_mtrr_fixed, sizeof(m->msr_mtrr_fixed));
    v->hvm->mtrr_def_type = m->msr_mtrr_def_type;
    return 0;
}

static int vector_load(struct vcpu *v, const void *contents, size_t size)
{
    struct hvm_hw_cpu_xsave x;

    if (!xsave_features || size < sizeof(x))
        return -EINVAL;
    memcpy(&x, contents, sizeof(x));
    return guest_vector_load(v, x.xcr0, x.xcr0_accum, (const uint8_t *)contents + XSAVE_FIELDS, size - XSAVE_FIELDS);
}

/* A local APIC has two records: what the second one needs of the first is looked up. */
static int lapic_load(struct vcpu *v, const void *contents, const void *state, size_t size)
{
    struct hvm_hw_lapic_regs regs;
    struct hvm_hw_lapic lapic;
    uint32_t length;
    const void *first = hvm_state_find(state, size, HVM_SAVE_CODE(LAPIC), v->id, &length);

    if (!first || length != sizeof(lapic))
        return -EINVAL;
    memcpy(&lapic, first, sizeof(lapic));
    memcpy(&regs, contents, sizeof(regs));
    return hvm_lapic_set(v, &lapic, &regs);
}

/* No MSR of ours travels this way yet: what is in the list would be lost. */
static int msrs_load(const void *contents, size_t size)
{
    struct hvm_msr m;

    if (size < sizeof(m))
        return -EINVAL;
    memcpy(&m, contents, sizeof(m));
    return m.count ? -EINVAL : 0;
}

static int record_load(struct vcpu *v, const struct hvm_save_descriptor *d, const void *contents,
                       const void *state, size_t size)
{
    struct hvm_hw_mtrr mtrr;

    switch (d->typecode) {
    case HVM_SAVE_CODE(CPU):
        return cpu_load(v, contents, d->length);
    case HVM_SAVE_CODE(LAPIC):
        return d->length == HVM_SAVE_LENGTH(LAPIC) ? 0 : -EINVAL;
    case HVM_SAVE_CODE(LAPIC_REGS):
        return d->length == HVM_SAVE_LENGTH(LAPIC_REGS) ? lapic_load(v, contents, state, size) : -EINVAL;
    case HVM_SAVE_CODE(MTRR):
        if (d->length != sizeof(mtrr))
            return -EINVAL;
        memcpy(&mtrr, contents, sizeof(mtrr));
        return mtrr_load(v, &mtrr);
    case HVM_SAVE_CODE(TSC_ADJUST):
        if (d->length != HVM_SAVE_LENGTH(TSC_ADJUST))
            return -EINVAL;
        memcpy(&v->hvm->tsc_adjust, contents, sizeof(v->hvm->tsc_adjust));
        return 0;
    case CPU_XSAVE_CODE:
        return vector_load(v, contents, d->length);
    case CPU_MSR_CODE:
        return msrs_load(contents, d->length);
    case HVM_SAVE_CODE(VMCE_VCPU): /* the machine-check banks a guest of ours does not have */
        return d->length <= HVM_SAVE_LENGTH(VMCE_VCPU) ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

int hvm_state_load(struct domain *d, const void *state, size_t size)
{
    struct hvm_save_descriptor record;
    const void *contents = record_at(state, size, 0, &record);
    size_t offset;
    int rc = header_check(&record, contents);

    for (offset = sizeof(record) + sizeof(struct hvm_save_header); !rc; offset += sizeof(record) + record.length) {
        struct vcpu *v;

        contents = record_at(state, size, offset, &record);
        if (!contents)
            return -ENODATA;
        if (record.typecode == HVM_SAVE_CODE(END))
            return 0;
        v = domain_vcpu(d, record.instance);
        if (!v)
            return -EINVAL;
        rc = record_load(v, &record, contents, state, size);
        if (rc)
            log_domain(LOG_WARNING, d, "record %u of vcpu %u (%u bytes) of its saved state is refused: error %d\n",
                       record.typecode, record.instance, record.length, rc);
    }
    return rc;
}
