# SPDX-License-Identifier: BSD-2-Clause
"""A guest's vcpus and memory, changed while it runs: by the tools, and as the guest and the hypervisor see it."""
import re
import time

import pytest

from rig.machine import SLOW, CommandError

MIB_IN_KIB = 1024


@pytest.fixture
def guest(guest_keep):
    return guest_keep("grown", vcpus=4, memory=192, options="maxmem = 224")


@pytest.fixture(params=[pytest.param("pv", marks=pytest.mark.long), "pvh"])
def either(request, guest_keep):
    """A guest of each kind. The PVH one begins with all it may have: less would be populated on demand."""
    if request.param == "pv":
        return request.getfixturevalue("guest")
    return guest_keep("grown-pvh", kind="pvh", vcpus=4, memory=224)


def vcpu_list(guest):
    """Per vcpu: CPU, state, seconds, hard and soft affinity."""
    output = guest.dom0.check(f"xl vcpu-list {guest.name}")
    found = re.findall(r"^\S+ +\d+ +\d+ +(\S+) +(\S+) +(\S+) +(\S+) / (\S+)$", output, re.M)
    assert found, output
    return found


def wait_for(what, wanted, timeout=60):
    deadline = time.monotonic() + timeout * SLOW
    while True:
        found = what()
        if wanted(found):
            return found
        assert time.monotonic() < deadline, f"still {found} after {timeout} s"
        time.sleep(0.5)


def online(guest):
    return sum(state != "--p" for _, state, *_ in vcpu_list(guest))


def numbers(text):
    return [int(word) for word in re.findall(r"^\d+\r?$", text, re.M)]


def test_vcpus_are_taken_away_and_given_back(either, dom0):
    dom0.check(f"xl vcpu-set {either.name} 2")
    wait_for(lambda: online(either), lambda count: count == 2)
    assert numbers(either.check("nproc"))[-1] == 2
    assert either.check("cat /sys/devices/system/cpu/online").strip().endswith("0-1")
    dom0.check(f"xl vcpu-set --ignore-host {either.name} 4")     # it may have more than the machine
    # its kernel waits to be asked
    either.check("for c in 2 3; do for i in $(seq 50); do echo 1 2>/dev/null > /sys/devices/system/cpu/cpu$c/online "
                 "&& break; usleep 200000; done; done; true", 60)
    wait_for(lambda: online(either), lambda count: count == 4)
    assert numbers(either.check("nproc"))[-1] == 4
    status, output = dom0.run(f"xl vcpu-set --ignore-host {either.name} 5")
    assert status != 0, f"more vcpus than its maximum: {output}"


@pytest.mark.long
@pytest.mark.cpus(2)
def test_a_pinned_vcpu_runs_where_it_was_pinned(guest, dom0):
    # what domain 0 is asked below is done before the guest's four loops, which would take most of the time
    dom0.check("xl sched-credit2 -d Domain-0 -w 4096")
    guest.check("for c in 0 1 2 3; do (timeout -s KILL 240 taskset -c $c sh -c 'while :; do :; done' &) ; done")
    try:
        for cpu in ("0", "1", "0"):
            dom0.check(f"xl vcpu-pin grown all {cpu}; sleep 1")
            for _ in range(2):
                assert {row[0] for row in vcpu_list(guest)} - {"-"} == {cpu}, vcpu_list(guest)
        assert all(row[3] == "0" for row in vcpu_list(guest)), vcpu_list(guest)
        dom0.check("xl vcpu-pin grown all all; sleep 2")
        places = [place for _ in range(4) for place in {row[0] for row in vcpu_list(guest)} - {"-"}]
        assert len(set(places)) >= 2, f"four busy vcpus that may run anywhere were only on {places}"
        dom0.check("xl vcpu-pin grown 2 1")
        assert [row[3] for row in vcpu_list(guest)] == ["all", "all", "1", "all"]
        dom0.check("xl vcpu-pin grown all - 0")
        assert {row[4] for row in vcpu_list(guest)} == {"0"}, "soft affinity"
        assert "Invalid argument" in dom0.run("xl vcpu-pin grown all 7")[1], "there is no CPU 7"  # xl's status is 0
    finally:
        guest.check("killall sh; true")     # the shell of its console does not listen to that
        dom0.check("xl vcpu-pin grown all all all; xl sched-credit2 -d Domain-0 -w 256")


def memory_kib(guest):
    output = guest.check("cat /proc/meminfo")
    return int(re.search(r"MemTotal: +(\d+) kB", output).group(1))


def hypervisor_free(dom0):
    return int(re.search(r"^free_memory *: (\d+)$", dom0.check("xl info"), re.M).group(1))


def listed_mib(guest):
    return int(guest.dom0.check(f"xl list {guest.name}").splitlines()[1].split()[2])


def test_memory_goes_back_to_the_hypervisor_and_comes_again(either, dom0):
    dom0.check(f"xl mem-set {either.name} 192")
    wait_for(lambda: listed_mib(either), lambda size: size == 192)
    total, free = memory_kib(either), hypervisor_free(dom0)
    dom0.check(f"xl mem-set {either.name} 160")
    wait_for(lambda: listed_mib(either), lambda size: size == 160)
    now = memory_kib(either)
    assert abs(total - now - 32 * MIB_IN_KIB) <= 2 * MIB_IN_KIB, f"{total} KiB before, {now} now"
    assert abs(hypervisor_free(dom0) - free - 32) <= 2, f"{free} MiB free before, {hypervisor_free(dom0)} now"
    dom0.check(f"xl mem-set {either.name} 208")
    wait_for(lambda: listed_mib(either), lambda size: size == 208)
    assert abs(memory_kib(either) - total - 16 * MIB_IN_KIB) <= 2 * MIB_IN_KIB
    assert abs(free - hypervisor_free(dom0) - 16) <= 2


def test_mem_max_is_a_limit(guest, dom0):
    dom0.check("xl mem-max grown 224")
    status, output = dom0.run("xl mem-set grown 240")
    assert status != 0, f"more than its maximum: {output}"
    dom0.check("xl mem-max grown 256")
    ident = guest.ident()
    assert int(dom0.check(f"xenstore-read /local/domain/{ident}/memory/static-max")) == 256 * MIB_IN_KIB


@pytest.mark.xylem
def test_a_pvh_guest_to_be_populated_on_demand_is_refused_and_the_log_says_what_helps(guest_make, dom0):
    guest = guest_make("ondemand", kind="pvh", memory=128, options="maxmem = 192")
    with pytest.raises(CommandError):
        guest.create()
    assert "memory as large as maxmem" in dom0.check("xl dmesg | tail -30")
    assert guest.state() is None
