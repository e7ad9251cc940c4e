/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lock ranks, lowest first: a CPU holding a lock may only take locks that stand later in this list (the same
 * rank twice only where the comment says in which order).  RANK_NONE is exempt from the check.
 */
#pragma once

enum lock_rank {
    RANK_NONE,
    RANK_CONTROL,        /* door: domctl and sysctl, one at a time */
    RANK_DOMAIN,         /* domain->lock: life cycle, vcpu life; two domains by ascending domid */
    RANK_PV_TABLES,      /* pv: page-table updates of one domain */
    RANK_GRANT,          /* grant table of one domain; two domains by ascending domid */
    RANK_GRANT_ENTRY,    /* one active grant entry */
    RANK_GRANT_MAPTRACK, /* map-tracking free list of one vcpu */
    RANK_PHYSMAP,        /* guest physical map of one domain */
    RANK_IRQ_DOMAIN,     /* domain's table of physical interrupts */
    RANK_EVENT,          /* event channels of one domain; two domains by ascending domid */
    RANK_DOMAIN_LIST,    /* list and table of all domains */
    RANK_PAGE_LIST,      /* domain->page_lock: a domain's frame lists and accounting */
    RANK_EVENT_CHANNEL,  /* one event channel */
    RANK_EVENT_QUEUE,    /* one FIFO queue */
    RANK_PCI,            /* PCI device list and configuration space */
    RANK_IRQ,            /* one interrupt descriptor */
    RANK_SCHED,          /* a CPU's run queue */
    RANK_TIMER,          /* a CPU's timers */
    RANK_TIME,           /* wall clock and calibration */
    RANK_VMAP,           /* run-time mappings */
    RANK_HEAP,           /* buddy allocator */
    RANK_SLAB,           /* small allocations: taken without the heap lock held */
    RANK_INTERRUPT_CONTROLLER,
    RANK_CONSOLE,        /* ring and drivers: a message may be printed under any lock */
};
