# SPDX-License-Identifier: BSD-2-Clause
"""
Guests whose kernel is on their own disk: read by GRUB for Xen inside the guest, or by pygrub in domain 0. GRUB for PVH
guests makes its hypercalls from 32-bit code without paging.
"""
import pytest

LOADERS = {"grub": ("pv", "/usr/lib/grub-xen/grub-x86_64-xen.bin", ""), "pygrub": ("pv", None, 'bootloader = "pygrub"'),
           "grub-pvh": ("pvh", "/usr/lib/grub-xen/grub-i386-xen_pvh.bin", "")}
DISK = "/srv/guest/loader.img"
MENU = """set timeout=0
menuentry "stock" {
    linux /boot/vmlinuz console=hvc0 from=menu
    initrd /boot/initrd.gz
}
"""


@pytest.fixture
def disk(dom0):
    """A disk with one partition, which holds a kernel, a ramdisk and GRUB's menu."""
    dom0.check(f"""
        set -e; [ ! -e {DISK} ] || exit 0
        mkdir -p /tmp/loader/boot/grub; cp /srv/guest/vmlinuz /srv/guest/initrd.gz /tmp/loader/boot
        printf '%s' '{MENU}' > /tmp/loader/boot/grub/grub.cfg
        truncate -s 33M {DISK}; mke2fs -q -t ext4 -E offset=1048576 -d /tmp/loader {DISK} 32M
        printf '\\x80\\0\\0\\0\\x83\\0\\0\\0\\0\\x08\\0\\0\\0\\0\\x01\\0' | dd of={DISK} bs=1 seek=446 conv=notrunc status=none
        printf '\\x55\\xaa' | dd of={DISK} bs=1 seek=510 conv=notrunc status=none
        rm -r /tmp/loader""", 90)
    return DISK


@pytest.mark.parametrize("loader", LOADERS)
def test_guest_boots_from_its_own_disk(guest_make, dom0, disk, loader):
    kind, kernel, option = LOADERS[loader]
    guest = guest_make(loader, kind=kind, memory=256, kernel=kernel, ramdisk=None,
                       options=f'{option}\ndisk = [ "format=raw, vdev=xvda, access=rw, target={disk}" ]')
    guest.create(timeout=180).wait_ready(240)
    assert "from=menu" in guest.check("cat /proc/cmdline")
    assert guest.check("cat /sys/block/xvda/xvda1/size").strip() == "65536"
