# SPDX-License-Identifier: BSD-2-Clause
"""The watchdog finds a CPU that hangs. A debugger makes it hang: it lets the CPU jump to itself, interrupts off."""
import os
import subprocess

import pytest

from rig import qemu
from rig.debugger import RFLAGS, RIP, Debugger
from rig.machine import Machine

pytestmark = [pytest.mark.bare, pytest.mark.xylem]
JUMP_TO_ITSELF = bytes([0xeb, 0xfe])
# Leaves the second CPU nothing to run: it is always in the hypervisor, where it may be made to hang.
CPU_1_IS_IDLE = "dom0_max_vcpus=1 dom0_vcpus_pin"


def symbol(hypervisor, name):
    """Address of a function of the hypervisor."""
    listing = subprocess.run(["nm", os.path.join(qemu.ROOT, f"{hypervisor}.elf")], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
    return next(int(line.split()[0], 16) for line in listing.splitlines() if line.split()[-1] == name)


@pytest.fixture
def boot(request, tmp_path):
    machines = []

    def start(**options):
        machine = Machine(hypervisor=request.config.getoption("--hypervisor"), kernel="elf",
                          name="watchdog-" + request.node.name.replace("[", "-").rstrip("]"),
                          qemu=Debugger.options(tmp_path / "gdb"), **options)
        machines.append(machine)
        return machine

    yield start
    for machine in machines:
        machine.close()


def hang(request, path, cpu):
    """From here on this CPU goes round in circles in the hypervisor: the address of that."""
    hypervisor = request.config.getoption("--hypervisor")
    circle = symbol(hypervisor, "head_start") # not needed any more
    debugger = Debugger(path / "gdb")
    debugger.write_memory(cpu, circle, JUMP_TO_ITSELF)
    if cpu == 0:
        debugger.run_to(cpu, symbol(hypervisor, "timer_softirq"))
    debugger.write_register(cpu, RIP, circle)
    debugger.write_register(cpu, RFLAGS, 2, size=4)
    debugger.go_on()
    return circle


WITHOUT_PIT = "pc,pit=off"


@pytest.mark.parametrize("cpus, victim, kind", [(1, 0, "pc"), (2, 0, "pc"), (2, 1, "pc"), (2, 1, WITHOUT_PIT)])
def test_a_cpu_that_hangs_shows_where(request, boot, tmp_path, cpus, victim, kind):
    machine = boot(cpus=cpus, cmdline=f"watchdog {CPU_1_IS_IDLE}", machine=kind)
    machine.expect(r"watchdog: 5 s, " + ("each CPU by the others" if kind == WITHOUT_PIT else "by NMIs from the PIT"), timeout=60)
    circle = hang(request, tmp_path, victim)
    machine.expect(rf"Panic on CPU {victim}:", timeout=120, fatal=False)
    machine.expect(rf"Watchdog: CPU {victim} has served no timer for \d+ s", timeout=30, fatal=False)
    machine.expect(rf"rip [0-9a-f]{{4}}:{circle:016x}", timeout=30, fatal=False)
    assert machine.wait(60) == 0, "expected the machine to restart, at which QEMU ends"


def test_a_single_cpu_without_a_pit_is_not_watched(boot):
    machine = boot(cpus=1, cmdline="watchdog", machine=WITHOUT_PIT)
    machine.expect(r"watchdog: the PIT gives no NMI, and there is no other CPU to look: not watching", timeout=60)
