// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where a PV kernel wants to be entered: its trap table and its callbacks (xen/arch-x86/xen.h,
 * xen/callback.h, xen/nmi.h).
 */
#include "domain/preempt.h"
#include "guest/pv/traps.h"
#include "lib/string.h"
#include <xen/nmi.h>

/* Those kept in struct pv_vcpu */
#define CALLBACKS_KEPT (1u << CALLBACKTYPE_event | 1u << CALLBACKTYPE_failsafe | 1u << CALLBACKTYPE_syscall | \
                        1u << CALLBACKTYPE_syscall32 | 1u << CALLBACKTYPE_sysenter)

static bool callback_known(unsigned type) { return type < 32 && (CALLBACKS_KEPT >> type & 1); }

static long callback_set(struct pv_vcpu *pv, unsigned type, uint64_t address, bool mask)
{
    if (!address_canonical(address))
        return -EINVAL;
    if (type == CALLBACKTYPE_nmi) {
        pv->traps[VECTOR_NMI] = (struct trap_info){.vector = VECTOR_NMI, .cs = FLAT_KERNEL_CS, .address = address};
        return 0;
    }
    if (!callback_known(type))
        return -ENOSYS;
    pv->callbacks[type] = address;
    pv->callback_masks = (uint8_t)((pv->callback_masks & ~(1u << type)) | (unsigned)mask << type);
    return 0;
}

static long callback_clear(struct pv_vcpu *pv, unsigned type)
{
    if (type != CALLBACKTYPE_nmi)
        return callback_known(type) ? -EINVAL : -ENOSYS;
    pv->traps[VECTOR_NMI] = (struct trap_info){0};
    return 0;
}

/* The older form: an address that cannot be is passed over, as Xen does. */
long pv_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall, uint64_t, uint64_t)
{
    (void)callback_set(current->pv, CALLBACKTYPE_event, event, false);
    (void)callback_set(current->pv, CALLBACKTYPE_failsafe, failsafe, false);
    (void)callback_set(current->pv, CALLBACKTYPE_syscall, syscall, false);
    return 0;
}

long pv_callback_op(uint64_t cmd, uint64_t arg, uint64_t, uint64_t, uint64_t)
{
    struct callback_register reg;
    struct callback_unregister unreg;

    switch ((uint32_t)cmd) {
    case CALLBACKOP_register:
        if (guest_read(&reg, GUEST_ADDR(arg), sizeof(reg)))
            return -EFAULT;
        return callback_set(current->pv, reg.type, reg.address, reg.flags & CALLBACKF_mask_events);
    case CALLBACKOP_unregister:
        if (guest_read(&unreg, GUEST_ADDR(arg), sizeof(unreg)))
            return -EFAULT;
        return callback_clear(current->pv, unreg.type);
    default:
        return -ENOSYS;
    }
}

long pv_nmi_op(uint64_t cmd, uint64_t arg, uint64_t, uint64_t, uint64_t)
{
    struct xennmi_callback c;

    switch ((uint32_t)cmd) {
    case XENNMI_register_callback:
        if (guest_read(&c, GUEST_ADDR(arg), sizeof(c)))
            return -EFAULT;
        return callback_set(current->pv, CALLBACKTYPE_nmi, c.handler_address, false);
    case XENNMI_unregister_callback:
        return callback_clear(current->pv, CALLBACKTYPE_nmi);
    default:
        return -ENOSYS;
    }
}

/* A null table clears every entry; otherwise entries are taken until one has no address. */
long pv_set_trap_table(uint64_t table, uint64_t, uint64_t, uint64_t, uint64_t)
{
    struct pv_vcpu *pv = current->pv;
    struct trap_info t;

    if (!table) {
        memset(pv->traps, 0, sizeof(pv->traps));
        return 0;
    }
    for (unsigned done = 0;; done++) {
        if (done && hypercall_should_stop()) /* one entry at least: it comes to its end under any storm */
            return hypercall_continue(__HYPERVISOR_set_trap_table, 1, table);
        if (guest_read(&t, GUEST_ADDR(table), sizeof(t)))
            return -EFAULT;
        if (!t.address)
            return 0;
        if (!address_canonical(t.address))
            return -EINVAL;
        t.cs = pv_fix_selector(t.cs);
        pv->traps[t.vector] = t;
        table += sizeof(t);
    }
}
