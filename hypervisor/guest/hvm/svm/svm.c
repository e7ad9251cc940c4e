// SPDX-License-Identifier: BSD-2-Clause
/*
 * SVM on a machine and its CPUs: what it needs, switching it on and off, permission maps, and the parts of a vcpu.  AMD64
 * APM volume 2, 15.2 to 15.11.
 *
 * Both permission maps are allow lists that all guests share: every port exits, and so does every MSR but those that VMLOAD and
 * VMSAVE switch, which are the guest's own.
 */
#include "guest/hvm/svm/svm.h"
#include "guest/policy.h"
#include "lib/string.h"
#include "mm/heap.h"

#define IOPM_ORDER 2   /* 12 KiB are used */
#define MSRPM_ORDER 1
#define MSRPM_BITS_PER_MSR 2

#define TCG_EBX 0x54474354u /* TCGTCGTCGTCG */
#define TCG_ECX 0x43544743u
#define TCG_EDX 0x47435447u

bool svm_by_tcg;
static bool has_pause_filter;
static uint64_t iopm_maddr, msrpm_maddr; /* permission maps, shared by all guests: a set bit is an exit */
PER_CPU_DEFINE(uint64_t, svm_host_state);
static PER_CPU_DEFINE(uint64_t, host_save_area);
static unsigned asid_count;

static const char *svm_missing(void)
{
    uint64_t vm_cr = 0;
    struct cpuid_result r;

    if (!cpu_has(FEATURE_SVM) || cpu_model.max_extended_leaf < 0x8000000a)
        return "the CPU has no SVM";
    if (rdmsr_safe(MSR_VM_CR, &vm_cr) && (vm_cr & MSR_VM_CR_SVM_DISABLED))
        return "the firmware switched SVM off";
    r = cpuid(0x8000000a, 0);
    if (!(r.edx & SVM_FEATURE_NESTED_PAGING))
        return "SVM without nested paging";
    return r.ebx < 2 ? "SVM without address space identifiers" : NULL;
}

static bool machine_is_tcg(void)
{
    struct cpuid_result r = cpuid(0x40000000, 0);

    return cpu_has(FEATURE_HYPERVISOR) && r.ebx == TCG_EBX && r.ecx == TCG_ECX && r.edx == TCG_EDX;
}

/* ---- permission maps ---- */

/* The map has 2 KiB for each range of 8,192 registers: the lowest ones, from 0xc0000000, from 0xc0010000. */
static void msrpm_pass(uint8_t *map, uint32_t msr)
{
    uint32_t index = (msr & 0x1fff) + (msr >> 16 == 0xc000 ? 0x2000u : 0);
    uint32_t bit = index * MSRPM_BITS_PER_MSR;

    map[bit / 8] &= (uint8_t)~(3u << bit % 8);
}

static int svm_init(void)
{
    static const uint32_t own[] = {MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR,
        MSR_SYSCALL_MASK, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP};
    uint8_t *iopm = heap_alloc(IOPM_ORDER, 0), *msrpm = heap_alloc(MSRPM_ORDER, 0);
    struct cpuid_result r = cpuid(0x8000000a, 0);

    if (!iopm || !msrpm)
        goto fail;
    memset(iopm, 0xff, PAGE_SIZE << IOPM_ORDER);
    memset(msrpm, 0xff, PAGE_SIZE << MSRPM_ORDER);
    for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
        msrpm_pass(msrpm, own[i]);
    iopm_maddr = mfn_to_maddr(virt_to_mfn(iopm)).value;
    msrpm_maddr = mfn_to_maddr(virt_to_mfn(msrpm)).value;
    asid_count = r.ebx;
    has_pause_filter = r.edx & SVM_FEATURE_PAUSE_FILTER;
    svm_by_tcg = cpu_policy_hvm_without_xsave = machine_is_tcg();
    log_info("SVM: nested paging, %u address spaces%s%s\n", asid_count,
             r.edx & SVM_FEATURE_NEXT_RIP ? ", next rip" : "", has_pause_filter ? ", pause filter" : "");
    return 0;

fail:
    heap_free(iopm, IOPM_ORDER);
    heap_free(msrpm, MSRPM_ORDER);
    return -ENOMEM;
}

/* ---- CPUs ---- */

static int svm_cpu_init(void)
{
    void *save = heap_alloc(0, HEAP_ZERO), *state = heap_alloc(0, HEAP_ZERO);

    if (!save || !state)
        goto fail;
    this_cpu(host_save_area) = mfn_to_maddr(virt_to_mfn(save)).value;
    this_cpu(svm_host_state) = mfn_to_maddr(virt_to_mfn(state)).value;
    if (!wrmsr_safe(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME)) {
        log_error("CPU %u: SVM cannot be switched on\n", cpu_id());
        return -ENODEV;
    }
    wrmsr(MSR_VM_HSAVE_PA, this_cpu(host_save_area));
    svm_asid_cpu_init(asid_count);
    return 0;

fail:
    heap_free(save, 0);
    heap_free(state, 0);
    return -ENOMEM;
}

/* ---- vcpus ---- */

static void vmcb_init(struct vcpu *v, struct vmcb *b)
{
    b->intercept_cr_write = 1u << 0 | 1u << 4;
    b->intercept_exceptions = 1u << VECTOR_DB | 1u << VECTOR_AC | 1u << VECTOR_MC;
    b->intercept1 = INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_INIT | INTERCEPT_RDPMC | INTERCEPT_CPUID |
                    INTERCEPT_RSM | INTERCEPT_INVD | INTERCEPT_HLT | INTERCEPT_INVLPGA | INTERCEPT_IO |
                    INTERCEPT_MSR | INTERCEPT_FERR | INTERCEPT_SHUTDOWN;
    b->intercept2 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD | INTERCEPT_VMSAVE | INTERCEPT_STGI |
                    INTERCEPT_CLGI | INTERCEPT_SKINIT | INTERCEPT_WBINVD | INTERCEPT_MONITOR | INTERCEPT_MWAIT |
                    INTERCEPT_XSETBV;
    if (has_pause_filter) {
        b->intercept1 |= INTERCEPT_PAUSE;
        b->pause_count = 4000;
    }
    svm_debug_intercept(b, true);
    b->iopm = iopm_maddr;
    b->msrpm = msrpm_maddr;
    b->virtual_interrupt = VINTR_MASKING;
    b->nested_control = NESTED_PAGING;
    b->nested_cr3 = physmap_root(v->domain).value;
    b->dr6 = DR6_DEFAULT;
    b->dr7 = DR7_DEFAULT;
    b->rflags = RFLAGS_MBS;
}

static int svm_vcpu_init(struct vcpu *v)
{
    struct svm_vcpu *s = mem_new(struct svm_vcpu);

    if (!s)
        return -ENOMEM;
    v->hvm->vendor = s;
    s->vmcb = heap_alloc(0, HEAP_ZERO);
    if (!s->vmcb)
        return -ENOMEM;
    s->vmcb_maddr = mfn_to_maddr(virt_to_mfn(s->vmcb)).value;
    s->asid_cpu = UINT32_MAX;
    vmcb_init(v, s->vmcb);
    v->arch.enter = svm_enter_guest;
    return 0;
}

static void svm_vcpu_free(struct vcpu *v)
{
    heap_free(vmcb_of(v), 0);
    mem_free(v->hvm->vendor);
}

/* What the hypervisor has in the registers VMLOAD changes is put back at each exit. */
static void svm_context_load(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);

    if (unlikely(v->domain->tsc.emulated)) {
        b->intercept1 |= INTERCEPT_RDTSC;
        b->intercept2 |= INTERCEPT_RDTSCP;
    }
    svm_vmsave(this_cpu(svm_host_state));
}

static void svm_context_save(struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);

    v->arch.user_regs.cs = b->cs.selector;
    v->arch.user_regs.ss = b->ss.selector;
}

static struct hvm_code svm_code(const struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);

    if ((b->efer & EFER_LMA) && (b->cs.attributes & 0x200))
        return (struct hvm_code){0, 64};
    return (struct hvm_code){b->cs.base, b->cs.attributes & 0x400 ? 32 : 16};
}

static uint64_t svm_next_rip(const struct vcpu *v) { return vmcb_of(v)->next_rip; }

static uint64_t svm_segment_base(const struct vcpu *v, unsigned segment)
{
    return (&vmcb_of(v)->es)[segment].base; /* VMSAVE keeps those of fs and gs up to date. */
}

static void svm_shadow_clear(struct vcpu *v) { vmcb_of(v)->interrupt_shadow = 0; }

const struct hvm_vendor svm_vendor = {
    .name = "SVM",
    .missing = svm_missing,
    .init = svm_init,
    .cpu_init = svm_cpu_init,
    .vcpu_init = svm_vcpu_init,
    .vcpu_free = svm_vcpu_free,
    .context_load = svm_context_load,
    .context_save = svm_context_save,
    .state_get = svm_state_get,
    .state_set = svm_state_set,
    .controls_set = svm_controls_set,
    .code = svm_code,
    .next_rip = svm_next_rip,
    .segment_base = svm_segment_base,
    .shadow_clear = svm_shadow_clear,
};
