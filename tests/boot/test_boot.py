# SPDX-License-Identifier: BSD-2-Clause
"""The machine boots a stock domain 0 with 1, 2, 4 and 8 CPUs, and ends when domain 0 says so."""
import re
import time

import pytest

from rig.machine import SLOW

every_cpu_count = pytest.mark.parametrize("cpus", [1, 2, 4])
and_with_8 = pytest.mark.parametrize("cpus", [1, 2, 4, pytest.param(8, marks=pytest.mark.long)])


@and_with_8
def test_domain_0_reaches_user_space(machine, cpus):
    status, output = machine.dom0.run("uname -r; nproc; cat /proc/xen/capabilities")
    assert status == 0, output
    release, count, capabilities = output.split()
    assert re.match(r"6\.1\.0-\d+-amd64$", release), f"expected Debian's kernel 6.1, found {release}"
    assert int(count) == cpus, f"expected {cpus} CPUs in domain 0, found {count}"
    assert capabilities == "control_d"


@and_with_8
def test_xl_info_shows_every_cpu(machine, cpus):
    output = machine.dom0.check("xl info")
    assert re.search(rf"^nr_cpus +: {cpus}$", output, re.M), f"expected nr_cpus {cpus} in:\n{output}"


@every_cpu_count
def test_every_cpu_of_domain_0_works(machine, cpus):
    """Each CPU runs a pinned program and takes its timer's interrupts meanwhile."""
    for cpu in range(cpus):
        output = machine.dom0.check(f"""
            count() {{ awk '/timer/ {{ n += ${cpu + 2} }} END {{ print n }}' /proc/interrupts; }}
            before=$(count)
            taskset -c {cpu} bash -c 'end=$((SECONDS + 2)); while [ $SECONDS -lt $end ]; do :; done'
            echo $(($(count) - before))""")
        assert int(output) > 20, f"CPU {cpu} had {output.strip()} timer interrupts in 2 s, expected at least 20"


@every_cpu_count
def test_a_cpu_without_work_halts(machine, cpus):
    """As the emulator sees it, each at some moment."""
    halted, deadline = set(), time.monotonic() + 30 * SLOW
    while len(halted) < cpus:
        output = machine.registers()
        halted |= {cpu for cpu, state in re.findall(r"CPU#(\d+)(?:.*\n)*?.*\bHLT=(\d)", output) if state == "1"}
        assert time.monotonic() < deadline, f"only CPUs {sorted(halted)} were ever seen halted:\n{output}"
        time.sleep(0.05)


# Each process keeps computing the same three things; any difference means that registers got lost on the way.
VECTOR_PROGRAM = """
import hashlib, math, os, sys, time
def work(seed):
    numbers = [i * 1.25 + seed for i in range(200)]
    return sum(map(math.log1p, numbers)), hashlib.sha256(bytes([seed]) * 20000).hexdigest(), int("9" * 60)
def child(seed):
    first, end = work(seed), time.monotonic() + 4
    while time.monotonic() < end:
        if work(seed) != first:
            os._exit(1)
    os._exit(0)
assert abs(math.log(10.0) - 2.302585092994046) < 1e-12 and math.sqrt(2.0) > 1.41
children = [os.fork() or child(seed) for seed in range(int(sys.argv[1]))]
sys.exit(max(os.waitpid(pid, 0)[1] for pid in children) != 0)
"""


@every_cpu_count
def test_vector_registers_survive_switches(machine, cpus):
    """The C library's dynamic binding, floating point and SHA instructions, two processes for every CPU."""
    status, output = machine.dom0.run(f"python3 -c '{VECTOR_PROGRAM}' {2 * cpus}")
    assert status == 0, f"a program's results changed while it ran:\n{output}"


@and_with_8
@pytest.mark.ends_machine
def test_domain_0_powers_the_machine_off(machine, cpus):
    status = machine.dom0.power_off()
    assert status == 0, f"QEMU's exit status is {status}, expected 0"
    assert machine.fatal_lines() == [], "the hypervisor's log speaks of panics or failed assertions"
