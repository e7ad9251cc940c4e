// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hypercall table and its dispatch.
 *
 * ABI (xen/xen.h, xen/arch-x86/xen-x86_64.h, xen-x86_32.h): number in rax, arguments in rdi rsi rdx r10 r8, result in rax; of
 * 32-bit code in eax, in ebx ecx edx esi edi, in eax.  A handler gets registers as they came and copies what they point to
 * itself.  What was preempted is issued again by the guest's own instruction: hypercall_continue() steps back over it and
 * returns the number, which becomes rax.
 */
#include <stdarg.h>

#include "arch/percpu.h"
#include "domain/preempt.h"
#include "door/handlers.h"
#include "errno.h"
#include "guest/hvm.h"
#include "guest/machine_check.h"
#include "guest/pv.h"
#include "log.h"
#include "mm/guest_form.h"

#define PV_INSTRUCTION_SIZE 2
#define HVM_INSTRUCTION_SIZE 3
#define FOR_PV 1u
#define FOR_HVM 2u
#define FOR_ALL (FOR_PV | FOR_HVM)

struct hypercall_row {
    hypercall_fn fn;
    uint8_t arguments;
    uint8_t guests;     /* FOR_* */
    bool privileged;    /* the control domain alone: anyone else gets -EPERM before the handler */
    bool no_multicall;  /* makes no sense as a multicall entry */
    bool pv_direct;     /* a PV guest's call needs no look at the rest: guest/pv/entry.S calls fn */
};
_Static_assert(sizeof(struct hypercall_row) == 16 && offsetof(struct hypercall_row, fn) == 0 &&
                   offsetof(struct hypercall_row, pv_direct) == 12, "guest/pv/entry.S: ROW_SHIFT, ROW_DIRECT");

/* How a running multicall and hypercall_continue() know of each other. */
struct multicall_state {
    struct multicall_entry *entry; /* being run on this CPU; NULL outside multicalls */
    bool continued;                /* that entry asked to be issued again */
};
static PER_CPU_DEFINE(struct multicall_state, multicall_state);

/* Groups the ABI knows and we do not offer, with the answer it defines for that. */
static long not_offered(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) { return -EOPNOTSUPP; }

#define ROW(name, handler, count, who)                                                                           \
    [__HYPERVISOR_##name] = {                                                                                    \
        .fn = (handler), .arguments = (count), .guests = (who), .pv_direct = ((who) & FOR_PV) != 0}
#define ROW_CONTROL(name, handler, count)                                                                        \
    [__HYPERVISOR_##name] = {.fn = (handler), .arguments = (count), .guests = FOR_ALL, .privileged = true}

extern const struct hypercall_row hypercall_table[];
const struct hypercall_row hypercall_table[] = {
    ROW(set_trap_table, pv_set_trap_table, 1, FOR_PV),
    ROW(mmu_update, pv_mmu_update, 4, FOR_PV),
    ROW(set_gdt, pv_set_gdt, 2, FOR_PV),
    ROW(stack_switch, pv_stack_switch, 2, FOR_PV),
    ROW(set_callbacks, pv_set_callbacks, 3, FOR_PV),
    ROW(fpu_taskswitch, pv_fpu_taskswitch, 1, FOR_PV),
    ROW(sched_op_compat, sched_op_compat, 2, FOR_ALL),
    ROW(platform_op, platform_op, 1, FOR_ALL),
    ROW(set_debugreg, pv_set_debugreg, 2, FOR_PV),
    ROW(get_debugreg, pv_get_debugreg, 1, FOR_PV),
    ROW(update_descriptor, pv_update_descriptor, 2, FOR_PV),
    ROW(memory_op, memory_op, 2, FOR_ALL),
    [__HYPERVISOR_multicall] = {
        .fn = multicall, .arguments = 2, .guests = FOR_ALL, .no_multicall = true, .pv_direct = true},
    ROW(update_va_mapping, pv_update_va_mapping, 3, FOR_PV),
    ROW(set_timer_op, set_timer_op, 1, FOR_ALL),
    ROW(event_channel_op_compat, event_channel_op_compat, 1, FOR_ALL),
    ROW(xen_version, xen_version, 2, FOR_ALL),
    ROW(console_io, console_io, 3, FOR_ALL),
    ROW(grant_table_op, grant_table_op, 3, FOR_ALL),
    ROW(vm_assist, pv_vm_assist, 2, FOR_ALL),
    ROW(update_va_mapping_otherdomain, pv_update_va_mapping_otherdomain, 4, FOR_PV),
    [__HYPERVISOR_iret] = {.fn = pv_iret, .guests = FOR_PV, .no_multicall = true, .pv_direct = true},
    ROW(vcpu_op, vcpu_op, 3, FOR_ALL),
    ROW(set_segment_base, pv_set_segment_base, 2, FOR_PV),
    ROW(mmuext_op, pv_mmuext_op, 4, FOR_PV),
    ROW(nmi_op, pv_nmi_op, 2, FOR_PV),
    ROW(sched_op, sched_op, 2, FOR_ALL),
    ROW(callback_op, pv_callback_op, 2, FOR_PV),
    ROW(event_channel_op, event_channel_op, 2, FOR_ALL),
    ROW(physdev_op, physdev_op, 2, FOR_PV),
    ROW(hvm_op, hvm_op, 2, FOR_ALL),
    ROW_CONTROL(sysctl, sysctl, 1),
    ROW_CONTROL(domctl, domctl, 1),
    ROW(argo_op, not_offered, 5, FOR_ALL),
    ROW(xenpmu_op, not_offered, 2, FOR_ALL),
    ROW_CONTROL(arch_0, machine_check_op, 1), /* __HYPERVISOR_mca */
    /* xsm_op, kexec_op, dm_op, hypfs_op, tmem_op and xenoprof_op: -ENOSYS */
};

#ifndef XYLEM_HOST
/* How many rows there are, for guest/pv/entry.S. */
void hypercall_offsets(void);
__attribute__((used, noinline)) void hypercall_offsets(void)
{
    __asm__ volatile(".globl hypercall_rows\n.hidden hypercall_rows\n.set hypercall_rows, %c0"
                     : : "i"(ARRAY_SIZE(hypercall_table)));
}
#endif

static inline const struct hypercall_row *row_of(uint64_t number)
{
    const struct hypercall_row *row;

    if (unlikely(number >= ARRAY_SIZE(hypercall_table)))
        return NULL;
    row = &hypercall_table[number];
    return likely(row->guests >> current->domain->is_hvm & 1) ? row : NULL;
}

static inline long row_run(const struct hypercall_row *row, const uint64_t a[5])
{
    if (unlikely(!row))
        return -ENOSYS;
    if (unlikely(row->privileged) && !current->domain->is_privileged)
        return -EPERM;
    return row->fn(a[0], a[1], a[2], a[3], a[4]);
}

static inline long serve(uint64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    const uint64_t args[5] = {a1, a2, a3, a4, a5};
    long result;

    latency_call_begin((unsigned)number);
    result = row_run(row_of(number), args);
    latency_call_end();
    return result;
}

void hypercall_dispatch(struct cpu_user_regs *regs)
{
    regs->rax = (uint64_t)serve(regs->rax, regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8);
}

void hypercall_dispatch_32(struct cpu_user_regs *regs)
{
    cpu_info()->guest_32bit = true;
    regs->rax = (uint32_t)serve((uint32_t)regs->rax, (uint32_t)regs->rbx, (uint32_t)regs->rcx, (uint32_t)regs->rdx,
                                (uint32_t)regs->rsi, (uint32_t)regs->rdi);
    cpu_info()->guest_32bit = false;
}

long hypercall_continue(unsigned op, unsigned count, ...)
{
    struct multicall_state *state = &this_cpu(multicall_state);
    struct cpu_user_regs *regs = &cpu_info()->guest_regs;
    uint64_t *const places[5] = {&regs->rdi, &regs->rsi, &regs->rdx, &regs->r10, &regs->r8};
    uint64_t *const places_32[5] = {&regs->rbx, &regs->rcx, &regs->rdx, &regs->rsi, &regs->rdi};
    va_list list;

    ASSERT(count <= 5);
    va_start(list, count);
    for (unsigned i = 0; i < count; i++)
        if (state->entry)
            state->entry->args[i] = va_arg(list, uint64_t);
        else
            *(guest_is_32bit() ? places_32 : places)[i] = va_arg(list, uint64_t);
    va_end(list);
    if (state->entry) {
        state->entry->op = op;
        state->continued = true;
    } else {
        regs->rax = op;
        regs->rip -= current->domain->is_hvm ? HVM_INSTRUCTION_SIZE : PV_INSTRUCTION_SIZE;
    }
    return op;
}

/*
 * ---- multicall: a list of calls in one trap (struct multicall_entry, xen/xen.h) ----
 *
 * Between entries it looks for pending work and continues later with the rest of the list.  An entry that is
 * itself preempted is written back with the arguments it wants next and issued again as the first of that
 * rest.
 */

/* Runs the entry at place.  0; 1 it was continued: written back to be issued again; -EFAULT. */
static int multicall_entry_run(guest_addr_t place)
{
    struct multicall_state *state = &this_cpu(multicall_state);
    const struct hypercall_row *row;
    struct multicall_entry entry;

    if (guest_read_form(&entry, place, sizeof(entry), FORM_MULTICALL))
        return -EFAULT;
    row = row_of(entry.op);
    state->continued = false;
    state->entry = &entry;
    entry.result = (xen_ulong_t)row_run(row && !row->no_multicall ? row : NULL, entry.args);
    state->entry = NULL;
    if (state->continued) {
        state->continued = false;
        return guest_write_form(place, &entry, sizeof(entry), FORM_MULTICALL) ? -EFAULT : 1;
    }
    return guest_write_word(place, 1, entry.result);
}

long multicall(uint64_t list, uint64_t count, uint64_t, uint64_t, uint64_t)
{
    const size_t size = guest_form_size(FORM_MULTICALL, sizeof(struct multicall_entry));
    uint32_t calls = (uint32_t)count;

    for (uint32_t i = 0; i < calls; i++) {
        guest_addr_t place = guest_element(GUEST_ADDR(list), i, size);
        int result;

        if (i && hypercall_should_stop())
            return hypercall_continue(__HYPERVISOR_multicall, 2, place.value, (uint64_t)(calls - i));
        result = multicall_entry_run(place);
        if (result < 0)
            return result;
        if (result > 0)
            return hypercall_continue(__HYPERVISOR_multicall, 2, place.value, (uint64_t)(calls - i));
    }
    return 0;
}
