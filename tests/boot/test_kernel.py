# SPDX-License-Identifier: BSD-2-Clause
"""Domain 0's kernel in every packing, up to its first words; and what follows from a domain 0 that crashes.

Kernels packed with xz, as Debian's is, and not packed at all are what the machines of test_boot.py boot."""
import gzip
import os
import struct
import subprocess

import pytest

from rig import qemu
from rig.machine import Machine

pytestmark = [pytest.mark.bare, pytest.mark.xylem]

# Documentation/x86/boot.rst of Linux, "real-mode kernel header"
SETUP_SECTS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1F1, 0x248, 0x24C


def run(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


# As Linux's build packs (scripts/Makefile.lib): a window of 128 MiB for zstd, the old frame format for lz4. All but gzip
# have the unpacked size behind the payload.
PACKERS = {
    "gzip": lambda elf: gzip.compress(elf, 6),
    "zstd": lambda elf: run(["zstd", "-q", "-3", "--long=27", "-c"], elf) + struct.pack("<I", len(elf)),
    "lz4": lambda elf: run(["lz4", "-q", "-l", "-c", "-1"], elf) + struct.pack("<I", len(elf)),
}


def kernel_pack(path, packing):
    """Debian's bzImage with its payload packed in another way."""
    with open(qemu.image_find("vmlinuz"), "rb") as file:
        image = bytearray(file.read())
    with open(qemu.image_find("vmlinux"), "rb") as file:
        payload = PACKERS[packing](file.read())
    offset, = struct.unpack_from("<I", image, PAYLOAD_OFFSET)
    struct.pack_into("<I", image, PAYLOAD_LENGTH, len(payload))
    start = ((image[SETUP_SECTS] or 4) + 1) * 512 + offset
    path.write_bytes(image[:start] + payload)
    return path


def boot(request, kernel, *words, **options):
    """A machine whose domain 0 has this kernel, and neither ramdisk nor disk."""
    return Machine(hypervisor=request.config.getoption("--hypervisor"), memory=1536, modules=False,
                   name="kernel-" + request.node.name.replace("[", "-").rstrip("]"),
                   qemu=["-initrd", f"{qemu.escape(str(kernel))} {qemu.DOM0_OPTIONS} {' '.join(words)}"], **options)


@pytest.mark.parametrize("packing", PACKERS)
def test_a_kernel_in_every_packing_starts(request, tmp_path, packing):
    with boot(request, kernel_pack(tmp_path / "vmlinuz", packing)) as machine:
        machine.expect(r"Domain 0 kernel: linux 2\.6", timeout=120)
        machine.expect(r"Linux version 6\.1\.", timeout=120)


def test_a_kernel_may_call_through_its_hypercall_page(request):
    """As Linux did until the end of 2024: the page its note names holds the calls. Here a test without an operating system."""
    with boot(request, os.path.join(qemu.ROOT, "build", "guests", "disk", "hypercall")) as machine:
        machine.expect(r"RESULT: SUCCESS", timeout=60)


def test_the_machine_restarts_when_domain_0_crashes(request):
    """This domain 0 has no root file system. QEMU ends at a restart, as -no-reboot asks."""
    with boot(request, qemu.image_find("vmlinux"), "panic=-1") as machine:
        machine.expect(r"Kernel panic - not syncing: VFS", timeout=240, fatal=False)
        assert machine.wait(60) == 0, "expected the machine to restart"


def test_noreboot_keeps_a_crashed_domain_0_on_the_screen(request):
    with boot(request, qemu.image_find("vmlinux"), "panic=-1", cmdline="noreboot") as machine:
        machine.expect(r"Kernel panic - not syncing: VFS", timeout=240, fatal=False)
        machine.expect(r"\(XEN\).*[Dd]omain 0.*halt", timeout=60, fatal=False)
        assert machine.wait(5) is None, "the machine ended although it was told to stay"
