# SPDX-License-Identifier: BSD-2-Clause
"""A guest as the tests use it: its configuration, its life through xl, and a shell on its console."""
import base64
import gzip
import os
import re
import time

from rig.machine import SLOW


class Guest:
    """Created by create(); run() executes a command over its console; destroy() may be called at any time."""

    def __init__(self, dom0, name, kind="pv", vcpus=1, memory=160, kernel="vmlinux", ramdisk="initrd.gz", disk=False,
                 address=None, extra="", options=""):
        """kernel: a file of /srv/guest, or a whole path; None when the options name a boot loader."""
        self.dom0 = dom0
        self.name = name
        self.kind = kind
        self.address = address
        self.image = f"/srv/guest/{name}.img"
        self.log = f"/var/log/xen/console/guest-{name}.log"
        words = ["console=hvc0", f"guest.ip={address}/24" if address else "", extra]
        lines = [f'name = "{name}"', f'type = "{kind}"', f"memory = {memory}", f"vcpus = {vcpus}", options]
        if kernel:
            lines += [f'kernel = "{os.path.join("/srv/guest", kernel)}"', f'extra = "{" ".join(filter(None, words))}"']
        if kernel and ramdisk:
            lines.append(f'ramdisk = "/srv/guest/{ramdisk}"')
        if disk:
            lines.append(f'disk = [ "format=raw, vdev=xvda, access=rw, target={self.image}" ]')
        if address:
            lines.append('vif = [ "bridge=xenbr0" ]')
        self.config = "\n".join(lines)
        self.config_path = f"/tmp/{name}.cfg"

    def prepare(self):
        """Shell commands that come before its creation."""
        return f"rm -f {self.log}"

    def create(self, arguments="", timeout=120, environment=""):
        self.dom0.check(f"{self.prepare()}; cat > {self.config_path} <<'END'\n{self.config}\nEND\n"
                        f"{environment} xl create {arguments} {self.config_path}", timeout)
        return self

    def ident(self):
        """The domain's number, or None when there is no domain of this name."""
        status, output = self.dom0.run(f"xl domid {self.name}")
        return int(output) if status == 0 else None

    def state(self):
        """The letters of xl list: r, b, p, s, c, d. None when the domain is gone."""
        status, output = self.dom0.run(f"xl list {self.name}")
        if status != 0:
            return None
        return set(output.splitlines()[1].split()[4]) - {"-"}

    def cpu_seconds(self):
        return float(self.dom0.check(f"xl list {self.name}").splitlines()[1].split()[5])

    def console(self):
        return self.dom0.check(f"cat {self.log} 2>/dev/null || true")

    def wait_console(self, text, timeout=120, count=1):
        """Waits until its console has shown a fixed text so many times."""
        status, _ = self.dom0.run(f"[ $(timeout {timeout * SLOW:.0f} tail -n +1 -F {self.log} 2> /dev/null | "
                                  f"grep -m {count} -F '{text}' | wc -l) = {count} ]", timeout + 30)
        if status != 0:
            raise AssertionError(f"{self.name} did not say {text!r} {count} times within {timeout} s\n{self.report()}")

    def report(self):
        """For the message of a failed test: its console's end, and what the toolstack and the hypervisor say."""
        return self.dom0.run(f"tail -n 40 {self.log}; xl list; tail -n 20 /var/log/xen/xl-{self.name}.log; "
                             "xl dmesg | tail -n 20")[1]

    def wait_ready(self, timeout=120, count=1):
        self.wait_console("GUEST: ready", timeout, count)
        return self

    def wait_state(self, wanted, timeout=60):
        """Waits until wanted(state()) is true."""
        deadline = time.monotonic() + timeout * SLOW
        while True:
            state = self.state()
            if wanted(state):
                return state
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} is still in state {state} after {timeout} s")
            time.sleep(1)

    def run(self, command, timeout=60):
        """(status, output) of a shell command in the guest."""
        quoted = command.replace("'", "'\\''")
        return self.dom0.run(f"guest-run --timeout {timeout * SLOW:.0f} {self.name} '{quoted}'", timeout + 20)

    def check(self, command, timeout=60):
        status, output = self.run(command, timeout)
        assert status == 0, f"in {self.name}: {command}\nexit status {status}, expected 0; it printed:\n{output}"
        return output

    def destroy(self):
        """With its disk and its saved image."""
        self.dom0.run(f"xl destroy {self.name}; rm -f {self.image} /srv/{self.name}.save")


def free_memory(dom0):
    """MiB that xl info calls free, once domain 0 is alone and no domain is dying any more."""
    dom0.check("for i in $(seq 40); do [ $(xl list | wc -l) = 2 ] && exit 0; sleep 0.5; done; xl list; exit 1")
    return int(re.search(r"^free_memory *: (\d+)$", dom0.check("xl info"), re.M).group(1))


def upload(dom0, data, path):
    """A file of domain 0, in pieces a line of the agent can hold."""
    text = base64.b64encode(gzip.compress(data)).decode()
    for start in range(0, len(text), 2000):
        dom0.check(f"echo {text[start:start + 2000]} {'>>' if start else '>'} {path}.text")
    dom0.check(f"base64 -d < {path}.text | gzip -d > {path}; rm {path}.text")


def md5_find(text):
    """The MD5 in the output of md5sum."""
    found = re.findall(r"\b[0-9a-f]{32}\b", text)
    assert found, f"no MD5 in: {text}"
    return found[-1]


CORE_READER = '''
import struct, sys
f = open(sys.argv[1], "rb"); h = f.read(64)
assert h[:6] == b"\\x7fELF\\x02\\x01", h[:16]
kind, machine = struct.unpack_from("<HH", h, 16)
at, = struct.unpack_from("<Q", h, 40); size, count, names = struct.unpack_from("<HHH", h, 58)
f.seek(at); s = [struct.unpack("<IIQQQQIIQQ", f.read(64)) for _ in range(count)]
def body(x): f.seek(x[4]); return f.read(x[5])
table = body(s[names])
s = {table[x[0]:table.index(b"\\0", x[0])].decode(): x for x in s}
f.seek(0, 2)
print(kind, machine, f.tell() >= max(x[4] + x[5] for x in s.values()))
n, at = body(s[".note.Xen"]), 0
while at < len(n):
    owner, length, note = struct.unpack_from("<III", n, at)
    words = struct.unpack_from("<4Q", n, at + 12 + (owner + 3 & ~3)) if note == 0x2000001 else ()
    print("note", n[at + 12:at + 11 + owner].decode(), note & 0xf, *words)
    at += 12 + (owner + 3 & ~3) + (length + 3 & ~3)
r = struct.unpack_from("<21Q", body(s[".xen_prstatus"]), 520)
print("registers", *r)
if len(sys.argv) > 2:
    pages = body(s[".xen_pages"]); frames, size = (".xen_p2m", 16) if ".xen_p2m" in s else (".xen_pfn", 8)
    frames = [number for number, *_ in struct.iter_unpack("<Q%dx" % (size - 8), body(s[frames]))] + [-1]
    print("found", *(frames[pages.find(struct.pack("<Q", int(mark))) >> 12] for mark in sys.argv[2:]))
for name, x in s.items(): print("section", name or "none", x[5], x[9])
'''
CORE_NOTES = {1: "header", 2: "version", 3: "format"}       # XEN_ELFNOTE_DUMPCORE_*, of xen/elfnote.h
# section with the frames -> size of an entry, and the header's magic: a PV guest has the machine's frames beside its own
CORE_KINDS = {".xen_p2m": (16, 0xf00febed), ".xen_pfn": (8, 0xf00febee)}


def core_check(dom0, path, memory, vcpus, marks=()):
    """A core file as Xen's dump-core-format document describes it: its notes, its sections, and as many pages as the
    guest has. Returns the registers of vcpu 0 in the order of struct cpu_user_regs, r15 first, and the guest's frames in
    which marks are, each of which has to be a word of its memory."""
    reader = "/tmp/core-reader.py"
    dom0.check(f"cat > {reader} <<'END'\n{CORE_READER}\nEND")
    first, *lines = dom0.check(f"python3 {reader} {path} {' '.join(map(str, marks))}", 90).splitlines()
    assert first == "4 62 True", f"expected a core file (4) of x86-64 (62) that is not cut short: {first}"
    rows = [line.split() for line in lines]
    notes = {int(row[2]): [int(word) for word in row[3:]] for row in rows if row[:2] == ["note", "Xen"]}
    assert set(CORE_NOTES) <= set(notes), f"expected Xen's notes {CORE_NOTES}:\n{lines}"
    sizes = {row[1]: (int(row[2]), int(row[3])) for row in rows if row[0] == "section"}
    assert sizes[".xen_prstatus"][0] == vcpus * sizes[".xen_prstatus"][1], sizes
    pages = sizes[".xen_pages"][0] // 4096
    assert memory * 256 * 0.9 < pages <= memory * 256 + 32, f"{pages} pages of a guest with {memory} MiB"
    section, = set(CORE_KINDS) & set(sizes)
    size, magic = CORE_KINDS[section]
    assert sizes[section] == (pages * size, size), sizes
    assert notes[1][:2] + notes[1][3:] == [magic, vcpus, 4096], f"the header says {notes[1]}"
    places = [int(row[at]) for row in rows if row[0] == "found" for at in range(1, len(row))]
    assert len(places) == len(marks) and -1 not in places, f"the marks are in the guest's frames {places}"
    return [int(word) for word in next(row[1:] for row in rows if row[0] == "registers")], places
