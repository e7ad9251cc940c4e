# SPDX-License-Identifier: BSD-2-Clause
"""`make run`: on a terminal a shell in domain 0, anywhere else a report."""
import os
import pty
import re
import select
import subprocess
import time

import pytest

from rig import qemu
from rig.machine import SLOW, Machine, die_with_parent

pytestmark = [pytest.mark.bare, pytest.mark.cpus(2)]
LEAVE_CONSOLE = "\x1d"      # Ctrl-]
GUEST_SECONDS = 240
HELLO_LOG = "/var/log/xen/console/guest-hello.log"
CAPABILITY_ERROR = "neither hap nor shadow paging available"      # of libxl


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command):
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(command, cwd=qemu.ROOT, stdin=slave, stdout=slave, stderr=slave,
                                         start_new_session=True, preexec_fn=die_with_parent)
        os.close(slave)
        self.text = ""
        self._seen = 0

    def type(self, text):
        os.write(self._master, text.encode())

    def expect(self, pattern, timeout):
        """Waits for pattern behind the last match."""
        deadline = time.monotonic() + timeout * SLOW
        while not (found := re.search(pattern, self.text[self._seen:], re.M)):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} is not on the terminal after {timeout} s:\n{self.text[-3000:]}"
            if select.select([self._master], [], [], left)[0]:
                try:
                    data = os.read(self._master, 65536)
                except OSError: # nobody has it open any more
                    data = b""
                assert data, f"the program ended before {pattern!r}:\n{self.text[-3000:]}"
                self.text += data.decode(errors="replace")
        self._seen += found.end()
        return found

    def repeat(self, text, pattern, timeout):
        """Types text again and again until pattern comes: who is to read it may not be there yet."""
        for left in range(timeout, 0, -5):
            self.type(text)
            try:
                return self.expect(pattern, 5)
            except AssertionError:
                assert left > 5, f"{pattern!r} does not come:\n{self.text[-3000:]}"

    def wait(self, timeout):
        """The program's exit status; reads what it still writes, or it would stop."""
        deadline = time.monotonic() + timeout * SLOW
        while self._process.poll() is None and time.monotonic() < deadline:
            if select.select([self._master], [], [], 0.5)[0]:
                try:
                    self.text += os.read(self._master, 65536).decode(errors="replace")
                except OSError:
                    pass
        return self._process.poll()

    def close(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        os.close(self._master)


@pytest.fixture
def make_run(request):
    return ["make", "run", f"HYPERVISOR={request.config.getoption('--hypervisor')}"]


@pytest.mark.long
def test_on_a_terminal_it_is_a_shell_in_domain_0(make_run):
    terminal = Terminal(make_run)
    try:
        terminal.expect(r"dom0# ", GUEST_SECONDS)
        terminal.type("xl list\r")
        terminal.expect(r"^Domain-0 +0 ", 60)
        terminal.expect(r"^hello +1 ", 60)
        terminal.expect(r"dom0# ", 60)
        terminal.type("xl console hello\r")
        terminal.repeat("\r", r"guest# ", GUEST_SECONDS)
        terminal.type('echo "$((6 * 7)) of $(cat /proc/cmdline)"\r')
        terminal.expect(r"^42 of .*guest\.ip=", 60)
        terminal.repeat(LEAVE_CONSOLE, r"dom0# ", 60) # alone: xl takes it only when nothing comes with it
        terminal.type("exit\r")
        assert terminal.wait(120) == 0, f"expected the machine to power off:\n{terminal.text[-3000:]}"
    finally:
        terminal.close()


@pytest.mark.cpus(1)
def test_without_a_terminal_it_reports_and_powers_off(make_run):
    done = subprocess.run(make_run + ["CPUS=1"], cwd=qemu.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=2 * GUEST_SECONDS * SLOW, check=False)
    assert done.returncode == 0, f"expected exit status 0, found {done.returncode}:\n{done.stdout}"
    for part in (r"^xen_version +: 4\.17", r"^Domain-0 +0 ", r"^hello +1 ", r"^hello-pvh +2 ", r"GUEST: ready.*GUEST: ready",
                 r"^the machine is off$"):
        assert re.search(part, done.stdout, re.M | re.S), f"expected {part!r} in:\n{done.stdout}"


@pytest.mark.cpus(1)
def test_without_svm_the_pv_guest_runs_and_everybody_says_why_the_other_does_not(request):
    """The start of make run's machine, on a processor without SVM; then somebody asks for the PVH guest all the same."""
    hypervisor = request.config.getoption("--hypervisor")
    cpu = (qemu.CPU_REFERENCE if hypervisor == "reference" else qemu.CPU_OWN) + ",-svm"
    with Machine(cpus=1, hypervisor=hypervisor, kernel="elf", cpu=cpu, icount=qemu.ICOUNT_TURNS, name="run-without-svm",
                 dom0_cmdline="xylem.mode=agent xylem.start=hello,hello-pvh") as machine:
        dom0 = machine.dom0
        dom0.ready(GUEST_SECONDS)
        assert "no guest hello-pvh: hardware-assisted guests need AMD's SVM" in machine.text(), machine.tail(20)
        assert "hvm" not in dom0.check("xl info virt_caps")
        dom0.check(f"for i in $(seq 90); do grep -q 'GUEST: ready' {HELLO_LOG} && exit 0; sleep 1; done; exit 1", 100)
        status, output = dom0.run("xl create /etc/xen/hello-pvh.cfg")
        assert status != 0 and CAPABILITY_ERROR in output, output
        assert [line.split()[0] for line in dom0.check("xl list").splitlines()[1:]] == ["Domain-0", "hello"]
        if hypervisor != "reference":
            log = dom0.check("xl dmesg")
            assert log.count("PVH guests: not on this machine: the CPU has no SVM") == 1, log
        dom0.power_off()
