// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a domain that sends events as fast as it can takes from the one it sends to the time of the upcalls that one
// chose to unmask, and no more than its own share of the CPU: the victim keeps working. It matters because events are
// the one thing a domain may do to another without being asked each time.
//
// kinds: pv pvh
// peer: victim

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "peer.h"
#include "result.h"
#include "start.h"
#include "timer.h"

const char test_title[] = "a storm of events against a domain whose progress is measured";

#define PHASE_NS 2000000000ul

static struct peer_page *peer;
static evtchn_port_t port;
static unsigned long sends;

static void command(uint64_t value)
{
    uint64_t end = time_now() + 5000000000ul;

    peer->command = value;
    while (peer->answer != value && time_now() < end)
        time_pass(1000000);
    CHECK_EQUAL(peer->answer, value);
}

// How far the peer comes while we spin or send, per phase.
static unsigned long phase(bool storm)
{
    uint64_t begin = peer->progress, end = time_now() + PHASE_NS;

    while (time_now() < end) {
        for (unsigned int i = 0; i < 100; i++) {
            if (storm) {
                event_send(port);
                sends++;
            }
        }
    }
    return peer->progress - begin;
}

void test_main(void)
{
    unsigned long alone, masked, open, before;
    int local;

    peer = peer_find();
    local = event_bind_interdomain(peer_of_test(), peer->port);
    NEED(local);
    port = (evtchn_port_t)local;
    command(2);
    alone = phase(false);
    masked = phase(true);
    command(3);
    before = peer->events;
    open = phase(true);
    print("progress %lu beside a spinning domain, %lu with masked events, %lu with %lu upcalls; %lu sent\n", alone,
          masked, open, peer->events - before, sends);
    CHECK(alone > 0);
    CHECK(masked > alone / 3);
    CHECK(open > alone / 10);
    CHECK(peer->events > before);
}
