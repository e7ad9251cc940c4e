// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the log says of a guest that the hypervisor ends: registers, and of a PV guest the code it was at and
 * its stack, as far as its page tables show them.  Every line names the vcpu, so that two guests that end at
 * once can be told apart.
 */
#include "guest/crash.h"

#include "console/console.h"
#include "guest/pv.h"
#include "lib/print.h"
#include "log.h"
#include "mm/guest_copy.h"

#define CODE_BEFORE 8
#define CODE_BYTES  24
#define STACK_LINES 8
#define STACK_WORDS 4 /* of a line */

static void report_pv(const struct vcpu *v, const char *name, const struct cpu_user_regs *r)
{
    log_error("%s %s mode, last trap %u error %#x, cr2 %016lx, events %s%s\n", name,
              v->pv->kernel_mode ? "kernel" : "user", r->entry_vector & 0xff, r->error_code,
              (unsigned long)v->info->arch.cr2, v->info->evtchn_upcall_pending ? "pending" : "none",
              v->info->evtchn_upcall_mask ? ", masked" : "");
}

static void report_registers(const struct vcpu *v, const char *name, const struct cpu_user_regs *r)
{
    log_error("%s rip %04x:%016lx rsp %04x:%016lx flags %08lx\n", name, r->cs, r->rip, r->ss, r->rsp, r->rflags);
    log_error("%s rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", name, r->rax, r->rbx, r->rcx, r->rdx);
    log_error("%s rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", name, r->rsi, r->rdi, r->rbp, r->r8);
    log_error("%s r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", name, r->r9, r->r10, r->r11, r->r12);
    log_error("%s r13 %016lx r14 %016lx r15 %016lx cr3 %016lx\n", name, r->r13, r->r14, r->r15, v->arch.cr3);
}

/* The bytes around rip, that at rip in angle brackets. */
static void report_code(const char *name, uint64_t rip)
{
    char text[CODE_BYTES * 5 + 1];
    unsigned length = 0;

    for (unsigned i = 0; i < CODE_BYTES; i++) {
        uint8_t byte;

        if (guest_read(&byte, GUEST_ADDR(rip - CODE_BEFORE + i), 1))
            length += (unsigned)print_format(text + length, sizeof(text) - length, i == CODE_BEFORE ? " <-->" : " --");
        else
            length += (unsigned)print_format(text + length, sizeof(text) - length,
                                             i == CODE_BEFORE ? " <%02x>" : " %02x", byte);
    }
    log_error("%s code%s\n", name, text);
}

static void report_stack(const char *name, uint64_t sp)
{
    uint64_t words[STACK_WORDS];

    sp &= ~7UL;
    for (unsigned i = 0; i < STACK_LINES; i++, sp += sizeof(words)) {
        if (guest_read(words, GUEST_ADDR(sp), sizeof(words))) {
            log_error("%s stack at %016lx cannot be read\n", name, sp);
            return;
        }
        log_error("%s stack %016lx %016lx %016lx %016lx\n", name, words[0], words[1], words[2], words[3]);
    }
}

void guest_crash_report(const struct vcpu *v)
{
    const struct cpu_user_regs *regs = v == current ? &cpu_info()->guest_regs : &v->arch.user_regs;
    char name[24];

    print_format(name, sizeof(name), "d%uv%u", v->domain->id, v->id);
    if (v->pv)
        report_pv(v, name, regs);
    report_registers(v, name, regs);
    if (!v->pv || v != current) /* memory can be read by the page tables in use alone */
        return;
    report_code(name, regs->rip);
    report_stack(name, regs->rsp);
}

static void report_domain(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v)
        guest_crash_report(v);
}

static void registers_dump(void)
{
    if (!domains_stop()) {
        log_error("not now: another CPU has stopped all vcpus\n");
        return;
    }
    domain_for_each(report_domain);
    domains_go_on();
}

void guest_dump_init(void)
{
    debug_key_register('d', "dump registers of all vcpus", registers_dump);
}
