// SPDX-License-Identifier: BSD-2-Clause
/*
 * Nodes of memory and CPUs, from the firmware's SRAT and SLIT (ACPI 6.5, 5.2.16 and 5.2.17).  The firmware's proximity
 * domains, any numbers, become nodes 0, 1, ... in the order the SRAT names them.  numa=off: one node.
 */
#include "arch/x86/start.h"

#include "arch/machine.h"
#include "arch/x86/acpi.h"
#include "boot_info.h"
#include "log.h"
#include "mm/heap.h"
#include "options.h"

#define DISTANCE_LOCAL 10
#define DISTANCE_REMOTE 20

static bool option_numa = true;
OPTION_BOOLEAN(numa, "numa", option_numa);

static uint32_t domains[MAX_NUMA_NODES]; /* by node */
static unsigned node_count = 1;
static struct node_range ranges[ACPI_MAX_NODE_RANGES];
static unsigned range_count;

/* The node of a proximity domain; made if it is new. Those beyond the last count as node 0. */
static unsigned node_of_domain(uint32_t domain)
{
    static unsigned known;

    for (unsigned n = 0; n < known; n++)
        if (domains[n] == domain)
            return n;
    if (known == MAX_NUMA_NODES) {
        log_warning("NUMA: more than %u nodes: proximity domain %u counts as node 0\n", MAX_NUMA_NODES, domain);
        return 0;
    }
    domains[known] = domain;
    node_count = known + 1;
    return known++;
}

/* Keeps ranges ascending; false when one overlaps another: then the table cannot be trusted. */
static bool range_add(uint64_t first, uint64_t end, unsigned node)
{
    unsigned at = range_count;

    for (; at > 0 && ranges[at - 1].first >= first; at--)
        ranges[at] = ranges[at - 1];
    ranges[at] = (struct node_range){first, end, node};
    range_count++;
    return (at == 0 || ranges[at - 1].end <= first) && (at + 1 == range_count || end <= ranges[at + 1].first);
}

void numa_init(void)
{
    if (!option_numa || acpi.node_range_count == 0)
        return;
    for (unsigned i = 0; i < acpi.node_range_count; i++) {
        const struct acpi_node_range *r = &acpi.node_ranges[i];

        if (!range_add(r->start >> PAGE_SHIFT, r->end >> PAGE_SHIFT, node_of_domain(r->domain))) {
            log_warning("NUMA: the SRAT gives memory at %#lx to two nodes: ignored\n", r->start);
            node_count = 1;
            range_count = 0;
            return;
        }
    }
    for (unsigned i = 0; i < acpi.node_cpu_count; i++)
        node_of_domain(acpi.node_cpus[i].domain);
    heap_set_nodes(ranges, range_count);
    for (unsigned n = 0; n < node_count; n++)
        log_info("NUMA: node %u (proximity domain %u): %lu MiB\n", n, domains[n], machine_node_bytes(n) >> 20);
}

unsigned machine_nodes(void) { return node_count; }

unsigned machine_node(unsigned cpu)
{
    uint32_t id = machine_apic_id(cpu);

    for (unsigned i = 0; node_count > 1 && i < acpi.node_cpu_count; i++)
        if (acpi.node_cpus[i].apic_id == id)
            return node_of_domain(acpi.node_cpus[i].domain);
    return 0;
}

uint64_t machine_node_bytes(unsigned node)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < boot_info.memory_count; i++) {
        const struct boot_range *m = &boot_info.memory[i];
        uint64_t covered = 0, own = 0;

        if (m->type != BOOT_MEMORY_RAM)
            continue;
        for (unsigned k = 0; k < range_count; k++) {
            uint64_t start = max(m->start, ranges[k].first << PAGE_SHIFT);
            uint64_t end = min(m->end, ranges[k].end << PAGE_SHIFT);

            covered += start < end ? end - start : 0;
            own += start < end && ranges[k].node == node ? end - start : 0;
        }
        bytes += own + (node == 0 ? m->end - m->start - covered : 0);
    }
    return bytes;
}

unsigned machine_node_distance(unsigned a, unsigned b)
{
    unsigned said = 0;

    if (domains[a] < acpi.distance_count && domains[b] < acpi.distance_count)
        said = acpi.distances[domains[a]][domains[b]];
    return said >= DISTANCE_LOCAL ? said : a == b ? DISTANCE_LOCAL : DISTANCE_REMOTE;
}
