#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A busybox initramfs: images/initramfs.sh DIR KERNEL-VERSION OUTPUT, where DIR holds init and modules.
. "$(dirname "$0")/lib.sh"
source=$(cd "$1" && pwd)
image_begin "$3"
busybox_tree "$work/root" "$source/modules" "$2"
install -m 755 "$source/init" "$work/root/init"
for name in poweroff reboot; do
    if [ -f "$source/$name" ]; then
        install -m 755 "$source/$name" "$work/root/sbin/$name"
    fi
done
initramfs_make "$work/root" "$work/initramfs"
image_end "$work/initramfs"
