// SPDX-License-Identifier: BSD-2-Clause
//
// Works, and takes events of the test between: how far it comes is in the shared page. On the peer's command it stops
// taking them (all ports masked), so that the test can compare.

#include <stdint.h>

#include "event.h"
#include "memory.h"
#include "peer.h"
#include "result.h"
#include "vcpu.h"

const char test_title[] = "a domain that events are sent to";

static struct peer_page *shared;

static void event_taken(evtchn_port_t port)
{
    (void)port;
    shared->events++;
}

void test_main(void)
{
    shared = peer_offer(0, NULL);
    event_handle(shared->port, event_taken);
    event_mask_restore(false);
    for (;;) {
        if (shared->command != shared->answer) {
            if (shared->command & 1)
                event_port_unmask(shared->port);
            else
                event_port_mask(shared->port);
            shared->answer = shared->command;
        }
        for (volatile unsigned int work = 0; work < 1000; work++)
            ;
        shared->progress++;
    }
}
