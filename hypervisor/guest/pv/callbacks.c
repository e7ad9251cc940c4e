// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where a PV kernel wants to be entered: its trap table and its callbacks (xen/arch-x86/xen.h,
 * xen/callback.h, xen/nmi.h).
 */
#include "domain/preempt.h"
#include "guest/pv/traps.h"
#include <xen/callback.h>
#include <xen/nmi.h>

#define MASK_FAILSAFE 1u
#define MASK_SYSCALL 2u
#define MASK_SYSCALL32 4u
#define MASK_SYSENTER 8u

static bool callback_address_ok(uint64_t address)
{
    return address_canonical(address);
}

static void callback_mask_set(struct pv_vcpu *pv, uint8_t bit, bool set)
{
    pv->callback_masks = (uint8_t)(set ? pv->callback_masks | bit : pv->callback_masks & ~bit);
}

static void nmi_handler_set(struct pv_vcpu *pv, uint64_t address)
{
    pv->traps[VECTOR_NMI] = (struct trap_info){.vector = VECTOR_NMI, .cs = FLAT_KERNEL_CS, .address = address};
}

static long callback_register(struct pv_vcpu *pv, const struct callback_register *r)
{
    bool mask = r->flags & CALLBACKF_mask_events;

    if (!callback_address_ok(r->address))
        return -EINVAL;
    switch (r->type) {
    case CALLBACKTYPE_event:
        pv->event_callback = r->address;
        return 0;
    case CALLBACKTYPE_failsafe:
        pv->failsafe_callback = r->address;
        callback_mask_set(pv, MASK_FAILSAFE, mask);
        return 0;
    case CALLBACKTYPE_syscall:
        pv->syscall_callback = r->address;
        callback_mask_set(pv, MASK_SYSCALL, mask);
        return 0;
    case CALLBACKTYPE_syscall32:
        pv->syscall32_callback = r->address;
        callback_mask_set(pv, MASK_SYSCALL32, mask);
        return 0;
    case CALLBACKTYPE_sysenter:
        pv->sysenter_callback = r->address;
        callback_mask_set(pv, MASK_SYSENTER, mask);
        return 0;
    case CALLBACKTYPE_nmi:
        nmi_handler_set(pv, r->address);
        return 0;
    default:
        return -ENOSYS;
    }
}

/* The older form: an address that cannot be is passed over, as Xen does. */
long pv_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall, uint64_t a4, uint64_t a5)
{
    const struct callback_register all[] = {{.type = CALLBACKTYPE_event, .address = event},
                                            {.type = CALLBACKTYPE_failsafe, .address = failsafe},
                                            {.type = CALLBACKTYPE_syscall, .address = syscall}};

    (void)a4, (void)a5;
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        (void)callback_register(current->pv, &all[i]);
    return 0;
}

static long callback_unregister(struct pv_vcpu *pv, uint16_t type)
{
    switch (type) {
    case CALLBACKTYPE_event:
    case CALLBACKTYPE_failsafe:
    case CALLBACKTYPE_syscall:
    case CALLBACKTYPE_syscall32:
    case CALLBACKTYPE_sysenter:
        return -EINVAL;
    case CALLBACKTYPE_nmi:
        pv->traps[VECTOR_NMI] = (struct trap_info){0};
        return 0;
    default:
        return -ENOSYS;
    }
}

long pv_callback_op(uint64_t cmd, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct callback_register reg;
    struct callback_unregister unreg;

    (void)a3, (void)a4, (void)a5;
    switch ((uint32_t)cmd) {
    case CALLBACKOP_register:
        if (guest_read(&reg, GUEST_ADDR(arg), sizeof(reg)))
            return -EFAULT;
        return callback_register(current->pv, &reg);
    case CALLBACKOP_unregister:
        if (guest_read(&unreg, GUEST_ADDR(arg), sizeof(unreg)))
            return -EFAULT;
        return callback_unregister(current->pv, unreg.type);
    default:
        return -ENOSYS;
    }
}

long pv_nmi_op(uint64_t cmd, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = current;
    struct xennmi_callback c;

    (void)a3, (void)a4, (void)a5;
    switch ((uint32_t)cmd) {
    case XENNMI_register_callback:
        if (guest_read(&c, GUEST_ADDR(arg), sizeof(c)))
            return -EFAULT;
        if (!callback_address_ok(c.handler_address))
            return -EINVAL;
        nmi_handler_set(v->pv, c.handler_address);
        return 0;
    case XENNMI_unregister_callback:
        v->pv->traps[VECTOR_NMI] = (struct trap_info){0};
        return 0;
    default:
        return -ENOSYS;
    }
}

/* A null table clears every entry; otherwise entries are taken until one has no address. */
long pv_set_trap_table(uint64_t table, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct pv_vcpu *pv = current->pv;
    struct trap_info t;

    (void)a2, (void)a3, (void)a4, (void)a5;
    if (!table) {
        for (unsigned i = 0; i < 256; i++)
            pv->traps[i] = (struct trap_info){0};
        return 0;
    }
    for (unsigned done = 0;; done++) {
        if (done && hypercall_should_stop()) /* one entry at least: it comes to its end under any storm */
            return hypercall_continue(__HYPERVISOR_set_trap_table, 1, table);
        if (guest_read(&t, GUEST_ADDR(table), sizeof(t)))
            return -EFAULT;
        if (!t.address)
            return 0;
        if (!callback_address_ok(t.address))
            return -EINVAL;
        t.cs = pv_fix_selector(t.cs);
        pv->traps[t.vector] = t;
        table += sizeof(t);
    }
}
