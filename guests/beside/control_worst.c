// SPDX-License-Identifier: BSD-2-Clause
//
// In domain 0: control operations on a domain, one after the other, so many rounds; at the end its memory's limit is
// raised by one MiB, which tells it to stop. Prints how many there were and how long the slowest of each kind took; exit
// status 1 when one failed.
//
//     control-worst DOMID
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xenctrl.h>

#define ROUNDS    300
#define LIMIT_KIB (16 * 1024 + 1024)    // what xl gives a guest of 16 MiB

static xc_interface *xc;
static uint32_t domain;

static int state_get(void)
{
    xc_dominfo_t info;

    if (xc_domain_getinfo(xc, domain, 1, &info) != 1 || info.domid != domain)
        return -1;
    return info.shutdown ? -1 : 0;
}

static int memory_set(void)
{
    return xc_domain_setmaxmem(xc, domain, LIMIT_KIB);
}

static int affinity_set(void)
{
    xc_cpumap_t cpus = xc_cpumap_alloc(xc);
    int result = -1;

    if (cpus) {
        memset(cpus, 0xff, (size_t)xc_get_cpumap_size(xc));
        result = xc_vcpu_setaffinity(xc, domain, 1, cpus, NULL, XEN_VCPUAFFINITY_HARD);
        free(cpus);
    }
    return result;
}

static int pause_and_unpause(void)
{
    return xc_domain_pause(xc, domain) || xc_domain_unpause(xc, domain) ? -1 : 0;
}

static int vcpu_get(void)
{
    xc_vcpuinfo_t info;

    return xc_vcpu_getinfo(xc, domain, 2, &info);
}

static int port_look(void)
{
    xc_evtchn_status_t status = {.dom = (domid_t)domain, .port = 1};

    return xc_evtchn_status(xc, &status);
}

static struct {
    const char *name;
    int (*call)(void);
    unsigned long count, worst_us;
} calls[] = {
    {"state", state_get, 0, 0}, {"memory", memory_set, 0, 0}, {"affinity", affinity_set, 0, 0},
    {"pause", pause_and_unpause, 0, 0}, {"vcpu", vcpu_get, 0, 0}, {"port", port_look, 0, 0},
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static unsigned long now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long)now.tv_sec * 1000000 + (unsigned long)now.tv_nsec / 1000;
}

static int call_measure(unsigned i)
{
    unsigned long begin = now_us(), took;
    int result = calls[i].call();

    took = now_us() - begin;
    calls[i].count++;
    if (took > calls[i].worst_us)
        calls[i].worst_us = took;
    return result;
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc != 2) {
        fputs("control-worst DOMID\n", stderr);
        return 2;
    }
    domain = (uint32_t)atoi(argv[1]);
    xc = xc_interface_open(NULL, NULL, 0);
    if (!xc) {
        perror("control-worst: no access to the hypervisor");
        return 1;
    }
    for (unsigned round = 0; round < ROUNDS && !failed; round++) {
        for (unsigned i = 0; i < CALLS && !failed; i++) {
            if (call_measure(i) < 0) {
                printf("%s failed: %s\n", calls[i].name, strerror(errno));
                failed = 1;
            }
        }
    }
    if (xc_domain_setmaxmem(xc, domain, LIMIT_KIB + 1024))
        failed = 1;
    for (unsigned i = 0; i < CALLS; i++)
        printf("%s: %lu times, slowest %lu us\n", calls[i].name, calls[i].count, calls[i].worst_us);
    return failed;
}
