# SPDX-License-Identifier: BSD-2-Clause
"""Guests without an operating system (guests/tests, guests/pvh) and programs in domain 0 (guests/dom0): those that say
most in little time. `make guests` runs all."""
import os
import re
import subprocess

import pytest

from rig import qemu
from rig.machine import SLOW

GUESTS = ["answers", "cache_attack", "context_attack", "debug_attack", "event_storm", "exception", "exchange_attack",
          "fifo_attack", "flag_attack", "grant_attack", "grant_race_attack", "handle_attack", "hostile_pointer",
          "iret", "linear_attack", "lock_attack", "many", "owner_attack", "physdev", "platform", "pvh_attack_code",
          "pvh_attack_registers", "pvh_attack_vcpu", "pvh_halt", "pvh_physmap", "pvh_start", "pvh_wake", "pvh_window",
          "race_tree", "random_attack", "services", "stale_slot"]
RESULT = re.compile(r"^([A-Z]+) +(\S+) +[0-9.]+ s$", re.M)
SECONDS = 900


@pytest.fixture(scope="module")
def report(request):
    """What the runner printed: one machine for all of them, and the audit of frames at its end."""
    lab = request.config.lab
    lab.close()
    icount = ["--icount"] if lab.icount else []
    run = subprocess.run([os.path.join(qemu.ROOT, "guests", "run"), "--hypervisor", lab.hypervisor, *icount,
                          "--cpus", "2", "--limit", "90", *GUESTS],
                         capture_output=True, text=True, timeout=SECONDS * SLOW, check=False)
    return run.stdout + run.stderr


@pytest.mark.bare
@pytest.mark.xylem
@pytest.mark.parametrize("name", GUESTS)
def test_guest(report, name):
    results = {guest: word for word, guest in RESULT.findall(report)}
    assert results.get(name) in ("SUCCESS", "SKIP"), report


@pytest.mark.bare
@pytest.mark.xylem
def test_nothing_is_left_of_the_guests(report):
    assert re.search(r"^\d+ passed, 0 failed", report, re.M), report
