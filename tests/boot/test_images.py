# SPDX-License-Identifier: BSD-2-Clause
"""Images are kept, and made again only when what they are made of changes. make tells what it would do."""
import subprocess

import pytest

from rig import qemu

pytestmark = pytest.mark.bare

# an input -> the images that hold it
HOLDERS = {
    "images/guest/init": {"guest.gz", "dom0.ext4"},
    "images/initramfs/init": {"initramfs.gz"},
    "images/dom0/overlay/etc/xen/hello.cfg": {"dom0.ext4"},
    "images/dom0/packages": {"dom0-base.tar", "dom0.ext4"},
    "build/images/kernel": {"vmlinuz", "vmlinux", "initramfs.gz", "guest.gz", "dom0.ext4"},
}
MAKERS = {"vmlinuz": "cp -f /boot/vmlinuz", "vmlinux": "scripts/kernel-elf", "initramfs.gz": "initramfs.sh images/initramfs",
          "guest.gz": "initramfs.sh images/guest", "dom0-base.tar": "images/dom0-base.sh", "dom0.ext4": "images/dom0.sh"}


def would_be_made(*options):
    output = subprocess.run(["make", "-n", *options, "images"], cwd=qemu.ROOT, stdout=subprocess.PIPE, text=True,
                            check=True).stdout
    return {image for image, command in MAKERS.items() if command in output}


def test_nothing_is_made_twice():
    assert would_be_made() == set()


@pytest.mark.parametrize("path", HOLDERS)
def test_what_holds_a_changed_file_is_made_again(path):
    assert would_be_made("-W", path) == HOLDERS[path]
