// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: many domains exist together, and nothing is left of them when they are gone. 200 paused guests and 30 running
// ones are made here with libxenguest, as the toolstack does but for xenstore and devices, which is what takes long; ten
// of the paused ones by xl itself. It matters because whatever grows with the number of domains, or is lost with each,
// shows here first.
//
// Exit status 0 when all of it was seen.

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenguest.h>

#define PAUSED     200
#define BY_XL      10       // of the paused ones
#define RUNNING    30
#define MADE_HERE  (PAUSED - BY_XL + RUNNING)
#define MEMORY_MIB 4
#define WAIT_TURNS 600      // of a tenth of a second
#define NUMBERS_A_PAGE 512  // of the hypervisor's table of domains

static xc_interface *control;
static char kernel[256], configuration[256];

#define NEED(call) need((call) >= 0, #call)

static void need(bool good, const char *what)
{
    if (good)
        return;
    printf("FAIL: %s: %s\n", what, strerror(errno));
    exit(1);
}

// A PV guest with one vcpu, built and paused: its number.
static uint32_t guest_create(void)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = 1, .max_evtchn_port = 1023, .max_grant_frames = -1, .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(1), .arch.emulation_flags = 0,
    };
    uint32_t id = 0;
    struct xc_dom_image *image;

    NEED(xc_domain_create(control, &id, &config));
    NEED(xc_domain_max_vcpus(control, id, 1));
    NEED(xc_domain_setmaxmem(control, id, MEMORY_MIB * 1024 + 1024));
    image = xc_dom_allocate(control, "", NULL);
    need(image != NULL, "xc_dom_allocate");
    image->max_vcpus = 1;
    NEED(xc_dom_kernel_file(image, kernel));
    NEED(xc_dom_boot_xen_init(image, control, id));
    NEED(xc_dom_parse_image(image));
    NEED(xc_dom_mem_init(image, MEMORY_MIB));
    NEED(xc_dom_boot_mem_init(image));
    NEED(xc_dom_build_image(image));
    NEED(xc_dom_boot_image(image));
    xc_dom_release(image);
    return id;
}

static uint64_t free_bytes(void)
{
    uint64_t bytes;

    NEED(xc_availheap(control, 0, 0, -1, &bytes));
    return bytes;
}

// How many domains there are beside domain 0; fills their information.
static int domains_list(xc_domaininfo_t *list, int size)
{
    int count = xc_domain_getinfolist(control, 1, (unsigned)size, list);

    NEED(count);
    return count;
}

// What a command prints, as a number.
static long command_number(const char *command)
{
    FILE *output = popen(command, "r");
    long number = -1;

    need(output != NULL, command);
    if (fscanf(output, "%ld", &number) != 1)
        number = -1;
    pclose(output);
    return number;
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void xl_create_paused(unsigned number)
{
    char command[512];

    snprintf(command, sizeof(command), "xl create -p -q -e %s 'name=\"many%u\"' 2> /dev/null", configuration, number);
    errno = 0;
    need(system(command) == 0, command);
}

// Each of the running ones got CPU time since the last look, none of the paused ones ever did.
static bool times_right(const uint32_t *ids, uint64_t *last)
{
    xc_domaininfo_t list[PAUSED + RUNNING + 1];
    int count = domains_list(list, PAUSED + RUNNING + 1);
    bool right = count == PAUSED + RUNNING;

    if (!right)
        printf("FAIL: %d domains, expected %d\n", count, PAUSED + RUNNING);
    for (int i = 0; i < count; i++) {
        int running = -1;

        for (int k = 0; k < RUNNING; k++)
            if (ids[k] == list[i].domain)
                running = k;
        if (running < 0 ? list[i].cpu_time != 0 : list[i].cpu_time <= last[running]) {
            printf("FAIL: domain %u, %s, has run %" PRIu64 " ns\n", list[i].domain, running < 0 ? "paused" : "running",
                   (uint64_t)list[i].cpu_time);
            right = false;
        }
        if (running >= 0)
            last[running] = list[i].cpu_time;
    }
    return right;
}

static bool all_gone(void)
{
    xc_domaininfo_t list[PAUSED + RUNNING + 1];

    for (int turn = 0; turn < WAIT_TURNS; turn++) {
        if (domains_list(list, PAUSED + RUNNING + 1) == 0)
            return true;
        usleep(100000);
    }
    printf("FAIL: %d domains do not go away\n", domains_list(list, PAUSED + RUNNING + 1));
    return false;
}

static bool claims_none(void)
{
    xc_physinfo_t info = { 0 };

    NEED(xc_physinfo(control, &info));
    if (info.outstanding_pages != 0)
        printf("FAIL: %" PRIu64 " pages are still claimed\n", (uint64_t)info.outstanding_pages);
    return info.outstanding_pages == 0;
}

static void xl_guests_make(void)
{
    for (unsigned i = 0; i < BY_XL; i++)
        xl_create_paused(i);
}

static void xl_guests_destroy(void)
{
    for (unsigned i = 0; i < BY_XL; i++) {
        char command[64];

        snprintf(command, sizeof(command), "xl destroy many%u", i);
        errno = 0;
        need(system(command) == 0, command);
    }
}

// As many guests as asked for: made, and shown by xl list.
static void guests_make(uint32_t *ids)
{
    double start = seconds_now(), after_first = 0, before_last = 0;
    long listed;

    for (int i = 0; i < MADE_HERE; i++) {
        if (i == MADE_HERE / 4)
            after_first = seconds_now();
        if (i == MADE_HERE - MADE_HERE / 4)
            before_last = seconds_now();
        ids[i] = guest_create();
    }
    printf("the first quarter took %.2f s, the last %.2f s\n", after_first - start, seconds_now() - before_last);
    xl_guests_make();
    for (int i = 0; i < RUNNING; i++)
        NEED(xc_domain_unpause(control, ids[i]));
    listed = command_number("xl list | tail -n +3 | wc -l");
    if (listed != PAUSED + RUNNING) {
        printf("FAIL: xl list shows %ld guests, expected %d\n", listed, PAUSED + RUNNING);
        exit(1);
    }
}

// Free memory once it has not changed for a second: what was destroyed before us may still be freed.
static uint64_t free_bytes_settled(void)
{
    uint64_t last = 0;

    for (int turn = 0; turn < WAIT_TURNS / 10 && last != free_bytes(); turn++) {
        last = free_bytes();
        sleep(1);
    }
    return last;
}

// The hypervisor finds domains in a table by their number, of pages for 512 each, which stay: what it grew by, first being
// the first number that was given to a domain here.
static uint64_t table_growth(uint32_t first)
{
    xc_domaininfo_t list[PAUSED + RUNNING + 1];
    uint32_t last = first;

    for (int count = domains_list(list, PAUSED + RUNNING + 1), i = 0; i < count; i++)
        last = list[i].domain > last ? list[i].domain : last;
    return (last / NUMBERS_A_PAGE - (first - 1) / NUMBERS_A_PAGE) * XC_PAGE_SIZE;
}

// Free memory once it is as much as wanted, or after some seconds in which what was given up could be freed.
static uint64_t free_bytes_after(uint64_t wanted)
{
    for (int turn = 0; turn < WAIT_TURNS / 10 && free_bytes() < wanted; turn++)
        usleep(100000);
    return free_bytes();
}

int main(int argc, char **argv)
{
    static uint32_t ids[MADE_HERE];
    static uint64_t times[RUNNING];
    uint64_t before, wanted, after;
    char *folder = dirname(strdup(argv[0]));
    bool good;

    (void)argc;
    snprintf(kernel, sizeof(kernel), "%s/peer-ticker", folder);
    snprintf(configuration, sizeof(configuration), "%s/peer-ticker.cfg", folder);
    control = xc_interface_open(NULL, NULL, 0);
    need(control != NULL, "xc_interface_open");
    // Domain 0's tables grow with the event channels of its daemons, and stay so large.
    xl_guests_make();
    xl_guests_destroy();
    NEED(xc_domain_destroy(control, guest_create()));
    if (!all_gone())
        return 1;
    before = free_bytes_settled();
    guests_make(ids);
    wanted = before - table_growth(ids[0]);
    sleep(1);
    good = times_right(ids, times);
    sleep(1);
    good = times_right(ids, times) && good;
    for (int i = 0; i < MADE_HERE; i++)
        NEED(xc_domain_destroy(control, ids[i]));
    xl_guests_destroy();
    good = all_gone() && claims_none() && good;
    after = free_bytes_after(wanted);
    printf("%" PRIu64 " KiB free before, %" PRIu64 " KiB after\n", before / 1024, after / 1024);
    if (after < wanted || after > before)
        printf("FAIL: it should be %" PRIu64 " KiB\n", wanted / 1024);
    return good && after >= wanted && after <= before ? 0 : 1;
}
