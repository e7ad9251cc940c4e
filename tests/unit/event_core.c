// SPDX-License-Identifier: BSD-2-Clause
/* Ports, bindings, 2-level delivery, virtual and physical interrupts, polls, and the hypercall. */
#include "event_test.h"

static struct domain *a, *b;

static int setup(void **state)
{
    (void)state;
    host_setup(4096);
    a = event_test_domain(1, 3);
    b = event_test_domain(2, 2);
    host_set_current(a->vcpus[0]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_set_current(idle_vcpu[0]);
    event_test_domain_free(a);
    event_test_domain_free(b);
    assert_int_equal(host_allocations_live, 3 * 2); /* the three system domains */
    host_teardown();
    return 0;
}

/* a's port and b's, connected. */
static void connect(evtchn_port_t *at_a, evtchn_port_t *at_b)
{
    assert_int_equal(event_alloc_unbound(b, a->id, at_b), 0);
    assert_int_equal(event_bind_interdomain(a, b->id, *at_b, at_a), 0);
}

static void ports_start_at_one_and_are_reused_lowest_first(void **state)
{
    evtchn_port_t p;

    (void)state;
    for (evtchn_port_t i = 1; i <= 5; i++) {
        assert_int_equal(event_alloc_unbound(a, 2, &p), 0);
        assert_int_equal(p, i);
    }
    assert_int_equal(event_close(a, 3), 0);
    assert_int_equal(event_bind_ipi(a, 0, &p), 0);
    assert_int_equal(p, 3);
}

static void bad_ports_are_refused(void **state)
{
    evtchn_port_t p;

    (void)state;
    static const evtchn_port_t bad[] = {0, 1, 127, 128, 4096, 131072, UINT32_MAX};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(event_send(a, bad[i]), -EINVAL);
        assert_int_equal(event_close(a, bad[i]), -EINVAL);
        assert_int_equal(event_bind_vcpu(a, bad[i], 0), -EINVAL);
        assert_int_equal(event_bind_interdomain(b, a->id, bad[i], &p), -EINVAL);
    }
    assert_int_equal(event_unmask(a, 128), -EINVAL);
    assert_int_equal(event_set_priority(a, 128, 0), -EINVAL);
    assert_int_equal(event_upcalls.port_pending(a, 1u << 20), -EINVAL);
}

static void interdomain_connects_and_notifies_both_ways(void **state)
{
    evtchn_port_t pa, pb;

    (void)state;
    connect(&pa, &pb);
    /* The binder is told once, in case something was sent before. */
    assert_true(event_test_pending(a, pa));
    assert_true(a->vcpus[0]->info->evtchn_upcall_pending);
    assert_int_equal(event_send(a, pa), 0);
    assert_true(event_test_pending(b, pb));
    assert_int_equal(b->vcpus[0]->info->evtchn_pending_sel, 1);
    assert_int_equal(host_kicks(b->vcpus[0]), 1);
    event_test_clear(a, a->vcpus[0]);
    assert_int_equal(event_send(b, pb), 0);
    assert_true(event_test_pending(a, pa));
}

static void interdomain_wants_the_right_peer(void **state)
{
    struct domain *c = event_test_domain(3, 1);
    evtchn_port_t pb, p;

    (void)state;
    assert_int_equal(event_alloc_unbound(b, a->id, &pb), 0);
    assert_int_equal(event_bind_interdomain(c, b->id, pb, &p), -EINVAL);
    assert_int_equal(event_bind_interdomain(a, 99, pb, &p), -ESRCH);
    assert_int_equal(event_bind_interdomain(a, DOMID_IO, pb, &p), -ESRCH);
    assert_int_equal(event_bind_interdomain(a, b->id, pb, &p), 0);
    assert_int_equal(event_bind_interdomain(a, b->id, pb, &p), -EINVAL); /* taken */
    assert_int_equal(a->event->active, 1);                               /* nothing is left of what failed */
    event_test_domain_free(c);
}

static void loopback_to_self(void **state)
{
    evtchn_port_t p, q;

    (void)state;
    assert_int_equal(event_alloc_unbound(a, a->id, &p), 0);
    assert_int_equal(event_bind_interdomain(a, DOMID_SELF, p, &q), 0);
    event_test_clear(a, a->vcpus[0]);
    assert_int_equal(event_send(a, q), 0);
    assert_true(event_test_pending(a, p));
    assert_false(event_test_pending(a, q));
    assert_int_equal(event_close(a, p), 0);
    assert_int_equal(event_close(a, q), 0);
}

static void closing_leaves_the_peer_unbound(void **state)
{
    struct evtchn_status status = {0};
    evtchn_port_t pa, pb;

    (void)state;
    for (unsigned side = 0; side < 2; side++) { /* lower and higher domid close */
        struct domain *closer = side ? b : a, *other = side ? a : b;

        connect(&pa, &pb);
        assert_int_equal(event_close(closer, side ? pb : pa), 0);
        status.port = side ? pa : pb;
        assert_int_equal(event_status(other, &status), 0);
        assert_int_equal(status.status, EVTCHNSTAT_unbound);
        assert_int_equal(status.u.unbound.dom, closer->id);
        assert_int_equal(event_send(other, status.port), 0); /* into the void */
        assert_int_equal(event_close(other, status.port), 0);
    }
}

static void a_masked_port_is_pending_without_upcall(void **state)
{
    evtchn_port_t p;

    (void)state;
    assert_int_equal(event_bind_ipi(a, 2, &p), 0);
    a->shared_info->evtchn_mask[0] |= 1UL << p;
    assert_int_equal(event_send(a, p), 0);
    assert_true(event_test_pending(a, p));
    assert_int_equal(a->vcpus[2]->info->evtchn_upcall_pending, 0);
    assert_int_equal(host_kicks(a->vcpus[2]), 0);
    assert_int_equal(event_unmask(a, p), 0);
    assert_int_equal(a->vcpus[2]->info->evtchn_upcall_pending, 1);
    assert_int_equal(a->vcpus[2]->info->evtchn_pending_sel, 1);
    assert_int_equal(host_kicks(a->vcpus[2]), 1);
    assert_int_equal(event_unmask(a, p), 0); /* not masked: nothing new */
    assert_int_equal(host_kicks(a->vcpus[2]), 1);
}

static void bind_vcpu_moves_what_may_move(void **state)
{
    evtchn_port_t ipi, timer, dom_exc, unbound;

    (void)state;
    assert_int_equal(event_bind_ipi(a, 0, &ipi), 0);
    assert_int_equal(event_bind_virq(a, VIRQ_TIMER, 1, &timer), 0);
    assert_int_equal(event_bind_virq(a, VIRQ_DOM_EXC, 0, &dom_exc), 0);
    assert_int_equal(event_alloc_unbound(a, 2, &unbound), 0);
    assert_int_equal(event_bind_vcpu(a, ipi, 1), -EINVAL);
    assert_int_equal(event_bind_vcpu(a, timer, 0), -EINVAL);
    assert_int_equal(event_bind_vcpu(a, dom_exc, 2), 0);
    assert_int_equal(event_bind_vcpu(a, unbound, 3), -ENOENT);
    assert_int_equal(event_bind_vcpu(a, unbound, 1), 0);
    domain_zero = a;
    event_upcalls.global_virq(VIRQ_DOM_EXC);
    domain_zero = NULL;
    assert_int_equal(host_kicks(a->vcpus[2]), 1);
}

static void virqs_per_vcpu_and_global(void **state)
{
    evtchn_port_t p, q, t;

    (void)state;
    assert_int_equal(event_bind_virq(a, NR_VIRQS, 0, &p), -EINVAL);
    assert_int_equal(event_bind_virq(a, VIRQ_CONSOLE, 1, &p), -EINVAL);
    assert_int_equal(event_bind_virq(a, VIRQ_TIMER, 3, &p), -ENOENT);
    assert_int_equal(event_bind_virq(a, VIRQ_TIMER, 1, &p), 0);
    assert_int_equal(event_bind_virq(a, VIRQ_TIMER, 1, &q), -EEXIST);
    assert_int_equal(event_bind_virq(a, VIRQ_TIMER, 2, &q), 0);
    event_upcalls.virq(a->vcpus[2], VIRQ_TIMER);
    assert_true(event_test_pending(a, q));
    assert_false(event_test_pending(a, p));
    event_upcalls.virq(a->vcpus[0], VIRQ_TIMER); /* not bound there */
    event_upcalls.virq(a->vcpus[1], VIRQ_CONSOLE);
    event_upcalls.global_virq(VIRQ_TIMER);
    assert_false(event_test_pending(a, p));
    assert_int_equal(event_send(a, p), -EINVAL);
    assert_int_equal(event_close(a, p), 0);
    assert_int_equal(a->vcpus[1]->virq_port[VIRQ_TIMER], 0);
    assert_int_equal(event_bind_virq(a, VIRQ_TIMER, 1, &t), 0);
    assert_int_equal(t, p);
}

static void a_global_virq_goes_to_its_handler(void **state)
{
    evtchn_port_t pa, pb;

    (void)state;
    domain_zero = a;
    assert_int_equal(event_bind_virq(a, VIRQ_CONSOLE, 0, &pa), 0);
    assert_int_equal(event_bind_virq(b, VIRQ_CONSOLE, 0, &pb), 0);
    assert_int_equal(event_set_global_virq_handler(b, VIRQ_TIMER), -EINVAL);
    assert_int_equal(event_set_global_virq_handler(b, NR_VIRQS), -EINVAL);
    assert_int_equal(event_set_global_virq_handler(b, VIRQ_CONSOLE), 0);
    assert_int_equal(b->refs, 2);
    assert_int_equal(event_set_global_virq_handler(b, VIRQ_CONSOLE), 0);
    assert_int_equal(b->refs, 2);
    event_upcalls.global_virq(VIRQ_CONSOLE);
    assert_true(event_test_pending(b, pb));
    assert_false(event_test_pending(a, pa));
    event_virq_handlers_drop(b);
    assert_int_equal(b->refs, 1);
    event_upcalls.global_virq(VIRQ_CONSOLE);
    assert_true(event_test_pending(a, pa));
    domain_zero = NULL;
}

static void pirqs_bind_deliver_and_unbind(void **state)
{
    evtchn_port_t p, q;

    (void)state;
    assert_int_equal(event_bind_pirq(a, MAX_PIRQS, 0, &p), -EINVAL);
    host_pirq_bind_result = -EBUSY;
    assert_int_equal(event_bind_pirq(a, 9, 0, &p), -EBUSY);
    assert_int_equal(a->event->active, 0);
    host_pirq_bind_result = 0;
    assert_int_equal(event_bind_pirq(a, 9, BIND_PIRQ__WILL_SHARE, &p), 0);
    assert_int_equal(host_pirq_bound, 9);
    assert_int_equal(event_bind_pirq(a, 9, 0, &q), -EEXIST);
    event_upcalls.pirq(a, 9);
    event_upcalls.pirq(a, 10);
    event_upcalls.pirq(b, 9);
    assert_true(event_test_pending(a, p));
    assert_int_equal(event_send(a, p), -EINVAL);
    assert_int_equal(event_bind_vcpu(a, p, 1), 0);
    assert_int_equal(event_close(a, p), 0);
    assert_int_equal(host_pirq_unbound, 9);
    assert_false(event_test_pending(a, p));
    assert_int_equal(event_bind_pirq(a, 9, 0, &p), 0);
}

static void status_tells_each_kind(void **state)
{
    struct evtchn_status status = {0};
    evtchn_port_t pa, pb, p;

    (void)state;
    connect(&pa, &pb);
    status.port = pa;
    assert_int_equal(event_status(a, &status), 0);
    assert_int_equal(status.status, EVTCHNSTAT_interdomain);
    assert_int_equal(status.u.interdomain.dom, b->id);
    assert_int_equal(status.u.interdomain.port, pb);
    assert_int_equal(event_bind_ipi(a, 2, &p), 0);
    status.port = p;
    assert_int_equal(event_status(a, &status), 0);
    assert_int_equal(status.status, EVTCHNSTAT_ipi);
    assert_int_equal(status.vcpu, 2);
    assert_int_equal(event_bind_virq(a, VIRQ_DEBUG, 1, &p), 0);
    status.port = p;
    assert_int_equal(event_status(a, &status), 0);
    assert_int_equal(status.status, EVTCHNSTAT_virq);
    assert_int_equal(status.u.virq, VIRQ_DEBUG);
    assert_int_equal(event_bind_pirq(a, 5, 0, &p), 0);
    status.port = p;
    assert_int_equal(event_status(a, &status), 0);
    assert_int_equal(status.status, EVTCHNSTAT_pirq);
    assert_int_equal(status.u.pirq, 5);
    status.port = 100;
    assert_int_equal(event_status(a, &status), 0);
    assert_int_equal(status.status, EVTCHNSTAT_closed);
    status.port = 128;
    assert_int_equal(event_status(a, &status), -EINVAL);
}

static void polls_end_when_their_port_is_sent(void **state)
{
    struct vcpu *v = a->vcpus[1];
    evtchn_port_t p, q;

    (void)state;
    assert_int_equal(event_bind_ipi(a, 0, &p), 0);
    assert_int_equal(event_bind_ipi(a, 0, &q), 0);
    a->shared_info->evtchn_mask[0] = ~0UL;
    a->poll_count = 1;
    v->pause_flags = VCPU_POLLING | VCPU_BLOCKED;
    v->poll_port = q;
    assert_int_equal(event_send(a, p), 0);
    assert_int_equal(v->pause_flags, VCPU_POLLING | VCPU_BLOCKED);
    assert_int_equal(event_send(a, q), 0);
    assert_int_equal(v->pause_flags, 0);
    assert_int_equal(a->poll_count, 0);
    a->poll_count = 1;
    v->pause_flags = VCPU_POLLING | VCPU_BLOCKED;
    v->poll_port = (evtchn_port_t)-1; /* several */
    assert_int_equal(event_send(a, p), 0);
    assert_int_equal(v->pause_flags, 0);
}

static void a_moved_vcpu_info_shows_everything(void **state)
{
    struct vcpu_info other = {0};

    (void)state;
    a->vcpus[1]->info = &other;
    event_vcpu_info_moved(a->vcpus[1]);
    assert_int_equal(other.evtchn_upcall_pending, 1);
    assert_true(other.evtchn_pending_sel == ~0UL);
    assert_int_equal(host_kicks(a->vcpus[1]), 1);
}

static void reset_closes_all_and_can_be_interrupted(void **state)
{
    evtchn_port_t p;
    int rc, calls = 0;

    (void)state;
    for (unsigned i = 0; i < 600; i++)
        assert_int_equal(event_alloc_unbound(b, a->id, &p), 0);
    assert_int_equal(event_reset(b), -EINVAL); /* another's, and running */
    b->controller_pause_count = 1;
    softirq_raise(SOFTIRQ_TIMER);
    do {
        rc = event_reset(b);
        calls++;
    } while (rc == -ERESTART_LATER);
    this_cpu(softirq_pending_bits) = 0;
    assert_int_equal(rc, 0);
    assert_true(calls > 5);
    assert_int_equal(b->event->active, 0);
}

static void two_level_has_4095_ports(void **state)
{
    evtchn_port_t p;

    (void)state;
    for (unsigned i = 1; i < EVTCHN_2L_NR_CHANNELS; i++)
        assert_int_equal(event_bind_ipi(a, 0, &p), 0);
    assert_int_equal(event_bind_ipi(a, 0, &p), -ENOSPC);
    assert_int_equal(event_send(a, 4095), 0);
    assert_int_equal(a->vcpus[0]->info->evtchn_pending_sel, 1UL << 63);
}

static void the_limit_of_creation_holds(void **state)
{
    struct domain *c = host_domain_new(3, 1);
    evtchn_port_t p;

    (void)state;
    assert_int_equal(event_domain_init(c, 10), 0);
    for (unsigned i = 1; i <= 10; i++)
        assert_int_equal(event_alloc_unbound(c, 1, &p), 0);
    assert_int_equal(event_alloc_unbound(c, 1, &p), -ENOSPC);
    event_test_domain_free(c);
}

static void the_dying_get_no_ports_and_disconnect(void **state)
{
    struct domain *c = event_test_domain(3, 1);
    struct evtchn_status status = {0};
    evtchn_port_t pc, pa;

    (void)state;
    assert_int_equal(event_alloc_unbound(c, a->id, &pc), 0);
    assert_int_equal(event_bind_interdomain(a, c->id, pc, &pa), 0);
    assert_int_equal(event_set_global_virq_handler(c, VIRQ_CONSOLE), 0);
    c->state = DOMAIN_DYING;
    event_test_clear(a, a->vcpus[0]); /* nothing to be interrupted for */
    assert_int_equal(event_alloc_unbound(c, a->id, &pc), -EINVAL);
    assert_int_equal(event_domain_destroy(c), 0);
    assert_int_equal(c->refs, 1);
    status.port = pa;
    assert_int_equal(event_status(a, &status), 0);
    assert_int_equal(status.status, EVTCHNSTAT_unbound);
    event_test_domain_free(c);
}

/* Every allocation fails once, on the way from nothing to a domain with many bound ports. */
static void failed_allocations_leave_nothing_behind(void **state)
{
    (void)state;
    for (unsigned long nth = 1; nth < 12; nth++) {
        struct domain *c = host_domain_new(3, 1);
        long live = host_allocations_live;
        evtchn_port_t p;
        unsigned bound = 0;
        int rc;

        host_fail_allocation(nth);
        rc = event_domain_init(c, UINT32_MAX);
        if (rc) {
            assert_int_equal(rc, -ENOMEM);
            assert_int_equal(host_allocations_live, live);
            host_domain_free(c);
            continue;
        }
        if (event_vcpu_init(c->vcpus[0]) == 0) {
            rc = event_bind_pirq(c, 3, 0, &p);
            bound += rc == 0;
            for (unsigned i = 0; i < 1000; i++) {
                rc = event_bind_ipi(c, 0, &p);
                assert_true(rc == 0 || rc == -ENOMEM);
                bound += rc == 0;
            }
            assert_int_equal(c->event->active, bound);
            assert_true(bound >= 1000);
        }
        host_fail_allocation(0);
        host_set_current(idle_vcpu[0]);
        c->state = DOMAIN_DYING;
        assert_int_equal(event_domain_destroy(c), 0);
        event_domain_free(c);
        event_vcpu_free(c->vcpus[0]);
        assert_int_equal(host_allocations_live, live);
        host_domain_free(c);
    }
}

/* ---- the hypercall ---- */

static long op(unsigned command, void *arg)
{
    return event_channel_op(command, (uint64_t)arg, 0, 0, 0);
}

static void the_hypercall_decodes_each_operation(void **state)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain bind = {.remote_dom = DOMID_SELF};
    struct evtchn_status status = {.dom = DOMID_SELF};
    struct evtchn_bind_vcpu bind_vcpu = {.vcpu = 1};
    struct evtchn_bind_virq virq = {.virq = VIRQ_TIMER};
    struct evtchn_set_priority priority = {.priority = 3};
    struct evtchn_expand_array expand = {.array_gfn = 1};
    struct evtchn_bind_ipi ipi = {.vcpu = 0};
    struct evtchn_bind_pirq pirq = {.pirq = 7};
    struct evtchn_reset reset = {.dom = DOMID_SELF};
    struct evtchn_close close = {0};
    struct evtchn_send send;
    struct evtchn_unmask unmask;

    (void)state;
    assert_int_equal(op(EVTCHNOP_alloc_unbound, &alloc), 0);
    bind.remote_port = alloc.port;
    assert_int_equal(op(EVTCHNOP_bind_interdomain, &bind), 0);
    send.port = bind.local_port;
    assert_int_equal(op(EVTCHNOP_send, &send), 0);
    assert_true(event_test_pending(a, alloc.port));
    status.port = alloc.port;
    assert_int_equal(op(EVTCHNOP_status, &status), 0);
    assert_int_equal(status.u.interdomain.port, bind.local_port);
    bind_vcpu.port = alloc.port;
    assert_int_equal(op(EVTCHNOP_bind_vcpu, &bind_vcpu), 0);
    assert_int_equal(op(EVTCHNOP_bind_virq, &virq), 0);
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), 0);
    assert_int_equal(op(EVTCHNOP_bind_pirq, &pirq), 0);
    unmask.port = ipi.port;
    assert_int_equal(op(EVTCHNOP_unmask, &unmask), 0);
    priority.port = ipi.port;
    assert_int_equal(op(EVTCHNOP_set_priority, &priority), -ENOSYS);
    assert_int_equal(op(EVTCHNOP_expand_array, &expand), -EOPNOTSUPP);
    close.port = ipi.port;
    assert_int_equal(op(EVTCHNOP_close, &close), 0);
    a->vcpus[0]->info->evtchn_upcall_mask = 1; /* not interrupted by its own events */
    assert_int_equal(op(EVTCHNOP_reset, &reset), 0);
    assert_int_equal(a->event->active, 0);
    assert_int_equal(op(14, &reset), -ENOSYS); /* internal to the other implementation */
    assert_int_equal(op(99, &reset), -ENOSYS);
    assert_int_equal(op(EVTCHNOP_send, NULL), -EFAULT);
    assert_int_equal(op(EVTCHNOP_close, NULL), -EFAULT);
}

static void only_the_privileged_act_for_others(void **state)
{
    struct evtchn_alloc_unbound alloc = {.dom = b->id, .remote_dom = DOMID_SELF};
    struct evtchn_status status = {.dom = b->id, .port = 1};

    (void)state;
    assert_int_equal(op(EVTCHNOP_alloc_unbound, &alloc), -EPERM);
    assert_int_equal(op(EVTCHNOP_status, &status), -EPERM);
    a->is_privileged = true;
    assert_int_equal(op(EVTCHNOP_alloc_unbound, &alloc), 0);
    assert_int_equal(op(EVTCHNOP_status, &status), 0);
    assert_int_equal(status.status, EVTCHNSTAT_unbound);
    assert_int_equal(status.u.unbound.dom, a->id);
    alloc.dom = 77;
    assert_int_equal(op(EVTCHNOP_alloc_unbound, &alloc), -ESRCH);
}

static const void *only_readable;
int guest_write(guest_addr_t to, const void *from, size_t size)
{
    if (to.value == (uint64_t)only_readable)
        return -EFAULT;
    memcpy((void *)to.value, from, size);
    return 0;
}

static void a_port_nobody_hears_of_is_closed(void **state)
{
    struct evtchn_bind_ipi ipi = {.vcpu = 0};
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = 2};

    (void)state;
    only_readable = &ipi;
    assert_int_equal(op(EVTCHNOP_bind_ipi, &ipi), -EFAULT);
    only_readable = &alloc;
    assert_int_equal(op(EVTCHNOP_alloc_unbound, &alloc), -EFAULT);
    only_readable = NULL;
    assert_int_equal(a->event->active, 0);
}

static void the_first_form_of_the_hypercall(void **state)
{
    struct evtchn_op old = {.cmd = EVTCHNOP_bind_ipi, .u.bind_ipi.vcpu = 1};

    (void)state;
    assert_int_equal(event_channel_op_compat((uint64_t)&old, 0, 0, 0, 0), 0);
    assert_int_equal(old.u.bind_ipi.port, 1);
    old.cmd = EVTCHNOP_send;
    old.u.send.port = 1;
    assert_int_equal(event_channel_op_compat((uint64_t)&old, 0, 0, 0, 0), 0);
    old.cmd = EVTCHNOP_init_control;
    assert_int_equal(event_channel_op_compat((uint64_t)&old, 0, 0, 0, 0), -ENOSYS);
    assert_int_equal(event_channel_op_compat(0, 0, 0, 0, 0), -EFAULT);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ports_start_at_one_and_are_reused_lowest_first),
        TEST(bad_ports_are_refused),
        TEST(interdomain_connects_and_notifies_both_ways),
        TEST(interdomain_wants_the_right_peer),
        TEST(loopback_to_self),
        TEST(closing_leaves_the_peer_unbound),
        TEST(a_masked_port_is_pending_without_upcall),
        TEST(bind_vcpu_moves_what_may_move),
        TEST(virqs_per_vcpu_and_global),
        TEST(a_global_virq_goes_to_its_handler),
        TEST(pirqs_bind_deliver_and_unbind),
        TEST(status_tells_each_kind),
        TEST(polls_end_when_their_port_is_sent),
        TEST(a_moved_vcpu_info_shows_everything),
        TEST(reset_closes_all_and_can_be_interrupted),
        TEST(two_level_has_4095_ports),
        TEST(the_limit_of_creation_holds),
        TEST(the_dying_get_no_ports_and_disconnect),
        TEST(failed_allocations_leave_nothing_behind),
        TEST(the_hypercall_decodes_each_operation),
        TEST(only_the_privileged_act_for_others),
        TEST(a_port_nobody_hears_of_is_closed),
        TEST(the_first_form_of_the_hypercall),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
