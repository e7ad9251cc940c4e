// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: event words and control blocks are the guest's memory, so whatever they hold (links in a circle, links beyond
// the array, heads of another queue, words that change under way) costs the guest its own events and the hypervisor
// nothing; setting up, growing, resetting and sending at once leaves no page held. It matters because the hypervisor
// links ports through words that the guest may write at any moment.
//
// kinds: pv pvh
// config: vcpus = 2

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "FIFO events: words and heads corrupted, everything raced with reset";

#define DURATION 2000000000ul
#define PATIENCE 60000000000ul
#define RESETS   20
#define PORTS 64u
#define WORDS (PAGE_SIZE / sizeof(event_word_t))

static event_word_t *words;
static struct evtchn_fifo_control_block *controls[2];
static volatile bool stop;
static volatile unsigned long sends, scribbles;
static evtchn_port_t ports[PORTS];

static long control_init(unsigned int vcpu, const void *page, uint32_t offset)
{
    struct evtchn_init_control init = { .control_gfn = machine_of(page), .offset = offset, .vcpu = vcpu };

    return event_op(EVTCHNOP_init_control, &init);
}

static long array_expand(const void *page)
{
    struct evtchn_expand_array expand = { .array_gfn = machine_of(page) };

    return event_op(EVTCHNOP_expand_array, &expand);
}

static long priority_set(evtchn_port_t port, unsigned int priority)
{
    struct evtchn_set_priority set = { .port = port, .priority = priority };

    return event_op(EVTCHNOP_set_priority, &set);
}

static long reset(void)
{
    struct evtchn_reset request = { .dom = DOMID_SELF };

    return event_op(EVTCHNOP_reset, &request);
}

static void arguments_check(void)
{
    struct evtchn_init_control nobodys = { .control_gfn = frame_absent() };
    struct evtchn_init_control untouchable = { .control_gfn = frame_untouchable() };
    struct evtchn_expand_array expand = { .array_gfn = frame_untouchable() };

    CHECK_EQUAL(array_expand(words), -XEN_EOPNOTSUPP);
    CHECK(control_init(99, controls[0], 0) < 0);
    CHECK(control_init(0, controls[0], 4) < 0);
    CHECK(control_init(0, controls[0], PAGE_SIZE - 8) < 0);
    CHECK(control_init(0, controls[0], ~7u) < 0);
    CHECK(event_op(EVTCHNOP_init_control, &nobodys) < 0);
    nobodys.control_gfn = ~0ul;
    CHECK(event_op(EVTCHNOP_init_control, &nobodys) < 0);
    CHECK(event_op(EVTCHNOP_init_control, &untouchable) < 0);
    CHECK_EQUAL(control_init(0, controls[0], 0), 0);
    CHECK(control_init(0, controls[1], 0) < 0);         /* once */
    CHECK(event_op(EVTCHNOP_expand_array, &expand) < 0);
    CHECK_EQUAL(control_init(1, controls[1], 0), 0);
    CHECK_EQUAL(array_expand(words), 0);
}

// How many of the ports there are. While words are scribbled on there may be fewer: a port whose word says that it is on
// a queue is not handed out.
static unsigned int ports_make(void)
{
    for (unsigned int i = 0; i < PORTS; i++) {
        int port = event_alloc_unbound(DOMID_SELF), peer;

        if (port < 0)
            return i;
        peer = event_bind_interdomain(DOMID_SELF, (evtchn_port_t)port);
        if (peer < 0)
            return i;
        ports[i] = (evtchn_port_t)peer;
        event_bind_vcpu((evtchn_port_t)port, i % 2);
        CHECK_EQUAL(priority_set((evtchn_port_t)port, i % 16), 0);
    }
    return PORTS;
}

static void priorities_check(void)
{
    CHECK(priority_set(ports[0], 16) < 0);
    CHECK(priority_set(~0u, 1) < 0);
}

// Each kind of word, in every word and head, while events are sent through them.
static const event_word_t patterns[] = {
    0, ~0u, 1u << EVTCHN_FIFO_LINKED, 1u << EVTCHN_FIFO_LINKED | 1, 1u << EVTCHN_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK,
    1u << EVTCHN_FIFO_BUSY, 1u << EVTCHN_FIFO_PENDING, 1u << EVTCHN_FIFO_PENDING | 1u << EVTCHN_FIFO_LINKED | 7,
    1u << EVTCHN_FIFO_MASKED, 0x0fffffff,
};

static void all_send(unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        struct evtchn_unmask unmask = { .port = ports[i] };

        CHECK_EQUAL(event_send(ports[i]), 0);
        CHECK_EQUAL(event_op(EVTCHNOP_unmask, &unmask), 0);
    }
}

static void patterns_check(void)
{
    for (unsigned int pattern = 0; pattern < sizeof(patterns) / sizeof(patterns[0]); pattern++) {
        for (unsigned int word = 0; word < WORDS; word++)
            words[word] = patterns[pattern];
        for (unsigned int queue = 0; queue < EVTCHN_FIFO_MAX_QUEUES; queue++) {
            controls[0]->head[queue] = patterns[pattern];
            controls[1]->head[queue] = ~patterns[pattern];
        }
        all_send(PORTS);
        controls[0]->ready = controls[1]->ready = pattern % 2 ? ~0u : 0;
        all_send(PORTS);
        for (unsigned int i = 0; i < PORTS; i++)
            priority_set(ports[i], (i + pattern) % 16);
    }
    for (unsigned int word = 0; word < WORDS; word++)   /* in order again: they arrive */
        words[word] = 0;
    controls[0]->ready = controls[1]->ready = 0;
    all_send(PORTS);
    all_send(PORTS);
    CHECK(controls[0]->ready != 0 && controls[1]->ready != 0);
}

static void scribbler(void *unused)
{
    unsigned int turn = 0;

    (void)unused;
    while (!stop) {
        unsigned int word = turn * 7919u % WORDS;

        words[word] ^= patterns[turn % (sizeof(patterns) / sizeof(patterns[0]))];
        controls[turn % 2]->head[turn % 16] = turn;
        turn++;
        scribbles++;
        if (turn % 16 == 0) {
            event_send(ports[turn / 16 % PORTS]);
            event_bind_vcpu(ports[turn / 16 % PORTS], turn / 64 % 2);
            sends++;
        }
    }
}

// While it is a control block the hypervisor holds it.
static void hold_check(void)
{
    char *page = page_alloc();

    CHECK_EQUAL(control_init(0, page, 0), 0);
    CHECK(!page_unused(page));
}

static void race_check(void)
{
    unsigned long resets = 0, failed = 0, missing = 0;
    unsigned int count = PORTS;
    uint64_t begin = time_now(), now;

    vcpu_run(1, scribbler, NULL);
    while ((now = time_now()) < begin + DURATION || (resets < RESETS && now < begin + PATIENCE)) {
        all_send(count);
        if (reset() == 0)
            resets++;
        else
            failed++;
        if (control_init(0, controls[0], 0) || control_init(1, controls[1], 2048) || array_expand(words))
            test_failure("no FIFO after reset %lu", resets);
        count = ports_make();
        missing += PORTS - count;
    }
    stop = true;
    CHECK(vcpu_wait(1));
    reset();
    hold_check();
    reset();
    console_port_restore();
    print("%lu resets, %lu in vain, %lu ports missing, %lu sends there, %lu words scribbled\n", resets, failed, missing,
          sends, scribbles);
    CHECK(resets >= RESETS);
}

void test_main(void)
{
    words = page_alloc();
    controls[0] = page_alloc();
    controls[1] = page_alloc();
    console_port_save();
    arguments_check();
    CHECK_EQUAL(ports_make(), PORTS);
    priorities_check();
    patterns_check();
    race_check();
    CHECK(page_unused(words));
    CHECK(page_unused(controls[0]));
    CHECK(page_unused(controls[1]));
}
