# SPDX-License-Identifier: BSD-2-Clause
"""Guests without an operating system (guests/tests, guests/pvh) and programs in domain 0 (guests/dom0): those that say
most in little time. `make guests` runs all."""
import os
import re
import subprocess

import pytest

from rig import qemu
from rig.machine import SLOW

# by the CPUs of their machine: two where vcpus race with each other or with domain 0
GUESTS = {
    1: ["answers", "cache_attack", "debug_attack", "exception", "exchange_attack", "flag_attack", "grant_attack",
        "handle_attack", "hostile_pointer", "iret", "linear_attack", "many", "physdev", "platform", "pvh_attack_code",
        "pvh_attack_registers", "pvh_grant", "pvh_halt", "pvh_handle_attack", "pvh_hostile_pointer", "pvh_mode32",
        "pvh_once", "pvh_physmap", "pvh_start", "pvh_window", "services"],
    2: ["context_attack", "event_storm", "fifo_attack", "grant_race_attack", "lock_attack", "owner_attack",
        "pvh_attack_vcpu", "pvh_wake", "race_tree", "random_attack", "stale_slot"],
}
RESULT = re.compile(r"^([A-Z]+) +(\S+) +[0-9.]+ s$", re.M)
SECONDS = 900


@pytest.fixture(scope="module")
def reports():
    """Of each machine, by its CPUs."""
    return {}


@pytest.fixture
def report(request, reports, cpus):
    """What the runner printed: one machine for all that have as many CPUs, and the audit of frames at its end."""
    if cpus not in reports:
        reports[cpus] = guests_run(request.config.lab, cpus)
    return reports[cpus]


def guests_run(lab, cpus):
    lab.close()
    # one CPU loses nothing by it, and timers run out where they are meant to
    icount = ["--icount"] if lab.always_count or cpus == 1 else []
    run = subprocess.run([os.path.join(qemu.ROOT, "guests", "run"), "--hypervisor", lab.hypervisor, *icount,
                          "--cpus", str(cpus), "--limit", "90", *GUESTS[cpus]],
                         capture_output=True, text=True, timeout=SECONDS * SLOW, check=False)
    return run.stdout + run.stderr


@pytest.mark.bare
@pytest.mark.xylem
@pytest.mark.parametrize("cpus, name", [(cpus, name) for cpus, names in GUESTS.items() for name in names])
def test_guest(report, name):
    results = {guest: word for word, guest in RESULT.findall(report)}
    assert results.get(name) in ("SUCCESS", "SKIP"), report


@pytest.mark.bare
@pytest.mark.xylem
@pytest.mark.parametrize("cpus", GUESTS)
def test_nothing_is_left_of_the_guests(report):
    assert re.search(r"^\d+ passed, 0 failed", report, re.M), report
