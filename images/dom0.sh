#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Domain 0's disk, an ext4 file system: the Debian base, this kernel's modules, our overlay, and what guests boot.
# images/dom0.sh KERNEL-VERSION BASE.tar GUEST-ELF GUEST-INITRAMFS OUTPUT
. "$(dirname "$0")/lib.sh"
version=$1 base=$2 elf=$3 initramfs=$4
image_begin "$5"
root=$work/root
mkdir "$root"
tar -xpf "$base" -C "$root" --exclude='./dev/*' --exclude='./var/lib/apt/*' --exclude='./var/cache/*'

modules=$root/lib/modules/$version
mkdir -p "$modules"
modules_list "$images/dom0/modules" "$version" | while read -r path; do
    install -D -m 644 "/lib/modules/$version/$path" "$modules/$path"
done
cp "/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$modules/"
/sbin/depmod -b "$root" "$version"

cp -R -P --no-preserve=ownership "$images/dom0/overlay/." "$root/"
chmod 755 "$root/usr/sbin/xylem-init" "$root"/usr/lib/xylem/*
mkdir -p "$root/srv/guest"
cp "$elf" "$root/srv/guest/vmlinux"
cp "/boot/vmlinuz-$version" "$root/srv/guest/vmlinuz"
cp "$initramfs" "$root/srv/guest/initrd.gz"
echo dom0 > "$root/etc/hostname"
printf '127.0.0.1 localhost dom0\n' > "$root/etc/hosts"
printf 'vif.default.bridge="xenbr0"\n' >> "$root/etc/xen/xl.conf"

truncate -s 1G "$work/disk"
/sbin/mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -L dom0 -d "$root" "$work/disk"
image_end "$work/disk"
