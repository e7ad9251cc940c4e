# SPDX-License-Identifier: BSD-2-Clause
"""A debug build: no assertion fails, locks are taken in order, no reference gets lost, nothing is half built when there
is no memory, and nobody waits long."""
import os
import re
import subprocess

import pytest

from guests import Guest
from rig import qemu
from rig.machine import SLOW, Machine

pytestmark = [pytest.mark.bare, pytest.mark.xylem]
IMAGE = "build/xylem-debug"


@pytest.fixture(scope="module")
def image():
    subprocess.run(["make", "-s", "DEBUG=1", f"HV_IMAGE={IMAGE}", IMAGE], cwd=qemu.ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    return IMAGE


@pytest.fixture
def machine(image):
    with Machine(cpus=2, hypervisor=image, kernel="elf", name="check-debug", icount=qemu.ICOUNT_TURNS,
                 dom0_cmdline="xylem.mode=agent") as started:
        started.dom0.ready(240)
        yield started


def test_a_guest_lives_and_goes_under_all_checks_and_the_audit_finds_nothing_wrong(machine):
    dom0 = machine.dom0
    guest = Guest(dom0, "checked", vcpus=2, disk=True, address="192.168.77.60")
    dom0.check(f"truncate -s 8M {guest.image}")
    guest.create().wait_ready()
    ident = guest.ident()
    guest.check("dd if=/dev/xvda of=/dev/null bs=64k count=64 && ping -c 2 192.168.77.1")
    dom0.check("xl save checked /srv/checked.save && xl restore /srv/checked.save", 240)
    guest.destroy()
    dom0.check("for i in $(seq 60); do [ $(xl list | wc -l) = 2 ] && exit 0; sleep 0.5; done; xl list; exit 1", 60)
    log = dom0.check("xl dmesg")
    for number in (ident, ident + 1):
        assert re.search(rf"domain {number} is torn down\n.*audit of frames: 0 wrong", log), log[-3000:]
    assert not re.search(r"audit of frames: [1-9]", log), log[-3000:]
    machine.dom0.power_off()
    assert machine.fatal_lines() == []


# Time counts instructions here: guests/run fails for a hypercall that goes 1,000,000 of them without a look at pending
# work, or 100,000 with interrupts off.
@pytest.mark.long
def test_allocations_that_fail_leave_nothing_and_no_batch_makes_others_wait(image):
    run = subprocess.run([os.path.join(qemu.ROOT, "guests", "run"), "--hypervisor", image, "--icount", "--limit", "90",
                          "alloc_attack", "batch_attack", "batch_pv_attack", "exchange_attack", "fail_sweep", "port_attack",
                          "preempt_tree"],
                         capture_output=True, text=True, timeout=600 * SLOW, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "7 passed, 0 failed, 0 skipped" in run.stdout, run.stdout
    assert re.search(r"^CPU 0: longest without a look", run.stdout, re.M), run.stdout
