// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a halted vcpu wakes for every event, interrupt and timer that was promised to it, whatever the others do at
// that moment. It matters because a wake-up that is lost stops a guest for good: nothing asks again.
//
// Three vcpus ask each other, and the timers, in every way there is and halt until the answer came. The first one watches and
// names who waits for what.
//
// config: vcpus = 4

#include <stdint.h>

#include <xen/sched.h>
#include <xen/vcpu.h>

#include "event.h"
#include "hypercall.h"
#include "pvh/machine.h"
#include "result.h"
#include "start.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "PVH: no wake-up is lost";

#define WORKERS 3u /* vcpus 1 to 3 */
#define STEPS 1500u
#define STUCK_NS 20000000000ul
#define VECTOR_PEER 0x71u
#define VECTOR_TIMER 0x72u

enum { BY_EVENT, BY_TIMER, BY_INTERRUPT, BY_LOCAL_TIMER, BY_POLL, WAYS };
static const char *const way_names[WAYS] = { "event", "timer", "interrupt", "local timer", "poll" };

static volatile uint32_t *const apic = (volatile uint32_t *)0xfee00000ul;

/* What vcpu n got so far, and what it waits for. */
static struct {
    volatile unsigned int steps, way, from, asked, got[WAYS];
    evtchn_port_t ipi, timer, poll;
    volatile unsigned int echo[WORKERS + 1]; /* what others want of it: way + 1 */
} states[WORKERS + 1] __attribute__((aligned(64)));

static void echo_send(unsigned int to, unsigned int way)
{
    if (way == BY_EVENT) {
        event_send(states[to].ipi);
    } else {
        uint64_t flags;

        __asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) : : "memory");
        apic[0x310 / 4] = to * 2 << 24;
        apic[0x300 / 4] = 0x4000 | VECTOR_PEER;
        if (flags & 0x200)
            __asm__ volatile("sti" : : : "memory");
    }
}

static void upcall_taken(unsigned int vector)
{
    unsigned int me = vcpu_self()->number;
    struct vcpu_info *info = vcpu_self()->info;

    (void)vector;
    while (__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
        __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
        if (event_pending(states[me].ipi)) {
            event_clear(states[me].ipi);
            states[me].got[BY_EVENT]++;
        }
        if (event_pending(states[me].timer)) {
            event_clear(states[me].timer);
            states[me].got[BY_TIMER]++;
        }
    }
}

static void peer_taken(unsigned int vector)
{
    (void)vector;
    apic[0xb0 / 4] = 0;
    states[vcpu_self()->number].got[BY_INTERRUPT]++;
}

static void local_timer_taken(unsigned int vector)
{
    (void)vector;
    apic[0xb0 / 4] = 0;
    states[vcpu_self()->number].got[BY_LOCAL_TIMER]++;
}

static unsigned int random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned int)(*seed >> 20);
}

static void local_timer_set(unsigned int ns)
{
    apic[0x3e0 / 4] = 0xb;
    apic[0x320 / 4] = VECTOR_TIMER;
    apic[0x380 / 4] = ns / 10 + 1;
}

static void poll_wait(unsigned int me)
{
    evtchn_port_t port = states[me].poll;
    struct sched_poll poll = { .nr_ports = 1, .timeout = 0 };

    set_xen_guest_handle(poll.ports, &port);
    while (!event_pending(port))
        sched_op(SCHEDOP_poll, &poll);
    event_clear(port);
    states[me].got[BY_POLL]++;
}

/* Something other runs of exits, also with interrupts off, so that what comes meanwhile has to wait for its window. */
static void be_busy(unsigned int amount)
{
    for (unsigned int i = 0; i < amount % 8; i++) {
        if (i & 1)
            __asm__ volatile("cli" : : : "memory");
        if (amount & 8)
            sched_op(SCHEDOP_yield, 0);
        else
            (void)cpuid(0x40000000, 0);
        __asm__ volatile("sti" : : : "memory");
    }
}

static void ask(unsigned int me, unsigned int way, uint64_t *seed)
{
    unsigned int to = (me + random_next(seed) % (WORKERS - 1)) % WORKERS + 1; /* another one */

    states[me].asked = states[me].got[way];
    states[me].way = way;
    states[me].from = to;
    if (way == BY_TIMER) {
        NEED(timer_set(time_now() + random_next(seed) % 200000));
    } else if (way == BY_LOCAL_TIMER) {
        local_timer_set(random_next(seed) % 200000);
    } else {
        __atomic_store_n(&states[to].echo[me], way + 1, __ATOMIC_SEQ_CST);
        echo_send(to, way == BY_INTERRUPT ? BY_INTERRUPT : BY_EVENT);
    }
}

/* Interrupts are off: what others want of us. */
static void echoes_answer(unsigned int me)
{
    for (unsigned int i = 1; i <= WORKERS; i++) {
        unsigned int way = __atomic_exchange_n(&states[me].echo[i], 0, __ATOMIC_SEQ_CST);

        if (way == BY_POLL + 1)
            event_send(states[i].poll);
        else if (way)
            echo_send(i, way - 1);
    }
}

static void step(unsigned int me, uint64_t *seed)
{
    unsigned int way = random_next(seed) % WAYS;

    ask(me, way, seed);
    be_busy(random_next(seed));
    __asm__ volatile("cli" : : : "memory");
    while (states[me].got[way] == states[me].asked) {
        echoes_answer(me);
        if (way == BY_POLL)
            poll_wait(me);
        else
            __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
    states[me].steps++;
    __asm__ volatile("sti" : : : "memory");
}

static void work(void *argument)
{
    unsigned int me = vcpu_self()->number;
    uint64_t seed = 88172645463325252ul + me * 77777u;

    (void)argument;
    apic[0xf0 / 4] = 0x1ff;
    __asm__ volatile("sti" : : : "memory");
    while (states[me].steps < STEPS)
        step(me, &seed);
    for (;;) { /* the others may still ask */
        __asm__ volatile("cli" : : : "memory");
        echoes_answer(me);
        __asm__ volatile("sti; hlt" : : : "memory");
    }
}

static evtchn_port_t port_of(int result)
{
    NEED(result);
    return (evtchn_port_t)result;
}

static void workers_start(void)
{
    for (unsigned int i = 1; i <= WORKERS; i++) {
        states[i].ipi = port_of(event_bind_ipi(i));
        states[i].timer = port_of(event_bind_virq(VIRQ_TIMER, i));
        states[i].poll = port_of(event_bind_ipi(i)); /* stays masked */
        event_port_unmask(states[i].ipi);
        event_port_unmask(states[i].timer);
    }
    for (unsigned int i = 1; i <= WORKERS; i++)
        vcpu_run(i, work, 0);
}

static void stuck_show(void)
{
    for (unsigned int i = 1; i <= WORKERS; i++) {
        const struct vcpu_info *info = vcpu_get(i)->info;

        print("vcpu %u: %u steps, way %s from %u, upcall pending %u, selector %lx, IPI %u, timer %u, poll %u\n", i,
              states[i].steps, way_names[states[i].way], states[i].from, info->evtchn_upcall_pending,
              info->evtchn_pending_sel, event_pending(states[i].ipi), event_pending(states[i].timer),
              event_pending(states[i].poll));
    }
    test_failure("nothing moves any more");
}

void test_main(void)
{
    uint64_t moved = time_now();
    unsigned int last = 0, sum = 0;

    interrupt_handle(VECTOR_UPCALL, upcall_taken);
    interrupt_handle(VECTOR_PEER, peer_taken);
    interrupt_handle(VECTOR_TIMER, local_timer_taken);
    workers_start();
    while (sum < WORKERS * STEPS) {
        sum = states[1].steps + states[2].steps + states[3].steps;
        if (sum != last)
            moved = time_now();
        last = sum;
        if (time_now() - moved > STUCK_NS) {
            stuck_show();
            return;
        }
        sched_op(SCHEDOP_yield, 0);
    }
    print("%u waits\n", sum);
}
