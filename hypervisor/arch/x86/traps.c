// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exceptions and interrupts: the tables of each CPU, and who gets what (include/arch/x86/entry.h).
 *
 * A fault in the hypervisor is, in this order: a page of the guest's LDT not mapped yet, one its
 * shadow lacks, a stale translation, an instruction that is allowed to fault (exception table), or the end.
 */
#include "arch/x86/traps.h"

#include "arch/x86/apic.h"
#include "arch/x86/descriptor.h"
#include "arch/x86/entry.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/regs.h"
#include "arch/x86/smp.h"
#include "domain/state.h"
#include "log.h"

#define IST_NMI_TOP 0x1000 /* offsets in a CPU's stack block: page 0 */
#define IST_MC_TOP  0x1800 /* page 1, lower half */
#define IST_TOP     0x2000 /* page 1, upper half: #DB, and #DF which returns to nobody */
#define SYSCALL_STUB32_OFFSET ((uint64_t)(syscall_stub32 - syscall_stub_start))

extern char entry_stubs[], syscall_stub_start[], syscall_stub32[];
extern struct extable_entry extable_start[], extable_end[];
void segments_load(void);

PER_CPU_DEFINE(uint64_t *, gdt_page);
PER_CPU_DEFINE(mfn_t, gdt_frame);
PER_CPU_DEFINE(uint64_t, extable_noted);
static PER_CPU_DEFINE(struct tss, tss);
struct idt_entry idt[256] __attribute__((aligned(4096)));

/* ---- tables ---- */

void idt_set_gate(unsigned vector, void (*code)(void), unsigned dpl, unsigned ist)
{
    uint64_t entry = (uint64_t)code;

    idt[vector] = (struct idt_entry){.offset_low = (uint16_t)entry, .selector = HYPERVISOR_CS, .ist = (uint8_t)ist,
        .type = (uint8_t)(IDT_INTERRUPT_GATE | dpl << 5), .offset_middle = (uint16_t)(entry >> 16),
        .offset_high = (uint32_t)(entry >> 32)};
}

static uint64_t extable_key(const struct extable_entry *e) { return (uint64_t)&e->fault + (uint64_t)(int64_t)e->fault; }

/* By address of the fault; the entries are relative to themselves, so moving one changes its numbers. */
static void extable_sort(void)
{
    for (struct extable_entry *i = extable_start + 1; i < extable_end; i++)
        for (struct extable_entry *j = i; j > extable_start && extable_key(j) < extable_key(j - 1); j--) {
            struct extable_entry low = *j, high = j[-1];
            int32_t step = (int32_t)sizeof(*j);

            j[-1] = (struct extable_entry){low.fault + step, low.fixup + step, low.note};
            *j = (struct extable_entry){high.fault - step, high.fixup - step, high.note};
        }
}

void traps_init(void)
{
    for (unsigned i = 0; i < 256; i++)
        idt_set_gate(i, (void (*)(void))(entry_stubs + i * 16), i == VECTOR_BP || i == VECTOR_OF ? 3 : 0, IST_NONE);
    idt[VECTOR_NMI].ist = IST_NMI;
    idt[VECTOR_DF].ist = IST_DF;
    idt[VECTOR_MC].ist = IST_MC;
    idt[VECTOR_DB].ist = IST_DB;
    extable_sort();
}

void gdt_load_own(void) { lgdt((uint64_t)this_cpu(gdt_page) - GDT_RESERVED_BYTE, GDT_LIMIT); }

/* A 16-byte system descriptor. */
static void system_descriptor(uint64_t *d, uint64_t base, uint32_t limit, uint64_t type)
{
    d[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | (0x80 | type) << 40 | (uint64_t)(limit >> 16 & 15) << 48 |
           (base >> 24 & 0xff) << 56;
    d[1] = base >> 32;
}

void ldt_load(uint64_t base, unsigned entries)
{
    if (entries == 0) {
        lldt(0);
        return;
    }
    system_descriptor(this_cpu(gdt_page) + GDT_OFFSET_LDT / 8, base, entries * 8 - 1, 2);
    lldt(LDT_SELECTOR);
}

static void gdt_fill(uint64_t *gdt)
{
    gdt[GDT_OFFSET_CS / 8] = 0x00af9b000000ffffUL;
    gdt[GDT_OFFSET_DS / 8] = 0x00cf93000000ffffUL;
    gdt[GDT_OFFSET_GUEST_CS32 / 8] = 0x00cffb000000ffffUL;
    gdt[GDT_OFFSET_GUEST_DS / 8] = 0x00cff3000000ffffUL;
    gdt[GDT_OFFSET_GUEST_CS64 / 8] = 0x00affb000000ffffUL;
    gdt[GDT_OFFSET_CPU / 8] = 0x0000f10000000000UL | cpu_id();
    system_descriptor(gdt + GDT_OFFSET_TSS / 8, (uint64_t)&this_cpu(tss), sizeof(struct tss) - 1, 9);
}

static void syscall_msrs(uint64_t stub)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
    wrmsr(MSR_STAR, (uint64_t)(FLAT_RING3_CS32) << 48 | (uint64_t)HYPERVISOR_CS << 32);
    wrmsr(MSR_LSTAR, stub);
    wrmsr(MSR_CSTAR, stub + SYSCALL_STUB32_OFFSET);
    wrmsr(MSR_SYSCALL_MASK, RFLAGS_TF | RFLAGS_IF | RFLAGS_IOPL | RFLAGS_DF | RFLAGS_NT | RFLAGS_RF | RFLAGS_AC |
                                RFLAGS_VM);
    wrmsr_safe(MSR_SYSENTER_CS, HYPERVISOR_CS);
    wrmsr_safe(MSR_SYSENTER_ESP, (uint64_t)&cpu_info()->guest_regs.es);
    wrmsr_safe(MSR_SYSENTER_EIP, (uint64_t)pv_sysenter_entry);
}

void traps_cpu_init(void)
{
    uint64_t block = ROUND_DOWN((uint64_t)cpu_info(), STACK_SIZE);
    struct tss *t = &this_cpu(tss);
    struct table_pointer idt_pointer = {sizeof(idt) - 1, (uint64_t)idt};

    *t = (struct tss){.io_bitmap = sizeof(*t)};
    t->rsp[0] = (uint64_t)&cpu_info()->guest_regs.es;
    t->ist[IST_NMI - 1] = block + IST_NMI_TOP;
    t->ist[IST_MC - 1] = block + IST_MC_TOP;
    t->ist[IST_DF - 1] = t->ist[IST_DB - 1] = block + IST_TOP;
    gdt_fill(this_cpu(gdt_page));
    gdt_load_own();
    segments_load();
    __asm__ volatile("ltr %w0" ::"r"(TSS_SELECTOR));
    lldt(0);
    __asm__ volatile("lidt %0" ::"m"(idt_pointer));
    syscall_msrs(block + STACK_SIZE);
}
_Static_assert((sizeof(struct cpu_info) - offsetof(struct cpu_info, guest_regs.es)) % 16 == 0,
               "the CPU aligns RSP0, which must not move it");

/* ---- faults in the hypervisor ---- */

bool extable_fixup(struct cpu_user_regs *regs)
{
    const struct extable_entry *low = extable_start, *high = extable_end;

    while (low < high) {
        const struct extable_entry *e = low + (high - low) / 2;

        if (extable_key(e) == regs->rip) {
            if (e->note)
                this_cpu(extable_noted) = (uint64_t)regs->error_code << 32 | regs->entry_vector;
            regs->rip = (uint64_t)&e->fixup + (uint64_t)(int64_t)e->fixup;
            return true;
        }
        if (extable_key(e) < regs->rip)
            low = e + 1;
        else
            high = e;
    }
    return false;
}

/* A translation this CPU still holds, though the tables allow the access now. */
static bool fault_is_stale(uint64_t address, uint32_t error)
{
    pte_t e = address >= HYPERVISOR_RANGE_START && address < HYPERVISOR_RANGE_END ? paging_lookup(address) : 0;

    if (!pte_present(e) || (error & PF_RESERVED) || ((error & PF_WRITE) && !(e & PTE_WRITE)) ||
        ((error & PF_FETCH) && (e & PTE_NX)))
        return false;
    invlpg(address);
    return true;
}

static bool handle_page_fault(struct cpu_user_regs *regs, uint64_t address)
{
    struct vcpu *v = current;

    if (v && !v->is_idle && address >= PERDOMAIN_LDT(v->id) && address < PERDOMAIN_GDT(v->id + 1))
        return pv_map_ldt_page(address - PERDOMAIN_LDT(v->id));
    if (v && v->arch.shadow && (address < HYPERVISOR_RANGE_START || address >= HYPERVISOR_RANGE_END)) {
        uint32_t error_code = regs->error_code;

        return pv_shadow_fault(v, address, &error_code);
    }
    return fault_is_stale(address, regs->error_code);
}

static const char *vector_name(unsigned vector)
{
    static const char names[] = "DE\0DB\0NI\0BP\0OF\0BR\0UD\0NM\0DF\0??\0TS\0NP\0SS\0GP\0PF\0??\0MF\0AC\0MC\0XM\0VE\0CP";

    return vector < sizeof(names) / 3 ? names + vector * 3 : "??";
}

static void hypervisor_trap(struct cpu_user_regs *regs)
{
    uint64_t address = regs->entry_vector == VECTOR_PF ? read_cr2() : 0;

    if (regs->entry_vector == VECTOR_DB) { /* a guest's breakpoint hit by us, or its single-stepping: not for us */
        write_dr6(DR6_DEFAULT);
        regs->rflags &= ~(uint64_t)RFLAGS_TF;
        return;
    }
    if (regs->entry_vector == VECTOR_PF && handle_page_fault(regs, address))
        return;
    if (regs->entry_vector != VECTOR_DF && extable_fixup(regs))
        return;
    panic_registers(regs, "#%s in the hypervisor, error code %04x, address %016lx\n",
                    vector_name(regs->entry_vector), regs->error_code, address);
}

/* ---- dispatch ---- */

static void handle_interrupt(struct cpu_user_regs *regs)
{
    unsigned base = lock_rank_interrupt_enter();

    switch (regs->entry_vector) {
    case VECTOR_APIC_TIMER:
        interrupt_end();
        softirq_raise(SOFTIRQ_TIMER);
        break;
    case VECTOR_POKE:
        interrupt_end();
        smp_poke_arrived();
        break;
    case VECTOR_CALL:
        interrupt_end();
        smp_call_serve();
        break;
    case VECTOR_TLB_FLUSH:
        interrupt_end();
        tlb_flush_serve();
        break;
    case VECTOR_APIC_ERROR:
        apic_write(LAPIC_ESR, 0);
        log_warning("CPU %u: local APIC error %02x\n", cpu_id(), apic_read(LAPIC_ESR));
        interrupt_end();
        break;
    case VECTOR_SPURIOUS:
        break;
    default:
        irq_dispatch(regs);
    }
    lock_rank_interrupt_leave(base);
}

void trap_dispatch(struct cpu_user_regs *regs)
{
    if (regs->entry_vector >= VECTOR_FIRST_IRQ) {
        latency_irq_off(regs->rflags);
        handle_interrupt(regs);
        latency_irq_on();
    } else if (regs->entry_vector == VECTOR_NMI) {
        nmi_arrived(regs);
    } else if (regs->entry_vector == VECTOR_MC) {
        machine_check(regs);
    } else if (regs_from_guest(regs)) {
        latency_irq_off(regs->rflags);
        irq_enable();
        pv_trap(regs);
    } else {
        hypervisor_trap(regs);
    }
}
