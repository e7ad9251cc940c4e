# SPDX-License-Identifier: BSD-2-Clause
"""GRUB 2 starts the packed image as Debian's boot entries do, by Multiboot 2 and by Multiboot 1."""
import os
import re
import shutil
import subprocess

import pytest

from rig import qemu
from rig.machine import Machine

pytestmark = [pytest.mark.bare, pytest.mark.cpus(2), pytest.mark.xylem]

# What Debian's /etc/grub.d/20_linux_xen writes into an entry, on a serial line; the words "placeholder" and
# "no-real-mode edd=off" are its own.
GRUB_CFG = """
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
insmod gzio
insmod {protocol}
{protocol} /boot/xylem.gz placeholder {hypervisor} no-real-mode edd=off
{module} /boot/vmlinuz placeholder {dom0}
{module} {nounzip} /boot/initramfs.gz
boot
"""


def image_make(folder, hypervisor, protocol, dom0):
    """A CD with GRUB, the hypervisor, and domain 0's kernel and ramdisk: its path."""
    module = {"multiboot2": "module2", "multiboot": "module"}[protocol]
    boot = folder / "cd" / "boot"
    os.makedirs(boot / "grub")
    shutil.copy(os.path.join(qemu.ROOT, f"{hypervisor}.gz"), boot / "xylem.gz")
    for name in ("vmlinuz", "initramfs.gz"):
        shutil.copy(qemu.image_find(name), boot / name)
    (boot / "grub" / "grub.cfg").write_text(GRUB_CFG.format(
        protocol=protocol, module=module, nounzip="--nounzip" if protocol == "multiboot2" else "",
        hypervisor=f"{qemu.HYPERVISOR_OPTIONS} {OPTIONS}", dom0=f"{qemu.DOM0_OPTIONS} {dom0}"))
    path = folder / "grub.iso"
    made = subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", path, folder / "cd"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert made.returncode == 0, f"grub-mkrescue failed:\n{made.stdout}"
    return path


# Options that only a domain 0 shows whether they work.
OPTIONS = "mem=2G cpuid=no-rdrand,no-avx console_timestamps=date watchdog conring_size=1M"
# Two nodes with a CPU each; mem= takes 1 GiB from the second.
NODES = ("-object memory-backend-ram,id=m0,size=1G -object memory-backend-ram,id=m1,size=2G "
         "-numa node,nodeid=0,cpus=0,memdev=m0 -numa node,nodeid=1,cpus=1,memdev=m1 -numa dist,src=0,dst=1,val=21")


def start(request, folder, protocol, **options):
    hypervisor = request.config.getoption("--hypervisor")
    path = image_make(folder, hypervisor, protocol, "xylem.mode=agent")
    return Machine(cpus=2, hypervisor=hypervisor, cdrom=path, name=f"grub-{protocol}", **options)


@pytest.fixture(scope="module")
def machine(request, tmp_path_factory):
    """Domain 0 in user space, by Multiboot 2. The last test restarts it."""
    with start(request, tmp_path_factory.mktemp("grub"), "multiboot2", reboot=True,
               qemu=NODES.split()) as machine:
        machine.expect(r"Xylem, speaking .* loaded by GRUB 2", timeout=120)
        machine.dom0.ready(300)
        yield machine


def test_multiboot_1_boots_domain_0s_kernel(request, tmp_path):
    with start(request, tmp_path, "multiboot") as machine:
        machine.expect(r"Xylem, speaking .* loaded by GRUB 2", timeout=120)
        machine.expect(r"Linux version 6\.1\.", timeout=120)
        machine.expect(r"Command line: placeholder .*xylem\.mode=agent", timeout=60)


def test_multiboot_2_boots_domain_0_to_user_space(machine):
    assert "xylem.mode=agent" in machine.dom0.check("cat /proc/cmdline")
    assert "not known" not in machine.text(), "a word of GRUB's own was taken for an option"


def test_memory_above_mem_is_not_used(machine):
    found = re.search(r"^total_memory +: (\d+)$", machine.dom0.check("xl info"), re.M)
    assert 2000 < int(found.group(1)) <= 2048, f"expected 2 GiB of the machine's 3, found {found.group(1)} MiB"


def test_nodes_of_memory_and_cpus_are_shown(machine):
    text = machine.dom0.check("xl info -n")
    nodes = re.findall(r"^ +(\d+): +(\d+) +(\d+) +(\d+,[\d,]+)$", text, re.M)
    assert [(node, distances) for node, _, _, distances in nodes] == [("0", "10,21"), ("1", "21,10")], \
        f"expected two nodes in:\n{text}"
    assert all(1020 <= int(size) <= 1024 for _, size, _, _ in nodes), f"expected 1 GiB each in:\n{text}"
    free = int(re.search(r"^free_memory +: (\d+)$", text, re.M).group(1))
    assert abs(sum(int(part) for _, _, part, _ in nodes) - free) <= 2, f"expected {free} MiB free together in:\n{text}"
    cpus = re.findall(r"^ +(\d+): +\d+ +\d+ +(\d+)$", text, re.M)
    assert cpus == [("0", "0"), ("1", "1")], f"expected a CPU on each node in:\n{text}"


def test_hidden_features_are_hidden_from_domain_0(machine):
    flags = machine.dom0.check("grep -m 1 ^flags /proc/cpuinfo").split()
    assert "sse2" in flags and "xsave" in flags
    # AVX2 needs AVX
    assert not {"rdrand", "avx", "avx2"} & set(flags), f"expected neither rdrand nor avx in {flags}"


def test_messages_carry_the_date(machine):
    now = machine.dom0.check("date -u +%Y-%m-%d").strip()
    assert f"(XEN) [{now} " in machine.dom0.check("xl dmesg")


def test_a_larger_ring_keeps_more_messages(machine):
    machine.dom0.check(f"for i in 1 2 3 4 5; do xl debug-keys {'h' * 25}; done", 120)
    size, first = machine.dom0.check("xl dmesg > /tmp/dmesg; wc -c < /tmp/dmesg; head -n 3 /tmp/dmesg").split("\n", 1)
    assert int(size) > 65536, f"expected more than the 64 KiB of the usual ring, found {size} bytes"
    assert "Xylem, speaking" in first


def test_reboot_restarts_the_machine(machine):
    machine.dom0.check("(sleep 1; busybox reboot -f) > /dev/null 2>&1 &")
    machine.expect(r"domain 0 restarts the machine", timeout=60)
    machine.expect(r"Xylem, speaking .* loaded by GRUB 2", timeout=120)
    machine.expect(r"Linux version 6\.1\.", timeout=120)
