# SPDX-License-Identifier: BSD-2-Clause
"""What the machine itself raises, seen from domain 0: device interrupts of each kind with data behind them, the table of a
device's messages, NMIs, machine checks. The machine has a PCI Express root port, a SATA disk and a network card beside the
usual devices; domain 0 has the first CPU, guests the second."""
import hashlib
import os
import re

import pytest

from rig.machine import Machine
from tiny import SPIN, TinyGuest

pytestmark = [pytest.mark.bare, pytest.mark.cpus(2)]        # a machine of its own

PAYLOAD_BYTES = 300000
VALID, UNCORRECTED, ENABLED, WITH_MISC, WITH_ADDRESS = (1 << n for n in (63, 61, 60, 59, 58))
CORRECTED_ERROR = VALID | ENABLED | WITH_MISC | WITH_ADDRESS | 0x136
UNCORRECTED_ERROR = CORRECTED_ERROR | UNCORRECTED
RESTARTABLE, IN_PROGRESS = 1, 4      # of the global status


@pytest.fixture(scope="module")
def machine(request, tmp_path_factory):
    lab = request.config.lab
    folder = tmp_path_factory.mktemp("machine")
    payload = folder / "payload"
    payload.write_bytes(os.urandom(PAYLOAD_BYTES).ljust(1 << 20, b"\0"))
    qemu = ["-netdev", f"user,id=n0,guestfwd=tcp:10.0.2.100:80-cmd:cat {payload}", "-device", "e1000,netdev=n0",
            "-drive", f"if=none,id=sata,format=raw,snapshot=on,file={payload}", "-device", "ide-hd,drive=sata,bus=ide.0",
            "-device", "ioh3420,id=rootport,slot=1,chassis=1",
            "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
    with Machine(cpus=2, hypervisor=lab.hypervisor, kernel="elf", name="machine", machine="q35", qemu=qemu,
                 cmdline="dom0_max_vcpus=1 dom0_vcpus_pin",
                 dom0_cmdline="xylem.mode=agent iomem=relaxed pcie_ports=native") as made:
        made.payload = hashlib.md5(payload.read_bytes()).hexdigest()
        made.dom0.ready(240)
        yield made


@pytest.fixture
def dom0(machine):
    return machine.dom0


def interrupts(dom0, kind):
    """All arrivals of the lines of /proc/interrupts that match."""
    lines = dom0.check("cat /proc/interrupts").splitlines()
    found = [int(line.split()[1]) for line in lines if re.search(kind, line)]
    assert found, f"no line of /proc/interrupts is {kind}:\n" + "\n".join(lines)
    return sum(found)


def wait_for(dom0, condition, seconds=60):
    dom0.check(f"for i in $(seq {seconds * 2}); do {condition} && exit 0; sleep 0.5; done; "
               "cat /proc/interrupts; dmesg | tail -n 15; exit 1", seconds + 60)


def python(dom0, program, timeout=60):
    return dom0.check(f"python3 - <<'END'\n{program}\nEND", timeout)


def test_domain_0_has_one_pinned_vcpu(dom0):
    rows = dom0.check("xl vcpu-list Domain-0").splitlines()[1:]
    assert [row.split()[2:4] + row.split()[-3:-1] for row in rows] == [["0", "0", "0", "/"]]


def test_card_with_an_interrupt_line_transfers_data(machine, dom0):
    dom0.check("modprobe e1000")
    name = dom0.check("basename $(ls -d /sys/bus/pci/drivers/e1000/*/net/*)").strip()
    dom0.check(f"ip addr add 10.0.2.15/24 dev {name}; ip link set {name} up")
    wait_for(dom0, f"[ $(cat /sys/class/net/{name}/carrier) = 1 ]")
    before = interrupts(dom0, rf"ioapic-level +{name}")
    output = dom0.check("exec 3<>/dev/tcp/10.0.2.100/80; timeout 100 md5sum <&3", 150)
    assert machine.payload in output
    assert interrupts(dom0, rf"ioapic-level +{name}") > before, "the data came without interrupts of the line"
    dom0.check(f"ip link set {name} down")


def test_disk_with_one_message_transfers_data(machine, dom0):
    dom0.check("modprobe ahci; modprobe sd_mod")
    wait_for(dom0, "[ -b /dev/sda ]")
    before = interrupts(dom0, r"msi .*ahci")
    assert machine.payload in dom0.check("dd if=/dev/sda bs=64k iflag=direct 2>/dev/null | md5sum")
    assert interrupts(dom0, r"msi .*ahci") > before, "the data came without messages"


def test_disk_with_several_messages_transfers_data(dom0):
    before = interrupts(dom0, r"msi-x.*virtio")
    read = "dd if=/dev/vda bs=64k count=64 iflag=direct 2>/dev/null | md5sum"
    assert dom0.check(read) == dom0.check(read)
    assert interrupts(dom0, r"msi-x.*virtio") > before


def test_port_that_gave_a_block_of_messages_back_tells_of_a_new_device(machine, dom0):
    """Linux takes the two there are, finds that one is enough, gives the block back by its first, and takes one."""
    assert dom0.check("for d in /sys/bus/pci/devices/*; do if [ $(cat $d/vendor $d/device | tr -d '\\n') = 0x80860x3420 ]; then "
                      "cat $d/msi_irqs/*; fi; done").split() == ["msi"]
    before = interrupts(dom0, r"pciehp")
    machine.monitor("device_add virtio-rng-pci,bus=rootport,id=extra")
    wait_for(dom0, "lspci -n 2>/dev/null | grep -q 1af4:10[04][45] || grep -q 0x10[04][45] /sys/bus/pci/devices/*/device")
    assert interrupts(dom0, r"pciehp") > before, "the device came without a message"


# The first function with MSI-X on: capability 0x11 says where its table is. A store there changes nothing.
TABLE_STORE = r"""
import glob, mmap, os, struct, sys
for device in sorted(glob.glob("/sys/bus/pci/devices/*")):
    config = open(device + "/config", "rb").read()
    at = config[0x34]
    while at and config[at] != 0x11:
        at = config[at + 1]
    if at and config[at + 3] & 0x80:
        break
where, = struct.unpack_from("<I", config, at + 4)
place = int(open(device + "/resource").read().splitlines()[where & 7].split()[0], 16) + (where & ~7)
memory = mmap.mmap(os.open("/dev/mem", os.O_RDWR | os.O_SYNC), 4096, offset=place & ~4095)
entries = memoryview(memory).cast("I")
first = (place & 4095) // 4
if len(sys.argv) > 1:
    entries[first] = 0xfee01000
print("%x" % entries[first])
"""


def test_message_table_is_not_domain_0s_to_write(dom0):
    dom0.check(f"cat > /tmp/table.py <<'END'\n{TABLE_STORE}\nEND")
    before = dom0.check("python3 /tmp/table.py").strip()
    assert before.startswith("fee"), f"no message address in the table: {before!r}"
    dom0.run("timeout -s KILL 10 python3 /tmp/table.py store")
    assert dom0.check("python3 /tmp/table.py").strip() == before
    test_disk_with_several_messages_transfers_data(dom0)


def test_nmi_of_the_machine_arrives_in_domain_0(machine, dom0):
    before = interrupts(dom0, r"^ *NMI:")
    machine.monitor("nmi")
    wait_for(dom0, f"[ $(awk '/NMI:/ {{ print $2 }}' /proc/interrupts) -gt {before} ]")
    wait_for(dom0, "dmesg | grep -q 'NMI received for unknown reason'")
    dom0.check("xl list")


# One read gives all records there are, each begins with status, misc, address; the bank is their byte 65.
READ_ERRORS = r"""
import fcntl, os, struct
log = os.open("/dev/mcelog", os.O_RDONLY)
size, = struct.unpack("i", fcntl.ioctl(log, 0x80044d01, bytes(4)))
count, = struct.unpack("i", fcntl.ioctl(log, 0x80044d02, bytes(4)))
records = os.read(log, size * count)
for at in range(0, len(records), size):
    print("%x %x %x bank %d" % (*struct.unpack_from("<QQQ", records, at), records[at + 65]))
"""


def errors(dom0):
    return python(dom0, READ_ERRORS).splitlines()


def test_corrected_error_is_told_to_domain_0(machine, dom0):
    before = interrupts(dom0, r"virq +mce")
    assert machine.monitor(f"mce 1 4 {CORRECTED_ERROR:#x} 0 0x12345000 0x8c") == ""
    wait_for(dom0, f"[ $(awk '/virq +mce/ {{ print $2 }}' /proc/interrupts) -gt {before} ]", 120)
    assert errors(dom0) == [f"{CORRECTED_ERROR:x} 8c 12345000 bank 4"]
    assert errors(dom0) == []


def test_uncorrected_error_ends_the_guest_and_is_told_to_domain_0(machine, dom0):
    guest = TinyGuest(dom0, "unlucky", SPIN, options='cpus = "1"\non_crash = "preserve"')
    try:
        guest.create()
        wait_for(dom0, "[ $(xl list unlucky | awk 'END { print int($6) }') -gt 0 ]")
        assert machine.monitor(f"mce 1 5 {UNCORRECTED_ERROR:#x} {RESTARTABLE | IN_PROGRESS} 0x23456000 0x8c") == ""
        guest.wait_state(lambda state: "c" in state)
        assert errors(dom0) == [f"{UNCORRECTED_ERROR:x} 8c 23456000 bank 5"]
    finally:
        guest.destroy()
