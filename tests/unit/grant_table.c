// SPDX-License-Identifier: BSD-2-Clause
/*
 * Grant tables: life, growth and versions, mapping, copying, transfer, limits, a granter that races, and the
 * hypercall. Mappings go to a fake page table that counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "arch/host/host.h"
#include "console/console.h"
#include "door/handlers.h"
#include "errno.h"
#include "grant/grant.h"
#include "grant/internal.h"
#include "log.h"
#include "mm/heap.h"

static struct domain *granter, *user;
static int map_result, unmap_result;
static unsigned mapped, flushes;

static int fake_map(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, unsigned cache)
{
    (void)d, (void)host_addr, (void)frame, (void)flags, (void)cache;
    mapped += map_result == GNTST_okay;
    return map_result;
}

static int fake_unmap(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, uint64_t new_addr)
{
    (void)d, (void)host_addr, (void)frame, (void)flags, (void)new_addr;
    mapped -= unmap_result == GNTST_okay;
    return unmap_result;
}

static void fake_flush(struct domain *d)
{
    (void)d;
    flushes++;
}

const struct grant_map_ops grant_map_ops = {fake_map, fake_unmap, fake_flush};

static void (*dump_key)(void);
static char dumped[4096];

void debug_key_register(char key, const char *what, void (*fn)(void))
{
    (void)what;
    if (key == 'g')
        dump_key = fn;
}

void log_print(enum log_level level, const char *format, ...)
{
    size_t used = strlen(dumped);
    va_list args;

    (void)level;
    va_start(args, format);
    vsnprintf(dumped + used, sizeof(dumped) - used, format, args);
    va_end(args);
}

/* No I/O memory is permitted to anybody here. */
bool rangeset_contains(struct rangeset *r, uint64_t start, uint64_t end)
{
    (void)r, (void)start, (void)end;
    return false;
}

static struct domain *grant_domain(domid_t id, uint32_t frames, uint32_t maptrack)
{
    struct domain *d = host_domain_new(id, 2);

    assert_int_equal(grant_domain_init(d, frames, maptrack, 2), 0);
    return d;
}

static void grant_domain_end(struct domain *d)
{
    d->state = DOMAIN_DYING;
    while (grant_domain_release_mappings(d) == -ERESTART_LATER)
        ;
    grant_domain_free(d);
    host_domain_free(d);
}

static int setup(void **state)
{
    (void)state;
    host_setup(4096);
    map_result = unmap_result = GNTST_okay;
    mapped = flushes = 0;
    granter = grant_domain(1, 4, 4);
    user = grant_domain(2, 4, 2);
    host_set_current(user->vcpus[0]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    grant_domain_end(user);
    assert_int_equal(granter->refs, 1);
    for (size_t i = 1; i < max_frame; i++) { /* nobody holds what was granted */
        assert_true((frame_table[i].refs & FRAME_REFS_MASK) <= 1);
        if (!(frame_table[i].refs & FRAME_XEN_HEAP))
            assert_int_equal(frame_table[i].type & FRAME_TYPE_COUNT_MASK, 0);
    }
    host_set_current(idle_vcpu[0]);
    grant_domain_end(granter);
    host_teardown();
    return 0;
}

/* A fresh page of the granter offered as `ref` with these flags beside permit_access. */
static mfn_t offer(grant_ref_t ref, unsigned flags)
{
    mfn_t page = host_domain_page(granter);

    if (granter->grant->version == 1) {
        *grant_entry_v1(granter->grant, ref) = (grant_entry_v1_t){
            .flags = GTF_permit_access | flags, .domid = user->id, .frame = (uint32_t)page.value};
    } else {
        grant_entry_v2(granter->grant, ref)->full_page.frame = page.value;
        grant_entry_v2(granter->grant, ref)->hdr =
            (grant_entry_header_t){GTF_permit_access | flags, user->id};
    }
    return page;
}

static uint16_t flags_of(grant_ref_t ref)
{
    return granter->grant->version == 1 ? grant_entry_v1(granter->grant, ref)->flags
                                        : *grant_status(granter->grant, ref);
}

static struct gnttab_map_grant_ref map(grant_ref_t ref, unsigned flags)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = 0x1000, .flags = flags, .ref = ref, .dom = granter->id, .status = 77};

    grant_map(&op);
    return op;
}

static int unmap(uint32_t handle, uint64_t host_addr, uint64_t dev_bus_addr)
{
    struct grant_unmap u = {
        .host_addr = host_addr, .dev_bus_addr = dev_bus_addr, .handle = handle, .status = 77};

    grant_unmap(&u, 1);
    return u.status;
}

/* ---- mapping ---- */

static void map_and_unmap(void **state)
{
    for (uint32_t version = 1; version <= 2; version++) {
        uint32_t v = version;
        struct gnttab_map_grant_ref ro, rw;
        struct frame *f;
        mfn_t page;

        (void)state;
        assert_int_equal(grant_set_version(granter, &v), 0);
        page = offer(10, 0);
        f = mfn_to_frame(page);
        ro = map(10, GNTMAP_host_map | GNTMAP_readonly);
        assert_int_equal(ro.status, GNTST_okay);
        assert_int_equal(ro.dev_bus_addr, page.value << PAGE_SHIFT);
        assert_int_equal(flags_of(10) & (GTF_reading | GTF_writing), GTF_reading);
        assert_int_equal(f->refs & FRAME_REFS_MASK, 2);
        rw = map(10, GNTMAP_host_map);
        assert_int_equal(rw.status, GNTST_okay);
        assert_int_not_equal(rw.handle, ro.handle);
        assert_int_equal(flags_of(10) & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
        assert_int_equal(f->type & FRAME_TYPE_COUNT_MASK, 1);
        assert_int_equal(unmap(rw.handle, 0x1000, 0), GNTST_okay);
        assert_int_equal(flags_of(10) & (GTF_reading | GTF_writing), GTF_reading);
        assert_int_equal(unmap(rw.handle, 0x1000, 0), GNTST_bad_handle);
        assert_int_equal(unmap(ro.handle, 0x1000, 0), GNTST_okay);
        assert_int_equal(flags_of(10) & (GTF_reading | GTF_writing), 0);
        assert_int_equal(f->refs & FRAME_REFS_MASK, 1);
        assert_int_equal(mapped, 0);
    }
    assert_int_equal(flushes, 4);
}

static void bad_maps_are_refused(void **state)
{
    struct gnttab_map_grant_ref op = {.flags = GNTMAP_host_map, .ref = 10, .dom = 55};
    mfn_t page;

    (void)state;
    offer(10, GTF_readonly);
    assert_int_equal(map(10, 0).status, GNTST_bad_gntref);
    assert_int_equal(map(10, GNTMAP_readonly).status, GNTST_bad_gntref);
    assert_int_equal(map(100000, GNTMAP_host_map).status, GNTST_bad_gntref);
    assert_int_equal(map(10, GNTMAP_host_map).status, GNTST_general_error); /* offered read-only */
    assert_int_equal(map(11, GNTMAP_host_map).status, GNTST_general_error); /* not offered */
    grant_map(&op);
    assert_int_equal(op.status, GNTST_bad_domain);
    page = offer(12, 0);
    grant_entry_v1(granter->grant, 12)->domid = 9;
    assert_int_equal(map(12, GNTMAP_host_map).status, GNTST_general_error);
    grant_entry_v1(granter->grant, 12)->domid = user->id;
    grant_entry_v1(granter->grant, 12)->frame = 0xffffff;
    assert_int_equal(map(12, GNTMAP_host_map).status, GNTST_bad_page);
    assert_int_equal(flags_of(12), GTF_permit_access);
    grant_entry_v1(granter->grant, 12)->frame = (uint32_t)virt_to_mfn(user).value; /* not the granter's */
    assert_int_equal(map(12, GNTMAP_host_map).status, GNTST_bad_page);
    grant_entry_v1(granter->grant, 12)->frame = (uint32_t)page.value;
    mfn_to_frame(page)->type = FRAME_L1 | FRAME_VALIDATED | 1; /* a page table: read-only at best */
    assert_int_equal(map(12, GNTMAP_host_map).status, GNTST_general_error);
    mfn_to_frame(page)->type = 0;
    map_result = GNTST_bad_virt_addr;
    assert_int_equal(map(12, GNTMAP_host_map | GNTMAP_device_map).status, GNTST_bad_virt_addr);
    assert_int_equal(flags_of(12), GTF_permit_access);
    assert_int_equal(grant_active(granter->grant, 12)->pins, 0);
    assert_int_equal(unmap(500, 0x1000, 0), GNTST_bad_handle);
    assert_int_equal(unmap(UINT32_MAX, 0x1000, 0), GNTST_bad_handle);
    assert_int_equal(granter->refs, 1);
}

static void device_and_host_sides_are_separate(void **state)
{
    mfn_t page = offer(20, 0);
    struct gnttab_map_grant_ref op = map(20, GNTMAP_host_map | GNTMAP_device_map);

    (void)state;
    assert_int_equal(op.status, GNTST_okay);
    assert_int_equal(mfn_to_frame(page)->refs & FRAME_REFS_MASK, 3);
    assert_int_equal(unmap(op.handle, 0, op.dev_bus_addr + PAGE_SIZE), GNTST_bad_dev_addr);
    assert_int_equal(unmap(op.handle, 0x1000, 0), GNTST_okay);
    assert_int_equal(mfn_to_frame(page)->refs & FRAME_REFS_MASK, 2);
    assert_int_equal(flags_of(20) & GTF_writing, GTF_writing);
    assert_int_equal(unmap(op.handle, 0, 0), GNTST_okay); /* names nothing: does nothing */
    assert_int_equal(unmap(op.handle, 0, op.dev_bus_addr), GNTST_okay);
    assert_int_equal(flags_of(20), GTF_permit_access);
    assert_int_equal(unmap(op.handle, 0, op.dev_bus_addr), GNTST_bad_handle);
}

static void a_failed_unmap_leaves_the_mapping(void **state)
{
    struct gnttab_map_grant_ref op;

    (void)state;
    offer(20, 0);
    op = map(20, GNTMAP_host_map);
    unmap_result = GNTST_general_error;
    assert_int_equal(unmap(op.handle, 0x1000, 0), GNTST_general_error);
    assert_int_equal(flags_of(20) & GTF_writing, GTF_writing);
    unmap_result = GNTST_okay;
    assert_int_equal(unmap(op.handle, 0x1000, 0), GNTST_okay);
}

static void the_entry_may_change_while_pinned(void **state)
{
    mfn_t page = offer(20, 0), other = host_domain_page(granter);
    struct gnttab_map_grant_ref op = map(20, GNTMAP_host_map | GNTMAP_readonly), second;

    (void)state;
    grant_entry_v1(granter->grant, 20)->frame = (uint32_t)other.value;
    second = map(20, GNTMAP_host_map | GNTMAP_readonly);
    assert_int_equal(second.dev_bus_addr, page.value << PAGE_SHIFT); /* still the first frame */
    grant_entry_v1(granter->grant, 20)->flags = 0;
    assert_int_equal(unmap(op.handle, 0x1000, 0), GNTST_okay);
    assert_int_equal(unmap(second.handle, 0x1000, 0), GNTST_okay);
    assert_int_equal(map(20, GNTMAP_host_map).status, GNTST_general_error);
}

static void handles_run_out_at_the_limit(void **state)
{
    unsigned count = 2 * GRANT_MAPPINGS_PER_PAGE;

    (void)state;
    offer(20, 0);
    for (unsigned i = 0; i < count; i++) {
        host_set_current(user->vcpus[i & 1]);
        assert_int_equal(map(20, GNTMAP_host_map | GNTMAP_readonly).status, GNTST_okay);
    }
    assert_int_equal(map(20, GNTMAP_host_map).status, GNTST_no_space);
    assert_int_equal(unmap(3, 0x1000, 0), GNTST_okay);
    host_set_current(user->vcpus[0]); /* it is on the other vcpu's list */
    assert_int_equal(map(20, GNTMAP_host_map).handle, 3);
    assert_int_equal(mapped, count); /* a dying user gives all back: teardown */
}

static void a_dying_granter_keeps_what_is_in_use(void **state)
{
    struct domain *g = granter;
    struct gnttab_map_grant_ref op;
    mfn_t page;

    (void)state;
    page = offer(20, 0);
    op = map(20, GNTMAP_host_map);
    g->state = DOMAIN_DYING;
    assert_int_equal(grant_domain_release_mappings(g), 0);
    assert_int_equal(map(20, GNTMAP_host_map).status, GNTST_bad_gntref);
    assert_int_equal(mfn_to_frame(page)->refs & FRAME_REFS_MASK, 2);
    assert_int_equal(unmap(op.handle, 0x1000, 0), GNTST_okay);
    assert_int_equal(mfn_to_frame(page)->refs & FRAME_REFS_MASK, 1);
}

/* ---- copying ---- */

static int copy(unsigned flags, uint64_t source, unsigned offset, uint64_t dest, unsigned to, unsigned length)
{
    struct gnttab_copy op = {.flags = (uint16_t)flags, .len = (uint16_t)length, .status = 77};
    struct grant_copy_batch batch = {0};

    op.source.domid = flags & GNTCOPY_source_gref ? granter->id : DOMID_SELF;
    op.dest.domid = flags & GNTCOPY_dest_gref ? granter->id : DOMID_SELF;
    if (flags & GNTCOPY_source_gref)
        op.source.u.ref = (grant_ref_t)source;
    else
        op.source.u.gmfn = source;
    if (flags & GNTCOPY_dest_gref)
        op.dest.u.ref = (grant_ref_t)dest;
    else
        op.dest.u.gmfn = dest;
    op.source.offset = (uint16_t)offset;
    op.dest.offset = (uint16_t)to;
    grant_copy(&batch, &op);
    grant_copy_finish(&batch);
    return op.status;
}

/* A domain that grants to itself and names itself by number must still go away when it dies. */
static void a_copy_from_oneself_by_number_leaves_no_reference(void **state)
{
    mfn_t ours = host_domain_page(user);
    struct gnttab_copy op = {.flags = GNTCOPY_source_gref, .len = 8};
    struct grant_copy_batch batch = {0};
    uint32_t refs = user->refs;

    (void)state;
    *grant_entry_v1(user->grant, 9) =
        (grant_entry_v1_t){.flags = GTF_permit_access, .domid = user->id, .frame = (uint32_t)ours.value};
    op.source.domid = user->id;
    op.source.u.ref = 9;
    op.dest.domid = DOMID_SELF;
    op.dest.u.gmfn = ours.value;
    op.dest.offset = 64;
    grant_copy(&batch, &op);
    grant_copy_finish(&batch);
    assert_int_equal(op.status, GNTST_okay);
    assert_int_equal(user->refs, refs);
}

static void copies_go_both_ways(void **state)
{
    mfn_t theirs = offer(30, 0), ours = host_domain_page(user);
    char *there = mfn_to_virt(theirs), *here = mfn_to_virt(ours);

    (void)state;
    strcpy(there + 100, "from the granter");
    assert_int_equal(copy(GNTCOPY_source_gref, 30, 100, ours.value, 4000, 17), GNTST_okay);
    assert_string_equal(here + 4000, "from the granter");
    strcpy(here, "from the user");
    assert_int_equal(copy(GNTCOPY_dest_gref, ours.value, 0, 30, 8, 14), GNTST_okay);
    assert_string_equal(there + 8, "from the user");
    /* overlapping */
    assert_int_equal(copy(GNTCOPY_source_gref | GNTCOPY_dest_gref, 30, 8, 30, 10, 14), GNTST_okay);
    assert_string_equal(there + 10, "from the user");
    assert_int_equal(copy(0, ours.value, 0, ours.value, 2048, 2048), GNTST_okay);
    assert_int_equal(flags_of(30), GTF_permit_access);
}

static void bad_copies_are_refused(void **state)
{
    mfn_t ours = host_domain_page(user), theirs = offer(30, GTF_readonly);
    struct gnttab_copy op = {.len = 1};
    struct grant_copy_batch batch = {0};

    (void)state;
    assert_int_equal(copy(0, ours.value, 4096, ours.value, 0, 1), GNTST_bad_copy_arg);
    assert_int_equal(copy(0, ours.value, 0, ours.value, 4000, 97), GNTST_bad_copy_arg);
    assert_int_equal(copy(0, ours.value, 65535, ours.value, 0, 65535), GNTST_bad_copy_arg);
    assert_int_equal(copy(0, theirs.value, 0, ours.value, 0, 1), GNTST_bad_page);
    assert_int_equal(copy(0, ours.value, 0, 1UL << 50, 0, 1), GNTST_bad_page);
    assert_int_equal(copy(GNTCOPY_dest_gref, ours.value, 0, 30, 0, 1), GNTST_general_error);
    assert_int_equal(copy(GNTCOPY_source_gref, 31, 0, ours.value, 0, 1), GNTST_general_error);
    assert_int_equal(copy(GNTCOPY_source_gref, 1 << 30, 0, ours.value, 0, 1), GNTST_bad_gntref);
    mfn_to_frame(ours)->type = FRAME_L4 | FRAME_VALIDATED | 1;
    assert_int_equal(copy(GNTCOPY_source_gref, 30, 0, ours.value, 0, 1), GNTST_general_error);
    mfn_to_frame(ours)->type = 0;
    op.source.domid = granter->id; /* by frame number, not grant */
    op.dest.domid = DOMID_SELF;
    grant_copy(&batch, &op);
    assert_int_equal(op.status, GNTST_permission_denied);
    op.source.domid = 99;
    op.flags = GNTCOPY_source_gref;
    grant_copy(&batch, &op);
    assert_int_equal(op.status, GNTST_bad_domain);
    grant_copy_finish(&batch);
    assert_int_equal(flags_of(30), GTF_permit_access | GTF_readonly);
    assert_int_equal(granter->refs, 1);
}

static void sub_pages_bound_copies(void **state)
{
    mfn_t ours = host_domain_page(user);
    uint32_t two = 2;
    mfn_t page;

    (void)state;
    assert_int_equal(grant_set_version(granter, &two), 0);
    page = offer(40, GTF_sub_page);
    grant_entry_v2(granter->grant, 40)->sub_page.page_off = 1000;
    grant_entry_v2(granter->grant, 40)->sub_page.length = 24;
    memset((char *)mfn_to_virt(page) + 1000, 'x', 24);
    assert_int_equal(copy(GNTCOPY_source_gref, 40, 1000, ours.value, 0, 24), GNTST_okay);
    assert_int_equal(*((char *)mfn_to_virt(ours) + 23), 'x');
    assert_int_equal(copy(GNTCOPY_source_gref, 40, 999, ours.value, 0, 2), GNTST_general_error);
    assert_int_equal(copy(GNTCOPY_source_gref, 40, 1000, ours.value, 0, 25), GNTST_general_error);
    assert_int_equal(copy(GNTCOPY_dest_gref, ours.value, 0, 40, 1023, 2), GNTST_general_error);
    assert_int_equal(map(40, GNTMAP_host_map).status, GNTST_general_error);
    assert_int_equal(flags_of(40), 0);
}

static void transitive_grants_reach_one_step(void **state)
{
    struct domain *third = grant_domain(3, 4, 4);
    mfn_t ours = host_domain_page(user), page = host_domain_page(third);
    uint32_t two = 2;
    grant_entry_v2_t *e;

    (void)state;
    assert_int_equal(grant_set_version(granter, &two), 0);
    *grant_entry_v1(third->grant, 9) = (grant_entry_v1_t){GTF_permit_access, granter->id, (uint32_t)page.value};
    strcpy(mfn_to_virt(page), "through");
    e = grant_entry_v2(granter->grant, 50);
    e->transitive.trans_domid = third->id;
    e->transitive.gref = 9;
    e->hdr = (grant_entry_header_t){GTF_transitive, user->id};
    assert_int_equal(copy(GNTCOPY_source_gref, 50, 0, ours.value, 0, 8), GNTST_okay);
    assert_string_equal(mfn_to_virt(ours), "through");
    assert_int_equal(map(50, GNTMAP_host_map).status, GNTST_general_error);
    e->transitive.gref = 10; /* not granted */
    assert_int_equal(copy(GNTCOPY_source_gref, 50, 0, ours.value, 0, 8), GNTST_general_error);
    e->transitive.trans_domid = granter->id; /* to itself */
    assert_int_equal(copy(GNTCOPY_source_gref, 50, 0, ours.value, 0, 8), GNTST_general_error);
    e->transitive.trans_domid = 88;
    assert_int_equal(copy(GNTCOPY_source_gref, 50, 0, ours.value, 0, 8), GNTST_general_error);
    assert_int_equal(flags_of(50), 0);
    assert_int_equal(grant_active(granter->grant, 50)->pins, 0);
    assert_int_equal(grant_entry_v1(third->grant, 9)->flags, GTF_permit_access);
    assert_int_equal(third->refs, 1);
    grant_domain_end(third);
}

/* ---- the table ---- */

static void the_table_grows_to_its_limit(void **state)
{
    uint64_t frames[5] = {0};
    struct gnttab_query_size size = {0};
    int16_t status;
    mfn_t frame;

    (void)state;
    assert_int_equal(grant_setup_table(granter, 3, frames, &status), 0);
    assert_int_equal(status, GNTST_okay);
    assert_ptr_equal(frame_owner(mfn_to_frame(MFN(frames[2]))), granter);
    grant_query_size(granter, &size);
    assert_int_equal(size.nr_frames, 3);
    assert_int_equal(size.max_nr_frames, 4);
    assert_int_equal(grant_setup_table(granter, 5, frames, &status), 0);
    assert_int_equal(status, GNTST_general_error);
    assert_int_equal(grant_get_table_frame(granter, 4, false, &frame), -EINVAL);
    assert_int_equal(grant_get_table_frame(granter, 3, false, &frame), 0);
    assert_int_equal(grant_get_table_frame(granter, 0, true, &frame), -EINVAL); /* version 1 */
}

static void versions_convert_the_reserved_entries(void **state)
{
    uint32_t version = 3;
    uint64_t frames[2];
    int16_t status;
    mfn_t frame;
    struct gnttab_map_grant_ref console, other;

    (void)state;
    assert_int_equal(grant_set_version(granter, &version), -EINVAL);
    offer(GNTTAB_RESERVED_CONSOLE, 0);
    offer(100, 0);
    console = map(GNTTAB_RESERVED_CONSOLE, GNTMAP_host_map);
    other = map(100, GNTMAP_host_map);
    version = 2;
    assert_int_equal(grant_set_version(granter, &version), -EBUSY);
    assert_int_equal(version, 1);
    assert_int_equal(unmap(other.handle, 0x1000, 0), GNTST_okay);
    version = 2;
    assert_int_equal(grant_set_version(granter, &version), 0);
    assert_int_equal(grant_entry_v2(granter->grant, 0)->hdr.flags, GTF_permit_access);
    assert_int_equal(*grant_status(granter->grant, 0), GTF_reading | GTF_writing);
    assert_int_equal(grant_entry_v2(granter->grant, 100)->hdr.flags, 0);
    assert_int_equal(grant_get_status_frames(granter, 1, frames, &status), 0);
    assert_int_equal(status, GNTST_okay);
    assert_int_equal(grant_get_status_frames(granter, 2, frames, &status), 0);
    assert_int_equal(status, GNTST_general_error);
    assert_int_equal(grant_get_table_frame(granter, 0, true, &frame), 0);
    grant_entry_v2(granter->grant, 1)->hdr.flags = GTF_permit_access | GTF_sub_page;
    version = 1;
    assert_int_equal(grant_set_version(granter, &version), -ERANGE);
    grant_entry_v2(granter->grant, 1)->hdr.flags = 0;
    assert_true(frame_get(mfn_to_frame(frame), granter)); /* the guest maps it */
    version = 1;
    assert_int_equal(grant_set_version(granter, &version), -EBUSY);
    frame_put(mfn_to_frame(frame));
    version = 1;
    assert_int_equal(grant_set_version(granter, &version), 0);
    assert_int_equal(flags_of(0), GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(unmap(console.handle, 0x1000, 0), GNTST_okay);
    assert_int_equal(flags_of(0), GTF_permit_access);
}

static void a_limited_version_hides_the_other(void **state)
{
    struct domain *d = host_domain_new(3, 1);
    uint32_t two = 2;

    (void)state;
    assert_int_equal(grant_domain_init(d, 0, 1, 1), -EINVAL);
    assert_int_equal(grant_domain_init(d, 1, 1, 3), -EINVAL);
    assert_int_equal(grant_domain_init(d, 1, 0, 1), 0);
    assert_int_equal(grant_set_version(d, &two), -ENOSYS);
    grant_domain_end(d);
}

static void entries_swap_unless_in_use(void **state)
{
    struct gnttab_map_grant_ref op;

    (void)state;
    offer(10, 0);
    offer(11, GTF_readonly);
    assert_int_equal(grant_swap(granter, 10, 11), GNTST_okay);
    assert_int_equal(flags_of(10), GTF_permit_access | GTF_readonly);
    assert_int_equal(flags_of(11), GTF_permit_access);
    assert_int_equal(grant_swap(granter, 10, 100000), GNTST_bad_gntref);
    op = map(11, GNTMAP_host_map);
    assert_int_equal(op.status, GNTST_okay);
    assert_int_equal(grant_swap(granter, 10, 11), GNTST_eagain);
}

static void frames_are_transferred(void **state)
{
    struct gnttab_transfer op = {.domid = granter->id, .ref = 60};
    mfn_t page = host_domain_page(user);

    (void)state;
    op.mfn = page.value;
    grant_transfer(&op);
    assert_int_equal(op.status, GNTST_general_error); /* no slot */
    *grant_entry_v1(granter->grant, 60) = (grant_entry_v1_t){GTF_accept_transfer, user->id, 0};
    mfn_to_frame(page)->refs++;
    grant_transfer(&op);
    assert_int_equal(op.status, GNTST_general_error); /* somebody else refers to it */
    assert_int_equal(flags_of(60), GTF_accept_transfer);
    mfn_to_frame(page)->refs--;
    grant_transfer(&op);
    assert_int_equal(op.status, GNTST_okay);
    assert_int_equal(flags_of(60), GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    assert_int_equal(grant_entry_v1(granter->grant, 60)->frame, page.value);
    assert_ptr_equal(frame_owner(mfn_to_frame(page)), granter);
    grant_transfer(&op);
    assert_int_equal(op.status, GNTST_general_error); /* the slot is used */
    op.domid = 99;
    grant_transfer(&op);
    assert_int_equal(op.status, GNTST_bad_domain);
}

/* Each allocation fails once while a domain's table is made, grown and used. */
static void failed_allocations_leave_nothing_behind(void **state)
{
    (void)state;
    for (unsigned long nth = 1; nth < 40; nth++) {
        struct domain *d = host_domain_new(3, 1);
        long live = host_allocations_live;
        uint64_t frames[8];
        uint32_t two = 2;
        int16_t status;

        host_fail_allocation(nth);
        if (grant_domain_init(d, 8, 2, 2) == 0) {
            int rc = grant_setup_table(d, 8, frames, &status);

            assert_int_equal(rc, 0);
            if (status) /* once more, with memory */
                assert_int_equal(grant_setup_table(d, 8, frames, &status), 0);
            assert_int_equal(status, GNTST_okay);
            rc = grant_set_version(d, &two);
            assert_true(rc == 0 || rc == -ENOMEM);
        } else {
            assert_null(d->grant);
        }
        host_fail_allocation(0);
        grant_domain_free(d);
        assert_int_equal(host_allocations_live, live);
        host_domain_free(d);
    }
}

/* ---- races ---- */

static uint32_t racing;

/* A granter that never stops changing its entry. */
static void *race_granter(void *arg)
{
    uint32_t *word = grant_word(granter->grant, 70);
    uint32_t x = 1;

    (void)arg;
    host_thread_cpu(1);
    while (__atomic_load_n(&racing, __ATOMIC_SEQ_CST)) {
        x = x * 1103515245 + 12345;
        __atomic_fetch_xor(word, (x >> 16 & 1) ? GTF_readonly : GTF_permit_access, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void a_racing_granter_cannot_break_us(void **state)
{
    mfn_t ours = host_domain_page(user);
    pthread_t thread;

    (void)state;
    offer(70, 0);
    racing = 1;
    assert_int_equal(pthread_create(&thread, NULL, race_granter, NULL), 0);
    for (unsigned i = 0; i < 20000; i++) {
        struct gnttab_map_grant_ref op = map(70, GNTMAP_host_map | (i & 1 ? GNTMAP_readonly : 0));

        if (!op.status)
            assert_int_equal(unmap(op.handle, 0x1000, 0), GNTST_okay);
        copy(GNTCOPY_source_gref, 70, 0, ours.value, 0, 8);
    }
    __atomic_store_n(&racing, 0, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    assert_int_equal(grant_active(granter->grant, 70)->pins, 0);
    assert_int_equal(flags_of(70) & (GTF_reading | GTF_writing), 0);
}

static void *race_user(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;

    host_thread_cpu(cpu);
    host_set_current(user->vcpus[cpu & 1]);
    for (unsigned i = 0; i < 5000; i++) {
        struct gnttab_map_grant_ref op = map(71, GNTMAP_device_map | (i & 1 ? GNTMAP_readonly : 0));

        unmap(i % 300, 0, op.dev_bus_addr); /* perhaps the other's */
        if (!op.status)
            unmap(op.handle, 0, op.dev_bus_addr);
    }
    return NULL;
}

static void racing_users_leave_no_pins(void **state)
{
    pthread_t threads[3];
    uint64_t bus;

    (void)state;
    bus = offer(71, 0).value << PAGE_SHIFT;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_user, (void *)(uintptr_t)(i + 1)), 0);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 512; i++)
        unmap(i, 0, bus);
    assert_int_equal(grant_active(granter->grant, 71)->pins, 0);
    assert_int_equal(granter->refs, 1);
    assert_int_equal(flags_of(71), GTF_permit_access);
}

/* ---- the hypercall ---- */

static long op(unsigned command, void *elements, uint64_t count)
{
    return grant_table_op(command, (uint64_t)elements, count, 0, 0);
}

static void the_hypercall_runs_batches(void **state)
{
    struct gnttab_map_grant_ref maps[40];
    struct gnttab_unmap_grant_ref unmaps[40];

    (void)state;
    offer(80, 0);
    for (unsigned i = 0; i < 40; i++)
        maps[i] = (struct gnttab_map_grant_ref){
            .host_addr = 0x1000, .flags = GNTMAP_host_map, .ref = i == 7 ? 81 : 80, .dom = granter->id};
    assert_int_equal(op(GNTTABOP_map_grant_ref, maps, 40), 0);
    assert_int_equal(maps[7].status, GNTST_general_error);
    assert_int_equal(maps[39].status, GNTST_okay);
    for (unsigned i = 0; i < 40; i++)
        unmaps[i] =
            (struct gnttab_unmap_grant_ref){.host_addr = 0x1000, .handle = i == 7 ? 9999 : maps[i].handle};
    assert_int_equal(op(GNTTABOP_unmap_grant_ref, unmaps, 40), 0);
    assert_int_equal(unmaps[7].status, GNTST_bad_handle);
    assert_int_equal(unmaps[39].status, GNTST_okay);
    assert_int_equal(flushes, 2); /* one for each 32 */
    assert_int_equal(mapped, 0);
    assert_int_equal(op(GNTTABOP_map_grant_ref, NULL, 1), -EFAULT);
    assert_int_equal(op(GNTTABOP_map_grant_ref, NULL, 0), 0);
    assert_int_equal(op(GNTTABOP_map_grant_ref, maps, 0x80000000u), -EINVAL);
    assert_int_equal(op(GNTTABOP_dump_table, maps, 1), -ENOSYS);
    assert_int_equal(op(99, maps, 1), -ENOSYS);
}

static void a_batch_is_continued_where_it_stopped(void **state)
{
    struct gnttab_copy copies[3];
    mfn_t ours = host_domain_page(user);

    (void)state;
    offer(80, 0);
    for (unsigned i = 0; i < 3; i++) {
        copies[i] = (struct gnttab_copy){.flags = GNTCOPY_source_gref, .len = 8, .status = 77};
        copies[i].source.u.ref = 80;
        copies[i].source.domid = granter->id;
        copies[i].dest.u.gmfn = ours.value;
        copies[i].dest.domid = DOMID_SELF;
    }
    softirq_raise(SOFTIRQ_TIMER);
    assert_int_not_equal(op(GNTTABOP_copy, copies, 3), 0);
    this_cpu(softirq_pending_bits) = 0;
    assert_int_equal(copies[0].status, GNTST_okay);
    assert_int_equal(copies[1].status, 77);
    assert_int_equal(host_continuation.op, __HYPERVISOR_grant_table_op);
    assert_int_equal(host_continuation.args[0], GNTTABOP_copy);
    assert_int_equal(host_continuation.args[1], (uint64_t)&copies[1]);
    assert_int_equal(host_continuation.args[2], 2);
    assert_int_equal(flags_of(80), GTF_permit_access);
    assert_int_equal(op(GNTTABOP_copy, &copies[1], 2), 0);
    assert_int_equal(copies[2].status, GNTST_okay);
}

static void the_hypercall_describes_the_table(void **state)
{
    xen_pfn_t list[4] = {0};
    struct gnttab_setup_table table = {.dom = DOMID_SELF, .nr_frames = 4};
    struct gnttab_query_size size = {.dom = granter->id};
    struct gnttab_get_version version = {.dom = DOMID_SELF};
    struct gnttab_set_version set = {.version = 2};
    struct gnttab_get_status_frames status = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_swap_grant_ref swap = {.ref_a = 9, .ref_b = 10};
    struct gnttab_cache_flush flush = {.op = GNTTAB_CACHE_CLEAN, .length = 64};

    (void)state;
    table.frame_list.p = list;
    status.frame_list.p = list;
    assert_int_equal(op(GNTTABOP_setup_table, &table, 2), -EINVAL);
    assert_int_equal(op(GNTTABOP_setup_table, &table, 1), 0);
    assert_int_equal(table.status, GNTST_okay);
    assert_ptr_equal(frame_owner(mfn_to_frame(MFN(list[3]))), user);
    table.frame_list.p = NULL;
    assert_int_equal(op(GNTTABOP_setup_table, &table, 1), 0);
    assert_int_equal(table.status, GNTST_bad_virt_addr);
    table.dom = granter->id;
    assert_int_equal(op(GNTTABOP_setup_table, &table, 1), 0);
    assert_int_equal(table.status, GNTST_permission_denied);
    assert_int_equal(op(GNTTABOP_query_size, &size, 1), 0);
    assert_int_equal(size.status, GNTST_permission_denied);
    user->is_privileged = true;
    assert_int_equal(op(GNTTABOP_query_size, &size, 1), 0);
    assert_int_equal(size.nr_frames, 1);
    assert_int_equal(op(GNTTABOP_get_version, &version, 1), 0);
    assert_int_equal(version.version, 1);
    assert_int_equal(op(GNTTABOP_set_version, &set, 1), 0);
    assert_int_equal(op(GNTTABOP_get_status_frames, &status, 1), 0);
    assert_int_equal(status.status, GNTST_okay);
    assert_int_equal(op(GNTTABOP_swap_grant_ref, &swap, 1), 0);
    assert_int_equal(swap.status, GNTST_okay);
    flush.a.dev_bus_addr = host_domain_page(user).value << PAGE_SHIFT;
    assert_int_equal(op(GNTTABOP_cache_flush, &flush, 1), 0);
    flush.a.dev_bus_addr = host_domain_page(granter).value << PAGE_SHIFT;
    assert_int_equal(op(GNTTABOP_cache_flush, &flush, 1), -EPERM);
    flush.offset = 4095;
    assert_int_equal(op(GNTTABOP_cache_flush, &flush, 1), -EINVAL);
}

static void the_debug_key_counts_what_is_in_use(void **state)
{
    struct gnttab_map_grant_ref mappings[20];

    (void)state;
    for (grant_ref_t i = 0; i < 20; i++) {
        offer(10 + i, 0);
        mappings[i] = map(10 + i, GNTMAP_host_map);
        assert_int_equal(mappings[i].status, GNTST_okay);
    }
    grant_init();
    dumped[0] = '\0';
    dump_key();
    assert_non_null(strstr(dumped, "ref 10 to d2: "));
    assert_null(strstr(dumped, "ref 26 to d2: ")); /* the first 16 alone */
    assert_non_null(strstr(dumped, "d1: grant table version 1, 1 frames of 4, 20 grants in use, 0 mappings"));
    assert_non_null(strstr(dumped, "d2: grant table version 1, 1 frames of 4, 0 grants in use, 20 mappings"));
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(unmap(mappings[i].handle, 0x1000, 0), GNTST_okay);
    dumped[0] = '\0';
    dump_key();
    assert_null(strstr(dumped, "ref "));
    assert_non_null(strstr(dumped, " 0 grants in use, 0 mappings"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(map_and_unmap),
        TEST(bad_maps_are_refused),
        TEST(device_and_host_sides_are_separate),
        TEST(a_failed_unmap_leaves_the_mapping),
        TEST(the_entry_may_change_while_pinned),
        TEST(handles_run_out_at_the_limit),
        TEST(a_dying_granter_keeps_what_is_in_use),
        TEST(copies_go_both_ways),
        TEST(a_copy_from_oneself_by_number_leaves_no_reference),
        TEST(bad_copies_are_refused),
        TEST(sub_pages_bound_copies),
        TEST(transitive_grants_reach_one_step),
        TEST(the_table_grows_to_its_limit),
        TEST(versions_convert_the_reserved_entries),
        TEST(a_limited_version_hides_the_other),
        TEST(entries_swap_unless_in_use),
        TEST(frames_are_transferred),
        TEST(failed_allocations_leave_nothing_behind),
        TEST(a_racing_granter_cannot_break_us),
        TEST(racing_users_leave_no_pins),
        TEST(the_hypercall_runs_batches),
        TEST(a_batch_is_continued_where_it_stopped),
        TEST(the_hypercall_describes_the_table),
        TEST(the_debug_key_counts_what_is_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
