// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_hvm_op (xen/hvm/hvm_op.h): parameters of hardware-assisted guests (xen/hvm/params.h), and the few services a
 * guest without a device model uses.
 */
#include "guest/hvm/internal.h"

#include "mm/guest_copy.h"
#include <xen/sched.h>

#define CALLBACK_TYPE_SHIFT 56
#define VECTOR_FIRST 0x10

/* What a guest may know of itself, and set. */
#define PARAM(name) (1UL << HVM_PARAM_##name)
static const uint64_t params_own = PARAM(CALLBACK_IRQ) | PARAM(VM86_TSS) | PARAM(VM86_TSS_SIZED) |
                                   PARAM(ACPI_IOPORTS_LOCATION) | PARAM(VM_GENERATION_ID_ADDR) | PARAM(STORE_EVTCHN) |
                                   PARAM(CONSOLE_EVTCHN) | PARAM(X87_FIP_WIDTH);
static const uint64_t params_shown = PARAM(STORE_PFN) | PARAM(CONSOLE_PFN) | PARAM(ALTP2M);
static const uint64_t params_gone = PARAM(PAE_ENABLED) | PARAM(DM_DOMAIN) | PARAM(MEMORY_EVENT_CR0) |
                                    PARAM(MEMORY_EVENT_CR3) | PARAM(MEMORY_EVENT_CR4) | PARAM(MEMORY_EVENT_INT3) |
                                    PARAM(NESTEDHVM) | PARAM(MEMORY_EVENT_SINGLE_STEP) | PARAM(BUFIOREQ_EVTCHN) |
                                    PARAM(MEMORY_EVENT_MSR);
/* What stands for something there is not: 0 alone. */
static const uint64_t params_absent = PARAM(VIRIDIAN) | PARAM(ALTP2M) | PARAM(MCA_CAP) | PARAM(HPET_ENABLED) |
                                      PARAM(VPT_ALIGN) | PARAM(ACPI_S_STATE);
_Static_assert(HVM_NR_PARAMS <= 64, "a bit for each parameter");

/* ---- parameters ---- */

/*
 * Events reach the guest by a vector, or not this way at all: the other ways need interrupt lines, which are not there.  They
 * are accepted, since Linux sets one to say that it has drivers when its vcpus have upcall vectors of their own.
 */
static int callback_set(struct domain *d, uint64_t value)
{
    unsigned type = (unsigned)(value >> CALLBACK_TYPE_SHIFT);

    if (type > HVM_PARAM_CALLBACK_TYPE_VECTOR ||
        (type == HVM_PARAM_CALLBACK_TYPE_VECTOR && (value & 0xff) < VECTOR_FIRST))
        return -EINVAL;
    d->hvm->callback_vector = type == HVM_PARAM_CALLBACK_TYPE_VECTOR ? (uint8_t)value : 0;
    return 0;
}

void hvm_shared_form_latch(struct vcpu *v)
{
    uint32_t wide_ports = hvm_vendor->code(v).bits == 64 ? EVTCHN_2L_NR_CHANNELS : 0;

    __atomic_store_n(&v->domain->wide_ports, wide_ports, __ATOMIC_RELAXED);
    time_publish_wallclock(v->domain);
}

static int param_set(struct domain *d, uint32_t index, uint64_t value)
{
    uint64_t bit = 1UL << index;
    int rc = 0;

    if (d == current->domain && !(params_own & bit))
        return -EPERM;
    if (params_gone & bit)
        return -EOPNOTSUPP;
    if ((params_absent & bit) && value)
        return -EINVAL;
    spin_lock(&d->lock);
    if (index == HVM_PARAM_CALLBACK_IRQ)
        rc = callback_set(d, value);
    else if ((index == HVM_PARAM_TIMER_MODE && value > HVMPTM_one_missed_tick_pending) ||
             (index == HVM_PARAM_TRIPLE_FAULT_REASON && value > SHUTDOWN_MAX))
        rc = -EINVAL;
    if (!rc)
        d->hvm->params[index] = value;
    spin_unlock(&d->lock);
    if (index == HVM_PARAM_CALLBACK_IRQ && d == current->domain && !rc)
        hvm_shared_form_latch(current);
    return rc;
}

static int param_get(struct domain *d, uint32_t index, uint64_t *value)
{
    uint64_t bit = 1UL << index;

    if (d == current->domain && !((params_own | params_shown) & bit))
        return -EPERM;
    if (params_gone & bit)
        return -EOPNOTSUPP;
    *value = __atomic_load_n(&d->hvm->params[index], __ATOMIC_RELAXED);
    return 0;
}

/* The domain an operation names: the caller, or one it controls.  Referenced. */
static int op_target(domid_t id, struct domain **d)
{
    int rc;

    *d = domain_get_or_self(id);
    if (!*d)
        return -ESRCH;
    rc = (*d)->is_hvm ? 0 : -EINVAL;
    if (!rc && *d != current->domain)
        rc = permission_control(*d);
    if (rc)
        domain_put(*d);
    return rc;
}

static long op_param(guest_addr_t arg, bool set)
{
    struct xen_hvm_param p;
    struct domain *d;
    long rc;

    if (guest_read(&p, arg, sizeof(p)))
        return -EFAULT;
    if (p.index >= HVM_NR_PARAMS)
        return -EINVAL;
    rc = op_target(p.domid, &d);
    if (rc)
        return rc;
    rc = set ? param_set(d, p.index, p.value) : param_get(d, p.index, &p.value);
    domain_put(d);
    return rc || set ? rc : guest_write(arg, &p, sizeof(p));
}

/* ---- the rest ---- */

static long op_upcall_vector(guest_addr_t arg)
{
    struct xen_hvm_evtchn_upcall_vector u;
    struct vcpu *v;

    if (guest_read(&u, arg, sizeof(u)))
        return -EFAULT;
    if (!current->domain->is_hvm || u.vector < VECTOR_FIRST)
        return -EINVAL;
    v = domain_vcpu(current->domain, u.vcpu);
    return v ? hvm_upcall_vector_set(v, u.vector) : -ENOENT;
}

static long op_memory_type(guest_addr_t arg)
{
    struct xen_hvm_get_mem_type m;
    enum physmap_type type;
    struct domain *d;
    unsigned order;
    int rc;

    if (guest_read(&m, arg, sizeof(m)))
        return -EFAULT;
    rc = op_target(m.domid, &d);
    if (rc)
        return rc;
    (void)physmap_lookup(d, GFN(m.pfn), &type, &order);
    domain_put(d);
    if (type == PHYSMAP_NONE || type == PHYSMAP_MMIO)
        m.mem_type = HVMMEM_mmio_dm;
    else
        m.mem_type = type == PHYSMAP_RAM_RO || type == PHYSMAP_GRANT_RO ? HVMMEM_ram_ro : HVMMEM_ram_rw;
    return guest_write(arg, &m, sizeof(m));
}

static long op_time(guest_addr_t arg)
{
    const struct xen_hvm_get_time now = {.now = time_now()};

    return guest_write(arg, &now, sizeof(now));
}

static long op_flush(guest_addr_t arg)
{
    if (!guest_addr_null(arg) || !current->domain->is_hvm)
        return -EINVAL;
    physmap_flush(current->domain);
    return 0;
}

long hvm_op(uint64_t command, uint64_t arg_value, uint64_t, uint64_t, uint64_t)
{
    const guest_addr_t arg = GUEST_ADDR(arg_value);

    switch ((uint32_t)command) {
    case HVMOP_set_param:
        return op_param(arg, true);
    case HVMOP_get_param:
        return op_param(arg, false);
    case HVMOP_set_evtchn_upcall_vector:
        return op_upcall_vector(arg);
    case HVMOP_get_mem_type:
        return op_memory_type(arg);
    case HVMOP_get_time:
        return op_time(arg);
    case HVMOP_flush_tlbs:
        return op_flush(arg);
    default:
        return -ENOSYS;
    }
}
