/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the door: operations as rows of tables.  What is the same for all of them is done once, in this order: the
 * caller's privilege is asked for, the argument copied in, the domain and the vcpu it names found, the caller's right to
 * control that domain asked for; then the row's function runs, and the answer goes back into the argument.
 */
#pragma once

#include "errno.h"
#include "domain/preempt.h"
#include "mm/guest_copy.h"

struct call {
    unsigned command;
    guest_addr_t at;  /* where the caller has the argument */
    size_t size;      /* of the argument in its 64-bit form */
    uint64_t count;   /* grant_table_op: elements that are left, the first of them at `at` */
    uint64_t start;   /* memory_op: the extent to go on with, changed where it is to be called again */
    struct domain *d; /* the one that the argument names, referenced for the call; otherwise the caller's own */
    struct vcpu *v;   /* of d, where the argument names one or the hypercall does */
    union {           /* the hypervisor's copy of the argument, in its 64-bit form */
        void *arg;
        struct xen_domctl *domctl;
        struct xen_sysctl *sysctl;
        struct xen_platform_op *platform;
    };
};

/* operation.flags */
enum {
    OP_PRIVILEGED = 1u << 0,  /* for the control domain alone: -EPERM before the argument is read */
    OP_PV = 1u << 1,          /* hardware-assisted guests have no such operation: -ENOSYS */
    OP_ONE = 1u << 2,         /* grant_table_op: for one element alone: -EINVAL before it is read */
    OP_ANSWER = 1u << 3,      /* the argument goes back to the caller on success, */
    OP_REST = 1u << 4,        /* with what is left to do (-ERESTART_LATER), */
    OP_EXPLAIN = 1u << 5,     /* on errors, which it explains */
    OP_DOMAIN = 1u << 6,      /* the argument names a domain, by its id or as DOMID_SELF: -ESRCH */
    OP_BY_ID = 1u << 7,       /* never as DOMID_SELF */
    OP_CONTROL = 1u << 8,     /* which the caller must control: -EPERM */
    OP_OWN = 1u << 9,         /* must control, or be: -EPERM */
    OP_OTHERS = 1u << 10,     /* must not be: -EINVAL */
    OP_ALIVE = 1u << 11,      /* which is not being killed: -EINVAL */
    OP_PAUSED = 1u << 12,     /* (with OP_OTHERS) which is paused meanwhile */
    OP_VCPU_EINVAL = 1u << 13,/* a vcpu that is not there: -EINVAL instead of -ESRCH */
};

struct operation {
    long (*run)(struct call *c); /* NULL: the answer is always the same; -ERESTART_LATER: to be called again */
    uint8_t size;                /* of the argument in its 64-bit form; 0: run reads it, if there is one */
    uint16_t flags;              /* OP_* */
    uint8_t domain;              /* OP_DOMAIN: where in the argument the domid_t is */
    uint8_t vcpu;                /* where in the argument the vcpu's number is (uint32_t), not the first field; 0: nowhere */
    int16_t answer;              /* without run; 0: there is no such operation, -ENOSYS */
    const char *form;            /* of the argument (mm/guest_form.h); NULL: the same for every caller */
    void (*undo)(struct call *c); /* the answer could not be written */
};

/* A row whose argument is a struct. */
#define OPERATION(function, type, bits, ...)                                                                     \
    {.run = function, .size = sizeof(struct type), .flags = (bits), __VA_ARGS__}

/*
 * Runs c->command of the table with the argument at c->at.  What run answers, -ERESTART_LATER too, or the error of a step before
 * or after it: -ENOSYS no such operation, -EFAULT, -EPERM, -ESRCH, -EINVAL.
 */
long operation_run(const struct operation *rows, unsigned count, struct call *c);

/*
 * Runs an operation of domctl, sysctl or platform_op, whose arguments, structs of c->size bytes at c->at, begin with the command and
 * the version of the interface.  As operation_run; -EACCES: another version.
 */
long operation_run_versioned(const struct operation *rows, unsigned count, struct call *c, uint32_t version);

/* size bytes of the caller's in a buffer of their own, for mem_free; NULL with the reason in *error: -ENOMEM, -EFAULT. */
void *argument_copy(guest_addr_t from, size_t size, long *error);
