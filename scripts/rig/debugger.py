# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's debugger interface, for tests that do to a CPU what no guest can: GDB's remote serial protocol (GDB manual,
appendix E), as far as needed. Start QEMU with Debugger.options(path) first."""
import re
import socket

RIP, RFLAGS = 16, 17        # QEMU's numbers of x86-64 registers


class Debugger:
    """The machine stands still from connecting to go_on."""

    @staticmethod
    def options(path):
        return ["-gdb", f"unix:{path},server=on,wait=off"]

    def __init__(self, path, timeout=60):
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(timeout)
        self._link.connect(str(path))
        self._data = b""
        self.ask("?")
        self.ask("qXfer:features:read:target.xml:0,400")    # QEMU knows single registers from then on

    def _send(self, text):
        data = text.encode()
        self._link.sendall(b"$" + data + b"#" + f"{sum(data) & 0xff:02x}".encode())

    def _receive(self):
        while True:
            found = re.search(rb"\$([^#]*)#..", self._data)
            if found:
                self._data = self._data[found.end():]
                self._link.sendall(b"+")
                return found.group(1).decode()
            more = self._link.recv(4096)
            if not more:
                raise ConnectionError("QEMU has closed its debugger interface")
            self._data += more

    def ask(self, text):
        """Sends a command. The machine's stopping at the connection is reported whenever it happens: only commands that
        let it run, and the question for it, are answered by such a report (T...)."""
        self._send(text)
        reports = text.startswith(("?", "c", "vCont"))
        while (answer := self._receive()).startswith("T") != reports:
            pass
        assert answer and not re.match(r"E[0-9a-f]{2}$", answer), f"the debugger refuses {text}: {answer!r}"
        return answer

    def write_register(self, cpu, number, value, size=8):
        self.ask(f"Hg{cpu + 1:x}")
        self.ask(f"P{number:x}={value.to_bytes(size, 'little').hex()}")

    def write_memory(self, cpu, address, data):
        self.ask(f"Hg{cpu + 1:x}")
        self.ask(f"M{address:x},{len(data):x}:{data.hex()}")

    def run_to(self, cpu, address):
        """Lets the machine run until this CPU gets to an address."""
        while True:
            self.ask(f"Z1,{address:x},1")
            stopped = self.ask("c")
            self.ask(f"z1,{address:x},1")
            at = int(re.search(r"thread:(?:p[0-9a-f]+\.)?([0-9a-f]+)", stopped).group(1), 16) - 1
            if at == cpu:
                return
            self.ask(f"vCont;s:{at + 1:x}")

    def go_on(self):
        self.ask("D")
        self._link.close()
