// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hypervisor's own end: registers, a backtrace with names, all other CPUs stopped, reboot.  The backtrace
 * is every word of the stack that points behind a call in the text, so a few lines may be left-overs of
 * earlier calls.
 */
#include "arch/machine.h"
#include "arch/x86/paging.h"
#include "arch/x86/regs.h"
#include "arch/x86/smp.h"
#include "arch/x86/traps.h"
#include "console/console.h"
#include "domain/state.h"
#include "lib/print.h"
#include "log.h"

#define BACKTRACE_LINES 32
#define MARK_STEP 16 /* symbols.awk */

extern char image_start[], text_end[];
extern const uint32_t symbol_count, symbol_offsets[], symbol_marks[];
extern const char symbol_names[];

/* ---- symbols ---- */

static const char *symbol_name(unsigned index)
{
    const char *name = symbol_names + symbol_marks[index / MARK_STEP];

    for (unsigned i = 0; i < index % MARK_STEP; i++)
        while (*name++ != '\0')
            ;
    return name;
}

bool symbol_lookup(uint64_t address, char *buffer, unsigned buffer_size, uint64_t *offset, uint64_t *size)
{
    unsigned low = 0, high = symbol_count;
    uint64_t at = address - (uint64_t)image_start;

    if (address < (uint64_t)image_start || address >= (uint64_t)text_end || symbol_count == 0)
        return false;
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;

        if (symbol_offsets[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    *offset = at - symbol_offsets[low];
    *size = (low + 1 < symbol_count ? symbol_offsets[low + 1] : (uint64_t)(text_end - image_start)) - symbol_offsets[low];
    print_format(buffer, buffer_size, "%s", symbol_name(low));
    return true;
}

static void print_address(uint64_t address)
{
    char name[64];
    uint64_t offset, size;

    if (symbol_lookup(address, name, sizeof(name), &offset, &size))
        log_error("   [%016lx] %s+%#lx/%#lx\n", address, name, offset, size);
    else
        log_error("   [%016lx]\n", address);
}

/* ---- registers and stack ---- */

static void print_registers(const struct cpu_user_regs *r)
{
    const struct vcpu *v = current;

    if (v && v->domain)
        log_error("CPU %u, running d%uv%u\n", cpu_id(), v->domain->id, v->id);
    else
        log_error("CPU %u\n", cpu_id());
    log_error("rip %04x:%016lx  rflags %08lx\n", r->cs, r->rip, r->rflags);
    log_error("rax %016lx  rbx %016lx  rcx %016lx\n", r->rax, r->rbx, r->rcx);
    log_error("rdx %016lx  rsi %016lx  rdi %016lx\n", r->rdx, r->rsi, r->rdi);
    log_error("rbp %016lx  rsp %016lx  r8  %016lx\n", r->rbp, r->rsp, r->r8);
    log_error("r9  %016lx  r10 %016lx  r11 %016lx\n", r->r9, r->r10, r->r11);
    log_error("r12 %016lx  r13 %016lx  r14 %016lx\n", r->r12, r->r13, r->r14);
    log_error("r15 %016lx  cr2 %016lx  cr3 %016lx\n", r->r15, read_cr2(), read_cr3());
}

/* Return addresses found on the stack from sp up, with names. */
static void print_backtrace(uint64_t rip, uint64_t sp)
{
    uint64_t end = ROUND_UP(sp + 1, STACK_SIZE) - sizeof(struct cpu_info);
    unsigned lines = 0;

    log_error("Backtrace:\n");
    print_address(rip);
    if (sp < HYPERVISOR_RANGE_START || sp >= HYPERVISOR_RANGE_END)
        return;
    for (sp = ROUND_UP(sp, 8); sp < end && lines < BACKTRACE_LINES; sp += 8) {
        uint64_t word;

        if (!pte_present(paging_lookup(sp)))
            break;
        word = *(const uint64_t *)sp;
        if (word <= (uint64_t)image_start || word >= (uint64_t)text_end)
            continue;
        print_address(word);
        lines++;
    }
}

/* ---- the end ---- */

/* Only the first CPU speaks; the second one of two, and a panic within a panic, wait or stop. */
static void begin(void)
{
    static uint32_t owner; /* CPU + 1 */
    uint32_t none = 0;

    irq_disable();
    if (!__atomic_compare_exchange_n(&owner, &none, cpu_id() + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        if (none == cpu_id() + 1)
            machine_halt();
        for (;;)
            __asm__ volatile("hlt");
    }
    smp_stop_others();
    console_force_unlock();
    log_error("****************************************\n");
    log_error("Panic on CPU %u:\n", cpu_id());
}

static _Noreturn void end(const struct cpu_user_regs *regs, const char *format, va_list arguments)
{
    static char text[512];

    begin();
    print_format_v(text, sizeof(text), format, arguments);
    log_error("%s", text);
    print_registers(regs);
    if (!regs_from_guest(regs))
        print_backtrace(regs->rip, regs->rsp);
    log_error("****************************************\n");
    if (opt_noreboot)
        machine_halt();
    time_delay_us(1000000);
    machine_reboot();
}

struct cpu_user_regs panic_regs; /* filled by panic(), entry.S, for the first that panics */
uint32_t panic_entered;
_Noreturn void panic_say(const char *format, ...);

/* What panic() goes on with. */
void panic_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end(&panic_regs, format, arguments);
    va_end(arguments);
}

void panic_registers(const struct cpu_user_regs *regs, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end(regs, format, arguments);
    va_end(arguments);
}
