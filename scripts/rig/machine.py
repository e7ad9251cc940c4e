# SPDX-License-Identifier: BSD-2-Clause
"""A running machine: QEMU's serial line, its log file, and commands run in domain 0.

A thread reads the serial line all the time, so that the guest never waits for us and the log is whole. Commands
go through the agent in domain 0 (images/dom0/overlay/usr/lib/xylem/agent describes the protocol): every message
carries a checksum, because the hypervisor and the kernel write to the same line and input can be lost.
"""
import base64
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from . import qemu

# Lines that mean the hypervisor is finished, or found its own state broken.
FATAL = re.compile(r"Panic on CPU|Assertion .*failed|Xen BUG at|\bpanic:|FATAL (TRAP|PAGE FAULT)|DOUBLE FAULT|"
                   r"UBSAN|lock order violation|audit of frames: [1-9]|^\((XEN|XYLEM)\).*\b(panic|assert)", re.I | re.M)
# Lines that mean domain 0's kernel is finished.
DOM0_FATAL = re.compile(r"Kernel panic - not syncing|(?:Domain 0|dom0|d0)\b.*\bcrash", re.I)
KERNEL_NOISE = re.compile(rb"\((?:XEN|XYLEM)\) [^\n]*\n|\[ *\d+\.\d{6}\] [^\n]*\n")
COMMAND_OUTPUT = re.compile(r"^@@BEGIN (\S+)\n.*?^@@END \1 ", re.M | re.S)
UNFINISHED_OUTPUT = re.compile(r"^@@BEGIN .*", re.M | re.S)
QUIET_SECONDS = 10
SLOW = float(os.environ.get("XYLEM_SLOW", "1"))         # every time limit is multiplied by it
INPUT_CHUNK = 48        # the reference drops what does not fit its 128-byte receive ring
INPUT_PAUSE = 0.02
PR_SET_PDEATHSIG = 1    # <linux/prctl.h>


class MachineError(Exception):
    """The machine did not do what was expected; the text holds the reason, the log has the rest."""


class CommandError(AssertionError):
    """A command in domain 0 failed."""


def die_with_parent():
    """Runs in QEMU's process before it starts: no machine outlives the program that drives it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def checksum(data):
    return hashlib.md5(data).hexdigest()[:8]


class Machine:
    """One QEMU with a hypervisor. Use it in a with statement, or call close."""

    def __init__(self, cpus=1, memory=3072, hypervisor="build/xylem", cmdline="", dom0_cmdline="", name=None,
                 log=None, echo=None, **options):
        os.makedirs(qemu.LOGS, exist_ok=True)
        label = name or f"{os.path.basename(hypervisor)}-{cpus}cpu"
        self.name = label
        self.log_path = log or os.path.join(qemu.LOGS, f"{label}.log")
        self.echo = echo
        self._scratch = tempfile.mkdtemp(prefix="xylem-rig-")
        self._qmp_path = os.path.join(self._scratch, "qmp")
        self.command = qemu.command_line(hypervisor, cpus=cpus, memory=memory, cmdline=cmdline,
                                         dom0_cmdline=dom0_cmdline, qmp=self._qmp_path, **options)
        self._resets = os.path.join(self._scratch, "resets")
        if "-d" not in self.command:
            self.command += ["-d", "cpu_reset", "-D", self._resets]
        self._log = open(self.log_path, "wb")
        self._buffer = bytearray()
        self._news = threading.Condition()
        self._eof = False
        self._next_id = 1
        self._mark = 0          # start of what the current wait looks at
        self.started = time.monotonic()
        self._process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, start_new_session=True,
                                         preexec_fn=die_with_parent)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.dom0 = Dom0(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- the serial line

    def _read(self):
        while True:
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                break
            data = data.replace(b"\r", b"").replace(b"\0", b"")
            self._log.write(data)
            self._log.flush()
            if self.echo:
                self.echo(data)
            with self._news:
                self._buffer += data
                self._news.notify_all()
        with self._news:
            self._eof = True
            self._news.notify_all()

    def text(self, start=0):
        with self._news:
            return self._buffer[start:].decode(errors="replace")

    def tail(self, lines=60):
        """The last lines of the console, for messages."""
        return "\n".join(self.text(-20000).splitlines()[-lines:])

    def note(self, text):
        """Writes a line of the rig's own into the log."""
        data = f"\n#### {text}\n".encode()
        self._log.write(data)
        self._log.flush()
        if self.echo:
            self.echo(data)

    def send(self, text):
        """Sends text in small pieces."""
        data = text.encode()
        for start in range(0, len(data), INPUT_CHUNK):
            try:
                self._process.stdin.write(data[start:start + INPUT_CHUNK])
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError):
                raise MachineError(self.ending()) from None
            time.sleep(INPUT_PAUSE)

    def expect(self, pattern, timeout, fatal=True):
        """Waits until pattern (bytes or str) appears after the last match, and returns the match.

        Raises MachineError after timeout seconds, at QEMU's end, and (with fatal) a moment after a panic."""
        if isinstance(pattern, str):
            pattern = pattern.encode()
        regex = re.compile(pattern, re.M)
        timeout *= SLOW
        deadline = time.monotonic() + timeout
        start = self._mark
        quiet_since = time.monotonic()
        while True:
            with self._news:
                window = bytes(self._buffer[start:])
                match = regex.search(window)
                if match:
                    self._mark = start + match.end()
                    return match
                ended = self._eof
                if not ended:
                    self._news.wait(min(1.0, max(0.0, deadline - time.monotonic())))
                    unchanged = len(self._buffer) == start + len(window)
            if ended:
                raise MachineError(f"while waiting for {pattern.decode()!r}: {self.ending()}")
            if not unchanged:
                quiet_since = time.monotonic()
            if fatal:
                self._fatal_check(window.decode(errors="replace"), time.monotonic() - quiet_since)
            if unchanged and time.monotonic() >= deadline:
                raise MachineError(f"{pattern.decode()!r} did not appear within {timeout:.0f} s")

    def _fatal_check(self, window, quiet):
        """Raises when the console speaks of the end of the hypervisor or of domain 0. Output of a command may say
        anything; but when it stopped in the middle for some seconds, a panic may be what cut it off."""
        window = COMMAND_OUTPUT.sub("\n", window)
        if quiet < QUIET_SECONDS:
            window = UNFINISHED_OUTPUT.sub("\n", window)
        found = FATAL.search(window) or DOM0_FATAL.search(window)
        if not found:
            return
        end = window.find("\n", found.start())
        line = window[window.rfind("\n", 0, found.start()) + 1:end if end >= 0 else None]
        self.wait(5)            # let it finish its report
        raise MachineError(f"the console says: {line.strip()}")

    # ---- the machine

    def running(self):
        return self._process.poll() is None

    def wait(self, timeout):
        """Waits for QEMU's end: its exit status, or None when it still runs."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(5)
        return status

    def ending(self):
        """How QEMU ended, in words, for messages: a triple fault, a power-off and a kill look the same on the console."""
        status = self.wait(5)
        if status is None:
            return "QEMU closed its console and runs on"
        if status < 0:
            return f"QEMU was ended by signal {-status}"
        try:
            with open(self._resets, errors="replace") as file:
                fault = "Triple fault" in file.read()
        except OSError:
            fault = False
        return "QEMU has ended: " + ("a CPU took a triple fault" if fault else
                                     f"exit status {status}, which is 0 for a power-off or a reset")

    def monitor(self, command, timeout=10):
        """Runs a command of QEMU's human monitor and returns its output."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(timeout)
            link.connect(self._qmp_path)
            stream = link.makefile("rw")
            stream.readline()
            for request in ({"execute": "qmp_capabilities"},
                            {"execute": "human-monitor-command", "arguments": {"command-line": command}}):
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                answer = {}
                while "return" not in answer and "error" not in answer:
                    answer = json.loads(stream.readline())
            return str(answer.get("return", answer.get("error"))).replace("\r", "")

    def registers(self):
        """Every CPU's registers, or why they cannot be had."""
        try:
            return self.monitor("info registers -a")
        except (OSError, ValueError) as error:
            return f"(no registers: {error})"

    def fatal_lines(self):
        """Console lines that speak of a panic or of a failed assertion in the hypervisor."""
        return [line for line in COMMAND_OUTPUT.sub("\n", self.text()).splitlines() if FATAL.search(line)]

    def close(self):
        """Ends QEMU, whatever it does."""
        if self.running():
            os.killpg(self._process.pid, signal.SIGKILL)
        self.wait(10)
        for stream in (self._process.stdin, self._log):
            try:
                stream.close()
            except OSError:
                pass
        shutil.rmtree(self._scratch, ignore_errors=True)


class Dom0:
    """Domain 0's agent: run(command) gives (exit status, output)."""

    def __init__(self, machine):
        self.machine = machine
        self._session = os.getpid() % 1000

    def ready(self, timeout=180):
        """Waits for user space. Returns the seconds since the machine was started."""
        self.machine.expect(r"^@@READY$", timeout)
        return time.monotonic() - self.machine.started

    def run(self, command, timeout=60):
        """Runs a shell command: (status, output as text). 124 is the status of a command that took too long."""
        machine = self.machine
        ident = f"{self._session}.{machine._next_id}"
        machine._next_id += 1
        machine.note(f"dom0# {command}")
        data = base64.b64encode(command.encode())
        self._request(ident, f"@R {ident} {timeout * SLOW:.0f} {checksum(data)} {data.decode()}\n")
        start = machine._mark
        mark = re.escape(ident).encode()
        try:
            end = machine.expect(rb"^@@END " + mark + rb" (\d+) ([0-9a-f]{8})$", timeout + 30)
        except MachineError:
            if not machine.running() or machine.fatal_lines():
                raise
            return self._again(ident)
        for text in self._plain(bytes(machine._buffer[start:machine._mark]), mark):
            if checksum(text) == end.group(2).decode():
                return int(end.group(1)), text.decode(errors="replace")
        return self._again(ident)

    def check(self, command, timeout=60):
        """Runs a command that has to succeed: its output."""
        status, output = self.run(command, timeout)
        if status != 0:
            reason = f"took more than {timeout * SLOW:.0f} s" if status == 124 else f"exit status {status}, expected 0"
            raise CommandError(f"in domain 0: {command}\n{reason}; it printed:\n{output}")
        return output

    def _request(self, ident, line):
        mark = re.escape(ident).encode()
        for attempt in range(4):
            self.machine.send(("\n" if attempt else "") + line)
            try:
                if self.machine.expect(rb"^@@(GOT|BAD) " + mark + rb"$", 20).group(1) == b"GOT":
                    return
            except MachineError as error:
                if "did not appear" not in str(error):
                    raise
        raise MachineError("domain 0 does not answer on its console")

    @staticmethod
    def _plain(window, mark):
        """The output between the markers: as it arrived, and without what looks like lines of the kernel and the
        hypervisor that got into it. The checksum tells which of the two it is, if any."""
        begin = re.search(rb"^@@BEGIN " + mark + rb"\n", window, re.M)
        end = re.search(rb"\n@@END " + mark + rb" ", window)
        if not begin or not end:
            return []
        body = window[begin.end():end.start()]
        return [body, KERNEL_NOISE.sub(b"", body + b"\n")[:-1]]

    def _again(self, ident):
        """The result in numbered lines, asked for again until all of them arrived whole."""
        machine = self.machine
        mark = re.escape(ident).encode()
        lines = {}
        for _ in range(6):
            start = machine._mark
            first = 1
            while first in lines:
                first += 1
            machine.send(f"\n@S {ident} {first}\n")
            try:
                sent = machine.expect(rb"^@@SENT " + mark + rb" (\d+) ([0-9a-f]{8}) (\d+)$", 60)
            except MachineError as error:
                if "did not appear" not in str(error):
                    raise
                continue
            for found in re.finditer(rb"^@@LINE " + mark + rb" (\d+) ([0-9a-f]{8}) ([A-Za-z0-9+/=]+)$",
                                     bytes(machine._buffer[start:machine._mark]), re.M):
                if checksum(found.group(3)) == found.group(2).decode():
                    lines[int(found.group(1))] = found.group(3)
            if all(number in lines for number in range(1, int(sent.group(3)) + 1)):
                data = base64.b64decode(b"".join(lines[number] for number in sorted(lines)))
                if checksum(data) == sent.group(2).decode():
                    return int(sent.group(1)), data.decode(errors="replace")
        raise MachineError("the output of a command in domain 0 did not arrive whole in 6 tries")

    def power_off(self, timeout=60):
        """Ends the machine the way an operator does. Returns QEMU's exit status; MachineError when it stays."""
        self.machine.note("dom0# power off")
        self.machine.send("\n@Q\n")
        status = self.machine.wait(timeout * SLOW)
        if status is None:
            raise MachineError(f"the machine did not power off within {timeout} s")
        return status
