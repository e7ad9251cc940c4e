// SPDX-License-Identifier: BSD-2-Clause
/*
 * Domain 0: built from the first two boot modules, its kernel and its ramdisk.
 *
 * The order: read the kernel, create an empty domain, give it memory, fill that, write page tables, hand them
 * and the first vcpu's registers to the same checks any guest goes through, allow it the machine's devices,
 * let it run.
 */
#include "boot/dom0.h"

#include "arch/devices.h"
#include "arch/x86/acpi.h"
#include "door/domain_life.h"
#include "errno.h"
#include "guest/pv.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "options.h"
#include "sched/sched.h"

#define EFLAGS_INTERRUPTS     0x200UL
#define PCI_CONFIG_FIRST      0xcf8
#define PCI_CONFIG_LAST       0xcff

static unsigned option_vcpus_min, option_vcpus_max; /* 0 not given */
static bool option_pin;
OPTION_BOOLEAN(dom0_vcpus_pin, "dom0_vcpus_pin", option_pin);

/* dom0_max_vcpus=<n>, <min>-<max>, <min>- or -<max> */
static int option_dom0_max_vcpus(const char *value)
{
    const char *end = value;

    option_vcpus_min = (unsigned)string_to_u64(value, &end, 0);
    option_vcpus_max = option_vcpus_min;
    if (*end == '-') {
        value = end + 1;
        option_vcpus_max = (unsigned)string_to_u64(value, &end, 0);
    }
    return *end ? -EINVAL : 0;
}
OPTION_FUNCTION(dom0_max_vcpus, "dom0_max_vcpus", option_dom0_max_vcpus);

static unsigned vcpus_wanted(void)
{
    unsigned count = cpu_online_count;

    if (option_vcpus_min)
        count = max(count, option_vcpus_min);
    if (option_vcpus_max)
        count = min(count, option_vcpus_max);
    return min(count, (unsigned)MAX_VCPUS_PV);
}

static void find_modules(struct dom0_build *b)
{
    if (!boot_info.module_count)
        panic("No domain 0 kernel: expected it as the first boot module (GRUB: module2 /boot/vmlinuz..., "
              "QEMU: -initrd \"VMLINUZ OPTIONS,INITRD\"), found no modules\n");
    b->kernel_module = &boot_info.modules[0];
    b->ramdisk = boot_info.module_count > 1 ? &boot_info.modules[1] : NULL;
    b->cmdline = boot_skip_name(b->kernel_module->cmdline);
}

static struct domain *create_domain(unsigned vcpus)
{
    const struct xen_domctl_createdomain config = {
        .max_vcpus = vcpus,
        .max_evtchn_port = UINT32_MAX,
        .max_grant_frames = -1,
        .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(2),
    };
    struct domain *d;
    int rc = domain_create(0, &config, true, &d);

    if (rc)
        panic("Domain 0: cannot be created (error %d): give the machine more memory\n", rc);
    return d;
}

static void set_first_vcpu(struct dom0_build *b)
{
    struct vcpu_guest_context *context = mem_new(struct vcpu_guest_context);
    const uint64_t stack = b->stack.virt + PAGE_SIZE;
    struct vcpu *v = domain_vcpu(b->d, 0);
    struct frame *top = mfn_to_frame(MFN(b->frames[b->tables.first]));
    int rc;

    if (!context)
        panic("Domain 0: no memory for its first vcpu\n");
    *context = (struct vcpu_guest_context){
        .flags = VGCF_in_kernel | VGCF_online,
        .user_regs = {
            .rip = b->kernel.xen.entry, .rsp = stack, .rsi = b->start_info.virt, .rflags = EFLAGS_INTERRUPTS,
            .cs = FLAT_KERNEL_CS, .ss = FLAT_KERNEL_SS,
            .ds = FLAT_KERNEL_DS, .es = FLAT_KERNEL_DS, .fs = FLAT_KERNEL_DS, .gs = FLAT_KERNEL_DS,
        },
        .kernel_ss = FLAT_KERNEL_SS,
        .kernel_sp = stack,
        .ctrlreg[3] = xen_pfn_to_cr3(b->frames[b->tables.first]),
    };
    do {
        rc = frame_get_both(top, b->d, FRAME_L4);
    } while (rc == -ERESTART_LATER);
    if (!rc) {
        /* Kernels expect their first tables pinned, as if they had done it themselves. */
        __atomic_fetch_or(&top->type, FRAME_PINNED, __ATOMIC_RELAXED);
        do {
            rc = pv_set_context(v, context);
        } while (rc == -ERESTART_LATER);
    }
    if (rc)
        panic("Domain 0: its first page tables or registers were refused (error %d)\n", rc);
    __atomic_fetch_and(&v->pause_flags, ~VCPU_DOWN, __ATOMIC_SEQ_CST); /* VGCF_online; the unpause wakes it */
    mem_free(context);
}

static void add_vcpus(struct domain *d, unsigned count)
{
    for (unsigned id = 0; id < count; id++) {
        int rc = domain_add_vcpu(d, id);

        if (rc)
            panic("Domain 0: vcpu %u of %u cannot be made (error %d)\n", id, count, rc);
        if (option_pin && cpu_online(id)) {
            cpu_mask_t mask = {0};

            mask.bits[id / 64] = 1UL << (id % 64);
            sched_set_affinity(domain_vcpu(d, id), &mask, &mask);
        }
    }
}

static void deny_ports(unsigned first, unsigned last, void *data)
{
    struct domain *d = data;

    if (rangeset_remove(&d->io_ports, first, last))
        panic("Domain 0: no memory for its permissions\n");
}

/* Domain 0 drives the machine's devices, except those the hypervisor uses itself. */
static void permit_devices(struct domain *d)
{
    bool failed = rangeset_add(&d->io_ports, 0, 0xffff) ||
                  rangeset_add(&d->io_memory, 0, (1UL << (52 - PAGE_SHIFT)) - 1) ||
                  rangeset_add(&d->irqs, 1, MAX_IRQS - 1) ||      /* 0: the timer, which is ours */
                  rangeset_remove(&d->io_memory, 0xfee00, 0xfeeff); /* local APICs and message-signalled interrupts */

    for (unsigned i = 0; !failed && i < acpi.ioapic_count; i++)
        failed = rangeset_remove(&d->io_memory, acpi.ioapics[i].address >> PAGE_SHIFT,
                                 acpi.ioapics[i].address >> PAGE_SHIFT);
    if (failed)
        panic("Domain 0: no memory for its permissions\n");
    deny_ports(PCI_CONFIG_FIRST, PCI_CONFIG_LAST, d); /* emulated, so that accesses do not interleave */
    devices_reserved_ports(deny_ports, d);
}

static void release_modules(void)
{
    for (unsigned i = 0; i < boot_info.module_count; i++)
        heap_init_range(MADDR(boot_info.modules[i].start), MADDR(boot_info.modules[i].end));
}

void dom0_construct(void)
{
    unsigned vcpus = vcpus_wanted();
    struct dom0_build b = {0};

    find_modules(&b);
    dom0_kernel_load(&b);
    b.d = create_domain(vcpus);
    domain_zero = b.d;
    add_vcpus(b.d, vcpus);
    permit_devices(b.d);
    dom0_layout(&b);
    dom0_populate(&b);
    dom0_fill(&b);
    dom0_tables_build(&b);
    set_first_vcpu(&b);
    time_publish_wallclock(b.d);
    dom0_kernel_release(&b);
    heap_free(b.frames, b.frames_order);
    release_modules();
    log_info("Domain 0: %lu MiB, %u vcpus, mapped %#lx-%#lx, frame list at %#lx, start info at %#lx\n",
             b.pages >> 8, vcpus, b.virt_start, b.virt_end, b.p2m.virt, b.start_info.virt);
    domain_unpause_by_controller(b.d);
}
