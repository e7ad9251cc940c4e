# SPDX-License-Identifier: BSD-2-Clause
"""The machines of the boot and system tests, and the table at the end.

Booting is what costs time, so a machine of a CPU count is booted once and shared: tests are sorted by machine, and
the test that powers it off comes last. A machine that died is booted again for the next test, at most twice.

A machine has one CPU unless what is tested needs more, which keeps one processor of the host busy, and `make check` has
several processes (pytest-xdist), each with machines of its own. What shares a machine or guests is one group, which one
process runs. CPUs that wait for each other, on a host that has no processor left for them, cost it many times the work: so
machines with two are one group, or they would be in each other's way, and with more than two the CPUs take turns in one
thread.
"""
import os
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))
from rig import qemu                                 # noqa: E402
from rig.machine import Machine, MachineError        # noqa: E402

# The last one carries the system tests, but for --cpus and the marker cpus.
MACHINE_ORDER = [2, 4, 8, 1]
FILE_ORDER = ["test_boot", "test_xl", "test_tools", "test_cpus", "test_sched", "test_guest", "test_life",
              "test_migrate"]
SYSTEM_CPUS = 1
REBOOTS = 2
BOOT_SECONDS = 240
# how each machine finds domain 0's kernel: both forms are booted
KERNEL = {1: "bzimage", 2: "bzimage", 4: "elf", 8: "elf"}
# /dev/vdb in domain 0: its own disk once more, for a driver domain
ROWS = {}                   # test -> [machine, outcome, seconds]
WORKER = "-" + os.environ["PYTEST_XDIST_WORKER"] if "PYTEST_XDIST_WORKER" in os.environ else ""
DRIVER_DRIVE = ("-drive", f"file={os.path.join(qemu.IMAGES, 'dom0.ext4')},format=raw,if=virtio,snapshot=on")
# /dev/vdc: a 32-bit kernel for guests, where the packages could be had (images/guest32.sh)
GUEST32 = os.path.join(qemu.IMAGES, "guest32.ext4")
GUEST32_DRIVE = ("-drive", f"file={GUEST32},format=raw,if=virtio,snapshot=on") if os.path.exists(GUEST32) else ()


def pytest_addoption(parser):
    parser.addoption("--hypervisor", default="build/xylem", help="a file, or 'reference' for Debian's Xen 4.17")
    parser.addoption("--cpus", type=int, default=SYSTEM_CPUS, choices=MACHINE_ORDER,
                     help="CPUs of the machine that carries the system tests")
    parser.addoption("--icount", action="store_true",
                     help="CPUs take turns and idle time is skipped on every machine, not only where there are many")
    parser.addoption("--long", action="store_true", help="the tests marked long too")


class Lab:
    """Hands out machines, one alive at a time."""

    def __init__(self, hypervisor, always_count=False):
        self.hypervisor = hypervisor
        self.always_count = always_count
        self.machine = None
        self.cpus = None
        self.boots = {}         # cpus -> how often it was started
        self.failures = {}      # cpus -> why it does not boot

    def icount(self, cpus):
        """How time passes on a machine with so many CPUs: see rig/qemu.py."""
        return qemu.ICOUNT_TURNS if cpus > 2 or self.always_count else None

    def get(self, cpus):
        """The machine with this many CPUs, with domain 0 in user space."""
        if self.machine and self.cpus == cpus and self.machine.running() and not self.machine.fatal_lines():
            return self.machine
        self.close()
        if cpus in self.failures:
            pytest.fail(f"the machine with {cpus} CPUs did not boot: {self.failures[cpus]}", pytrace=False)
        count = self.boots.get(cpus, 0)
        if count > REBOOTS:
            pytest.fail(f"the machine with {cpus} CPUs died {count} times", pytrace=False)
        self.boots[cpus] = count + 1
        self._start(cpus, count)
        return self.machine

    def _start(self, cpus, count):
        base = os.path.basename(self.hypervisor)
        try:
            self.machine = Machine(cpus=cpus, hypervisor=self.hypervisor, kernel=KERNEL[cpus],
                                   name=f"check-{base}-{cpus}cpu{WORKER}" + (f"-{count + 1}" if count else ""),
                                   dom0_cmdline="xylem.mode=agent", qemu=DRIVER_DRIVE + GUEST32_DRIVE,
                                   icount=self.icount(cpus))
        except qemu.SetupError as error:
            pytest.exit(str(error), returncode=2)
        self.cpus = cpus
        try:
            self.machine.dom0.ready(BOOT_SECONDS)
        except MachineError as error:
            self.failures[cpus] = str(error)
            self.machine.note("registers")
            self.machine.note(self.machine.registers() if self.machine.running() else self.machine.ending())
            raise

    def close(self):
        if self.machine:
            self.machine.close()


def pytest_configure(config):
    config.lab = Lab(config.getoption("--hypervisor"), config.getoption("--icount"))
    config.check_started = time.monotonic()


def pytest_unconfigure(config):
    if hasattr(config, "lab"):
        config.lab.close()


def item_cpus(item):
    """CPUs of a test's machine: its parameter or its marker `cpus`, or what --cpus says."""
    callspec, marker = getattr(item, "callspec", None), item.get_closest_marker("cpus")
    if callspec and "cpus" in callspec.params:
        return callspec.params["cpus"]
    return marker.args[0] if marker else item.config.getoption("--cpus")


def group(item):
    """What one process runs, one after the other: of machines with one CPU the tests of a file, else all with as many."""
    return item.path.stem if item_cpus(item) == 1 else f"{item_cpus(item)} CPUs"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    def key(item):
        if item.get_closest_marker("bare"):
            return -1, 0, 0
        last = 1 if item.get_closest_marker("ends_machine") else 0
        name = item.path.stem
        return MACHINE_ORDER.index(item_cpus(item)), last, FILE_ORDER.index(name) if name in FILE_ORDER else len(FILE_ORDER)
    items.sort(key=key)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))


def pytest_runtest_setup(item):
    if item.get_closest_marker("xylem") and item.config.lab.hypervisor == "reference":
        pytest.skip("speaks of our own messages")


@pytest.fixture
def lab(request):
    return request.config.lab


@pytest.fixture
def machine(request):
    """The machine with `cpus` CPUs when the test has that parameter, else the one of the system tests."""
    return request.config.lab.get(item_cpus(request.node))


@pytest.fixture
def cpu_count(request):
    """How many CPUs the test's machine has."""
    return item_cpus(request.node)


@pytest.fixture
def dom0(machine):
    return machine.dom0


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    lab = item.config.lab
    if report.failed and lab.machine:
        path = os.path.relpath(lab.machine.log_path, qemu.ROOT)
        report.sections.append((f"last lines of the console, {path}", lab.machine.tail(60)))
    report.machine = "own" if item.get_closest_marker("bare") else f"{item_cpus(item)} CPU" + "s"[item_cpus(item) == 1:]


def pytest_runtest_logreport(report):
    # set-up and tear-down (booting, creating guests) count for the test that needed them
    row = ROWS.setdefault(report.nodeid.split("@")[0], [report.machine, "passed", 0.0])
    row[2] += report.duration
    if not report.passed:
        row[1] = report.outcome


def steps_read():
    """What make ran before these tests: lines "name|seconds" it left."""
    try:
        with open(os.path.join(qemu.LOGS, "steps")) as steps:
            return [line.strip().split("|") for line in steps if "|" in line]
    except OSError:
        return []


def pytest_terminal_summary(terminalreporter, config):
    if not ROWS:
        return
    write = terminalreporter.write_line
    terminalreporter.section(f"what ran, on {config.lab.hypervisor}")
    write(f"{'machine':10} {'test':66} {'result':8} {'seconds':>8}")
    for name, seconds in steps_read():
        write(f"{'host':10} {name:66} {'passed':8} {float(seconds):8.1f}")
    for name, (machine, outcome, seconds) in ROWS.items():
        name = name.split("::", 1)[1]
        write(f"{machine:10} {name:66} {outcome:8} {seconds:8.1f}")
    write("")
    write(f"boot and system tests took {time.monotonic() - config.check_started:.0f} s")
