// SPDX-License-Identifier: BSD-2-Clause
//
// Runs in domain 0: makes domains that are never let run, the quick way, without a kernel, devices and xenstore; each has one
// vcpu and 1 MiB. "bench-others COUNT" prints the bytes of the hypervisor's memory each takes beside its own.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#define PAGES 256
#define PAGE_BYTES 4096

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t free_pages(xc_interface *xc)
{
    xc_physinfo_t info = { 0 };

    if (xc_physinfo(xc, &info))
        fail("xc_physinfo");
    return info.free_pages;
}

static void other_make(xc_interface *xc)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = 1,
        .max_evtchn_port = 1023,
        .max_grant_frames = -1,
        .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(2),
        .arch.emulation_flags = 0,
    };
    xen_pfn_t frames[PAGES];
    uint32_t domid = 0;

    for (unsigned int i = 0; i < PAGES; i++)
        frames[i] = i;
    if (xc_domain_create(xc, &domid, &config))
        fail("xc_domain_create");
    if (xc_domain_max_vcpus(xc, domid, 1))
        fail("xc_domain_max_vcpus");
    if (xc_domain_setmaxmem(xc, domid, PAGES * PAGE_BYTES / 1024))
        fail("xc_domain_setmaxmem");
    if (xc_domain_populate_physmap_exact(xc, domid, PAGES, 0, 0, frames))
        fail("xc_domain_populate_physmap_exact");
}

int main(int count, char **arguments)
{
    unsigned int wanted = count > 1 ? (unsigned int)atoi(arguments[1]) : 0;
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);
    uint64_t before, after;

    if (!xc)
        fail("xc_interface_open");
    before = free_pages(xc);
    for (unsigned int i = 0; i < wanted; i++)
        other_make(xc);
    after = free_pages(xc);
    if (wanted)
        printf("OTHERS %lu\n", (before - after) * PAGE_BYTES / wanted - (uint64_t)PAGES * PAGE_BYTES);
    xc_interface_close(xc);
    return 0;
}
