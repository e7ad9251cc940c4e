// SPDX-License-Identifier: BSD-2-Clause
/*
 * The saved state of hardware-assisted guests in records: what is saved can be loaded and says the same, and whatever a
 * broken or lying state says, nothing is read beyond it and nothing comes in that the CPU would refuse.
 */
#include "errno.h"

#include "arch/host/host.h"
#include "guest/hvm.h"
#include "guest/pv.h"
#include "lib_test.h"
#include "mm/heap.h"

#define VCPUS 3
#define AREA 832 /* legacy area, header, AVX */
#define PAT_RESET 0x0007040600070406UL

uint64_t xsave_features = 7;
static struct domain *guest;
static struct hvm_vcpu hvm[VCPUS];
static struct hvm_hw_cpu cpus[VCPUS];
static struct hvm_hw_lapic lapics[VCPUS];
static struct hvm_hw_lapic_regs lapic_regs[VCPUS];
static uint8_t area[VCPUS][AREA] __attribute__((aligned(64)));
static uint8_t state[65536];

/* ---- the machine side ---- */

bool xcr0_valid(uint64_t value) { return (value & 1) && !(value & ~7UL) && (!(value & 4) || (value & 2)); }
unsigned xsave_size_of(uint64_t xcr0) { return xcr0 & 4 ? AREA : 576; }
bool hvm_pat_valid(uint64_t pat) { return !(pat & 0xf8f8f8f8f8f8f8f8UL) && (pat & 0xff) != 2; }
void hvm_cpu_get(struct vcpu *v, struct hvm_hw_cpu *cpu) { *cpu = cpus[v->id]; }

int hvm_cpu_set(struct vcpu *v, const struct hvm_hw_cpu *cpu)
{
    if (cpu->msr_efer >> 32)
        return -EINVAL;
    cpus[v->id] = *cpu;
    return 0;
}

void hvm_lapic_get(struct vcpu *v, struct hvm_hw_lapic *lapic, struct hvm_hw_lapic_regs *regs)
{
    *lapic = lapics[v->id];
    *regs = lapic_regs[v->id];
}

int hvm_lapic_set(struct vcpu *v, const struct hvm_hw_lapic *lapic, const struct hvm_hw_lapic_regs *regs)
{
    lapics[v->id] = *lapic;
    lapic_regs[v->id] = *regs;
    return 0;
}

void cpu_policy_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    assert_int_equal(v->id + leaf + subleaf, 1);
    memset(out, 0, 16);
    out[0] = 0x6fb;
}

void time_tsc_get(const struct domain *d, uint32_t *khz, nanoseconds_t *elapsed)
{
    (void)d;
    *khz = 1000000;
    *elapsed = 0;
}

/* ---- fixture ---- */

static int setup(void **s)
{
    (void)s;
    host_setup(64);
    guest = host_domain_new(1, VCPUS);
    guest->is_hvm = true;
    for (unsigned i = 0; i < VCPUS; i++) {
        struct vcpu *v = guest->vcpus[i];

        v->hvm = &hvm[i];
        v->arch.xsave_area = area[i];
        v->arch.xcr0 = 3;
        v->arch.xcr0_accum = i ? 7 : 3;
        memset(area[i], (int)i + 1, AREA);
        memset(area[i] + 24, 0, 4);   /* MXCSR */
        memset(area[i] + 512, 0, 64); /* header */
        area[i][512] = 7; /* the CPU says so of components the guest never enabled, too */
        memset(&cpus[i], (int)i + 10, sizeof(cpus[i]));
        cpus[i].msr_efer = i;
        memset(&lapics[i], (int)i + 20, sizeof(lapics[i]));
        memset(&lapic_regs[i], (int)i + 30, sizeof(lapic_regs[i]));
        memset(&hvm[i], 0, sizeof(hvm[i]));
        hvm[i].pat = PAT_RESET;
        hvm[i].mtrr_def_type = 0xc06;
        hvm[i].mtrr_fixed[10] = i;
        hvm[i].mtrr_variable[15] = i;
        hvm[i].tsc_adjust = 1000 + i;
    }
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    host_teardown();
    return 0;
}

static size_t save(void)
{
    size_t size;

    assert_true(hvm_state_size(guest) <= sizeof(state));
    size = hvm_state_save(guest, state);
    assert_true(size <= hvm_state_size(guest));
    return size;
}

/* The record's contents, to be changed. */
static void *record(size_t size, unsigned type, unsigned instance)
{
    uint32_t length;
    const void *found = hvm_state_find(state, size, type, instance, &length);

    assert_non_null(found);
    return state + ((const uint8_t *)found - state);
}

static struct hvm_save_descriptor *descriptor(size_t size, unsigned type, unsigned instance)
{
    return (struct hvm_save_descriptor *)record(size, type, instance) - 1;
}

/* From a copy with nothing behind it, so that AddressSanitizer sees a step too far. */
static int load(size_t size)
{
    void *copy = malloc(size ? size : 1);
    int rc;

    memcpy(copy, state, size);
    rc = hvm_state_load(guest, copy, size);
    free(copy);
    return rc;
}

/* ---- tests ---- */

static void what_is_saved_is_loaded(void **s)
{
    static struct hvm_hw_cpu cpus_before[VCPUS];
    static struct hvm_hw_lapic_regs regs_before[VCPUS];
    static uint8_t area_before[VCPUS][AREA];
    size_t size = save();

    (void)s;
    memcpy(cpus_before, cpus, sizeof(cpus));
    memcpy(regs_before, lapic_regs, sizeof(lapic_regs));
    memcpy(area_before, area, sizeof(area));
    area_before[0][512] = 3;
    memset(cpus, 0, sizeof(cpus));
    memset(lapics, 0, sizeof(lapics));
    memset(lapic_regs, 0, sizeof(lapic_regs));
    memset(hvm, 0, sizeof(hvm));
    memset(area, 0, sizeof(area));
    assert_int_equal(load(size), 0);
    assert_memory_equal(cpus, cpus_before, sizeof(cpus));
    assert_memory_equal(lapic_regs, regs_before, sizeof(lapic_regs));
    assert_memory_equal(area[0], area_before[0], 576); /* AVX was never enabled there */
    assert_memory_equal(area[2], area_before[2], AREA);
    assert_int_equal(lapics[2].timer_divisor, 0x16161616);
    assert_int_equal(hvm[2].pat, PAT_RESET);
    assert_int_equal(hvm[2].mtrr_fixed[10], 2);
    assert_int_equal(hvm[2].mtrr_variable[15], 2);
    assert_int_equal(hvm[2].tsc_adjust, 1002);
    assert_int_equal(guest->vcpus[2]->arch.xcr0_accum, 7);
}

/* A guest that never sets XCR0, saving with FXSAVE, has SSE registers all the same. */
static void sse_of_a_guest_without_xsave_travels(void **s)
{
    struct vcpu *v = guest->vcpus[0];
    uint8_t before[576];
    size_t size;

    (void)s;
    v->arch.xcr0 = v->arch.xcr0_accum = 1;
    size = save();
    memcpy(before, area[0], sizeof(before));
    before[512] = 3;
    memset(area, 0, sizeof(area));
    assert_int_equal(load(size), 0);
    assert_memory_equal(area[0], before, sizeof(before));
    assert_int_equal(v->arch.xcr0, 1);
}

static void a_vcpu_that_is_down_has_no_registers(void **s)
{
    uint32_t length;
    size_t size;

    (void)s;
    guest->vcpus[1]->pause_flags = VCPU_DOWN;
    size = save();
    assert_null(hvm_state_find(state, size, HVM_SAVE_CODE(CPU), 1, &length));
    assert_non_null(hvm_state_find(state, size, HVM_SAVE_CODE(CPU), 2, &length));
    assert_non_null(hvm_state_find(state, size, HVM_SAVE_CODE(MTRR), 1, &length));
    assert_int_equal(load(size), 0);
}

/* What the stock builder makes: a header and registers, then a header and MTRRs. */
static void a_state_may_hold_some_records(void **s)
{
    size_t size = save(), at = sizeof(struct hvm_save_descriptor) + sizeof(struct hvm_save_header);
    struct hvm_save_descriptor d = *descriptor(size, HVM_SAVE_CODE(MTRR), 1);
    HVM_SAVE_TYPE(MTRR) mtrr = *(HVM_SAVE_TYPE(MTRR) *)record(size, HVM_SAVE_CODE(MTRR), 1);

    (void)s;
    memcpy(state + at, &d, sizeof(d));
    memcpy(state + at + sizeof(d), &mtrr, sizeof(mtrr));
    memset(state + at + sizeof(d) + sizeof(mtrr), 0, sizeof(d));
    assert_int_equal(load(at + sizeof(d) + sizeof(mtrr) + sizeof(d)), 0);
    assert_int_equal(load(at + sizeof(d) + sizeof(mtrr)), -ENODATA);
}

static void every_cut_is_noticed(void **s)
{
    size_t size = save();

    (void)s;
    for (size_t cut = 0; cut < size; cut++)
        assert_int_not_equal(load(cut), 0);
    assert_int_equal(load(size), 0);
}

static void lies_are_refused(void **s)
{
    size_t size = save();
    struct hvm_hw_cpu_xsave *x;

    (void)s;
    ((struct hvm_save_header *)record(size, HVM_SAVE_CODE(HEADER), 0))->magic++;
    assert_int_equal(load(size), -EINVAL);
    size = save();
    descriptor(size, HVM_SAVE_CODE(CPU), 1)->instance = VCPUS;
    assert_int_equal(load(size), -EINVAL);
    size = save();
    descriptor(size, HVM_SAVE_CODE(CPU), 1)->typecode = HVM_SAVE_CODE(PIC);
    assert_int_equal(load(size), -EINVAL);
    size = save();
    descriptor(size, HVM_SAVE_CODE(TSC_ADJUST), 2)->length = ~0u;
    assert_int_equal(load(size), -ENODATA);
    size = save();
    ((struct hvm_hw_cpu *)record(size, HVM_SAVE_CODE(CPU), 1))->msr_efer = ~0UL;
    assert_int_equal(load(size), -EINVAL);
    size = save();
    ((HVM_SAVE_TYPE(MTRR) *)record(size, HVM_SAVE_CODE(MTRR), 1))->msr_pat_cr = 2; /* a type there is not */
    assert_int_equal(load(size), -EINVAL);
    for (unsigned lie = 0; lie < 6; lie++) {
        size = save();
        x = record(size, CPU_XSAVE_CODE, 1);
        switch (lie) {
        case 0: x->xcr0_accum = 0xff; break;
        case 1: x->xcr0 = 4; break;
        case 2: x->xcr0 = 0; break;
        case 3: x->save_area.xsave_hdr.xstate_bv = 8; break;
        case 4: x->save_area.xsave_hdr.xcomp_bv = 1UL << 63; break;
        default: memset((uint8_t *)&x->save_area + 24, 0xff, 4); break;
        }
        assert_int_equal(load(size), -EINVAL);
    }
    size = save();
    descriptor(size, HVM_SAVE_CODE(LAPIC), 1)->instance = 2; /* then one has no first half */
    assert_int_equal(load(size), -EINVAL);
}

static void noise_stays_within_the_state(void **s)
{
    uint64_t random = 3;

    (void)s;
    for (unsigned i = 0; i < 3000; i++) {
        size_t size = save();

        for (unsigned k = random_next(&random) % 4; k-- > 0;)
            state[random_next(&random) % size] = (uint8_t)random_next(&random);
        (void)load(random & 1 ? size : random_next(&random) % size);
        teardown(NULL);
        setup(NULL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_saved_is_loaded),   TEST(sse_of_a_guest_without_xsave_travels),
        TEST(a_vcpu_that_is_down_has_no_registers), TEST(a_state_may_hold_some_records),
        TEST(every_cut_is_noticed),      TEST(lies_are_refused),                     TEST(noise_stays_within_the_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
