// SPDX-License-Identifier: BSD-2-Clause
//
// In domain 0, on a debug build: lets the life of a domain fail at its first allocation, then at its second, and so on
// until nothing fails any more, and looks after each whether the domain went away and after all whether memory is back.
//
//     fail-sweep [MOST]        at most so many allocations (2,000)
//
// Debug keys n and O make them fail (docs/debugging.md); what they did is read from the hypervisor's log. Exit status 0
// when the whole life was walked and nothing was left; 1 when something was; 77 on a build without these keys.
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xenctrl.h>

#define PAGES 64
#define SKIPPED 77

static xc_interface *xc;
static uint32_t log_index;
static unsigned failures[16];

// What the log has got since the last call.
static char *log_new(void)
{
    static char text[1 << 16];
    unsigned size = sizeof(text) - 1;

    if (xc_readconsolering(xc, text, &size, 0, 1, &log_index))
        size = 0;
    text[size] = 0;
    return text;
}

// Stops the failing: how many of the allocations since the key n failed. False when the build has no such key.
static bool failed_count(unsigned *counted, unsigned *failed)
{
    const char *line;

    log_new();
    xc_send_debug_keys(xc, "o");
    line = strstr(log_new(), "allocations: ");
    return line && sscanf(line, "allocations: %u counted, %u failed", counted, failed) == 2;
}

static uint64_t free_pages(void)
{
    xc_physinfo_t info = {0};

    return xc_physinfo(xc, &info) ? 0 : info.free_pages;
}

static void wait_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

// Memory comes back after the last reference and a grace period.
static uint64_t free_pages_settled(uint64_t expected)
{
    uint64_t now = free_pages();

    for (unsigned turn = 0; turn < 50 && now < expected; turn++) {
        wait_ms(20);
        now = free_pages();
    }
    return now;
}

static void note(unsigned step, int result)
{
    if (result < 0)
        failures[step]++;
}

// Every operation on a domain that allocates; each may fail, the next is tried all the same.
static void domain_use(uint32_t domain)
{
    xen_pfn_t frames[PAGES];
    struct e820entry map[2] = {{.addr = 0, .size = 1 << 20, .type = 1}, {.addr = 1 << 20, .size = 1 << 20, .type = 1}};
    xc_cpumap_t cpus = xc_cpumap_alloc(xc);
    unsigned step = 1;

    for (unsigned i = 0; i < PAGES; i++)
        frames[i] = i;
    note(step++, xc_domain_max_vcpus(xc, domain, 2));
    note(step++, xc_domain_setmaxmem(xc, domain, PAGES * 4));
    note(step++, xc_domain_populate_physmap_exact(xc, domain, PAGES, 0, 0, frames));
    note(step++, xc_evtchn_alloc_unbound(xc, domain, 0));
    note(step++, xc_domain_ioport_permission(xc, domain, 0x3000, 1, 1));
    note(step++, xc_domain_iomem_permission(xc, domain, 0xfe000, 1, 1));
    note(step++, xc_domain_set_memory_map(xc, domain, map, 2));
    if (cpus) {
        cpus[0] = 1;
        note(step, xc_vcpu_setaffinity(xc, domain, 0, cpus, NULL, XEN_VCPUAFFINITY_HARD));
        free(cpus);
    }
    step++;
    note(step++, xc_shadow_control(xc, domain, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0));
    note(step++, xc_shadow_control(xc, domain, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0));
    note(step++, xc_domain_claim_pages(xc, domain, PAGES));
}

// True when no domain of this number is listed any more.
static bool domain_end(uint32_t domain)
{
    xc_dominfo_t info;

    if (xc_domain_destroy(xc, domain))
        return false;
    for (unsigned turn = 0; turn < 100; turn++) {
        if (xc_domain_getinfo(xc, domain, 1, &info) != 1 || info.domid != domain)
            return true;
        wait_ms(10);
    }
    return false;
}

static bool life(void)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = 2, .max_evtchn_port = 1023, .max_grant_frames = 8, .max_maptrack_frames = 64, .grant_opts = 1,
        .arch.emulation_flags = 0,
    };
    uint32_t domain = 0;

    if (xc_domain_create(xc, &domain, &config)) {
        failures[0]++;
        return true;
    }
    domain_use(domain);
    return domain_end(domain);
}

int main(int argc, char **argv)
{
    unsigned most = argc > 1 ? (unsigned)atoi(argv[1]) : 2000, counted = 0, failed = 0, nth = 0;
    uint64_t before, after;
    bool all_gone = true;

    xc = xc_interface_open((xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0), NULL, 0);
    if (!xc) {
        perror("fail-sweep: no access to the hypervisor");
        return 1;
    }
    if (!failed_count(&counted, &failed)) {
        puts("this build has no failing allocations");
        return SKIPPED;
    }
    for (unsigned i = 0; i < 3; i++)        /* what stays for good is there after some */
        life();
    memset(failures, 0, sizeof(failures));
    before = free_pages_settled(UINT64_MAX);
    xc_send_debug_keys(xc, "O");
    do {
        xc_send_debug_keys(xc, "n");
        all_gone = life() && all_gone;
        nth++;
    } while (failed_count(&counted, &failed) && failed && nth < most);
    after = free_pages_settled(before);
    xc_send_debug_keys(xc, "O");
    printf("%u allocations of a domain's life failed, one at a time; operations that failed:", nth - 1);
    for (unsigned i = 0; i < 12; i++)
        printf(" %u", failures[i]);
    printf("\nfree pages %lu before, %lu after\n", before, after);
    if (!all_gone)
        puts("a domain did not go away");
    if (failed)
        puts("the sweep did not come to its end");
    return all_gone && !failed && nth > 10 && after >= before ? 0 : 1;
}
