/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FIFO event channels (hypervisor/event/fifo.c and a guest that keeps to xen/event_channel.h): two senders on other CPUs,
 * a guest that consumes, masks and unmasks, one queue.  Steps between braces of d_step are single atomic instructions;
 * the queue's lock is a flag.
 *
 * Shown: whatever the interleaving, every event sent is handled, no port is on the queue twice, and the guest never
 * sleeps while a port is pending, unmasked and was not told of.
 */
#define PORTS 2          /* 1 and 2; 0 is no port */
#define SENDS 2          /* by each sender */
#define TRIES 5          /* LINK_TRIES */

typedef word { bool pending, masked, linked, busy; byte link }
word w[3];

byte head;               /* of the control block */
bool ready, upcall;      /* the queue's bit; vcpu_info's flag and the kick */
bool queue_lock;
byte tail;               /* the hypervisor's */
byte senders_done;
bool wanted[3];          /* an event was sent and not handled since */
bool guest_done;

inline lock_queue() { atomic { !queue_lock -> queue_lock = true } }
inline unlock_queue() { queue_lock = false }

/* fifo_set_link(): appends port behind t, which is not 0.  ok: it was still linked. */
inline set_link(t, port, ok)
{
    byte tries, seen_link; bool seen_linked, seen_busy, seen_masked, seen_pending, done;

    tries = 0; done = false; ok = false;
    d_step { seen_linked = w[t].linked; seen_busy = w[t].busy; seen_masked = w[t].masked;
             seen_pending = w[t].pending; seen_link = w[t].link };
    do
    :: done -> break
    :: !done && (tries >= TRIES || !seen_linked) -> break
    :: else ->
        d_step { /* compare and exchange */
            if
            :: w[t].linked == seen_linked && w[t].busy == seen_busy && w[t].masked == seen_masked &&
               w[t].pending == seen_pending && w[t].link == seen_link ->
                w[t].busy = false; w[t].link = port; done = true; ok = true
            :: else ->
                seen_linked = w[t].linked; seen_busy = w[t].busy; seen_masked = w[t].masked;
                seen_pending = w[t].pending; seen_link = w[t].link
            fi
        };
        if
        :: !done && tries == 0 -> d_step { w[t].busy = true; seen_linked = w[t].linked; seen_busy = true;
               seen_masked = w[t].masked; seen_pending = w[t].pending; seen_link = w[t].link }
        :: else
        fi;
        tries++
    od;
    if
    :: !done ->
        if
        :: seen_busy -> w[t].busy = false
        :: else
        fi;
        assert(!seen_linked); /* a guest that keeps to the protocol does not use up the tries */
    :: else
    fi
}

/* fifo_set_pending() */
inline set_pending(port)
{
    bool was, linked_behind, tell;

    tell = false;
    if
    :: w[port].masked -> d_step { w[port].pending = true; was = w[port].masked }
    :: else -> was = false
    fi;
    if
    :: was
    :: else ->
        lock_queue();
        d_step { w[port].pending = true; was = w[port].masked };
        if
        :: was
        :: else ->
            d_step { was = w[port].linked; w[port].linked = true };
            if
            :: was
            :: else ->
                if
                :: tail == port -> tail = 0
                :: else
                fi;
                linked_behind = false;
                if
                :: tail != 0 -> set_link(tail, port, linked_behind)
                :: else
                fi;
                if
                :: !linked_behind -> head = port
                :: else
                fi;
                tail = port;
                if
                :: !linked_behind -> d_step { tell = !ready; ready = true }
                :: else
                fi
            fi
        fi;
        unlock_queue();
        if
        :: tell -> upcall = true
        :: else
        fi
    fi
}

proctype sender(byte port)
{
    byte n;

    do
    :: n < SENDS ->
        wanted[port] = true; /* before: handled from here on counts */
        set_pending(port);
        n++
    :: else -> break
    od;
    senders_done++
}

/* The guest masks the port for a while and unmasks it: waits for BUSY, then asks the hypervisor if it is pending. */
inline mask_and_unmask(port)
{
    bool ask;

    w[port].masked = true;
    atomic { !w[port].busy -> w[port].masked = false; ask = w[port].pending };
    if
    :: ask -> set_pending(port) /* EVTCHNOP_unmask */
    :: else
    fi
}

proctype guest()
{
    byte current_head, port, next, rounds, masks;
    bool mine, take;

    do
    :: atomic { upcall -> upcall = false };
       d_step { mine = ready; ready = false };
       current_head = 0;
       do
       :: mine ->
           if
           :: current_head == 0 -> current_head = head
           :: else
           fi;
           port = current_head;
           assert(port != 0);
           d_step { next = w[port].link; w[port].linked = false; w[port].link = 0 };
           current_head = next;
           if
           :: next == 0 -> mine = false
           :: else
           fi;
           d_step { take = w[port].pending && !w[port].masked; 
               if
               :: take -> w[port].pending = false; wanted[port] = false
               :: else
               fi };
           if
           :: !mine -> d_step { mine = ready; ready = false }
           :: else
           fi
       :: else -> break
       od
    :: masks < 1 -> masks++; mask_and_unmask(1)
    :: atomic { senders_done == PORTS && !upcall && !ready -> 
           assert(!wanted[1] && !wanted[2]);
           assert(!w[1].pending && !w[2].pending);
           guest_done = true };
       break
    od
}

init
{
    atomic { run sender(1); run sender(2); run guest() };
    guest_done
}
