#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What a 32-bit PVH guest boots: Debian's kernel for i386 as ELF, and the guests' initramfs with that kernel's modules, on a
# small ext4 file system: images/guest32.sh DIR OUTPUT, where DIR holds init and modules.
# The packages are fetched with a package state of their own, so this machine's architectures stay as they are. Where they
# cannot be had, that is said and no image is made: the test that needs it is skipped.
. "$(dirname "$0")/lib.sh"
source=$(cd "$1" && pwd)
image_begin "$2"
work=$(realpath "$work")
apt=(-qq -o APT::Architecture=i386 -o APT::Architectures::=i386 -o APT::Sandbox::User=root -o Acquire::Languages=none
     -o Dir::State="$work/state" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache")
log=$work/apt.log
mkdir -p "$work"/state/lists/partial "$work"/cache/archives/partial "$work/root"
: > "$work/status"

# packages_get: the kernel that linux-image-686-pae stands for, and a busybox for it. Some index may be missing.
packages_get() {
    apt-get "${apt[@]}" update || true
    kernel=$(apt-cache "${apt[@]}" depends linux-image-686-pae | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
    [ -n "$kernel" ] && (cd "$work" && apt-get "${apt[@]}" download "$kernel" busybox-static)
}

if ! packages_get > "$log" 2>&1; then
    tail -n 3 "$log" >&2
    echo "images/guest32.sh: no packages of the i386 architecture (apt's last lines are above): goes on without" >&2
    exit 0
fi
version=${kernel#linux-image-}
for package in "$work"/*.deb; do
    dpkg-deb -x "$package" "$work/debian"
done
/sbin/depmod -b "$work/debian" "$version"
"$(dirname "$0")/../scripts/kernel-elf" "$work/debian/boot/vmlinuz-$version" "$work/root/vmlinux"
mkdir -p "$work/tree"/{bin,sbin,proc,sys,dev,root,tmp,run,etc,modules}
cp "$work/debian/bin/busybox" "$work/tree/bin/busybox"
ln -s busybox "$work/tree/bin/sh"
for name in $(sed 's/#.*//' "$source/modules"); do
    /sbin/modprobe -d "$work/debian" -S "$version" -C /dev/null --show-depends "$name" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r path; do
    cp "$path" "$work/tree/modules/"
    basename "$path"
done > "$work/tree/modules/order"
install -m 755 "$source/init" "$work/tree/init"
install -m 755 "$source"/{poweroff,reboot} "$work/tree/sbin/"
initramfs_make "$work/tree" "$work/root/initrd.gz"
truncate -s 64M "$work/disk"
/sbin/mke2fs -q -t ext4 -O ^has_journal -d "$work/root" "$work/disk"
image_end "$work/disk"
