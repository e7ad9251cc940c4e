# SPDX-License-Identifier: BSD-2-Clause
#
# What the image scripts share. An image is made in a scratch directory and moved into place whole, under one
# lock for all images, so that an interrupted or a second build never leaves half an image behind.
set -euo pipefail
images=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# image_begin OUTPUT: takes the lock and makes $work, removed on exit.
image_begin() {
    output=$1
    mkdir -p "$(dirname "$output")"
    exec 9> "$(dirname "$output")/.lock"
    flock 9
    work=$(mktemp -d "$(dirname "$output")/.work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "image   $output"
}

# image_end FILE: publishes FILE as the output.
image_end() {
    mv -f "$1" "$output"
}

# modules_list LIST VERSION: paths below /lib/modules/VERSION/, dependencies first, each once.
modules_list() {
    sed 's/#.*//' "$1" | tr -s ' \t' '\n' | sed '/^$/d' | while read -r name; do
        /sbin/modprobe -S "$2" -C /dev/null --show-depends "$name" |
            sed -n "s,^insmod .*/lib/modules/$2/\([^ ]*\).*,\1,p"
    done | awk '!seen[$0]++'
}

# initramfs_make DIR FILE: a cpio archive in one gzip member (the stock builder refuses several).
initramfs_make() {
    (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) | gzip -n -1 > "$2"
}

# busybox_tree DIR LIST VERSION: busybox and the modules of LIST with their order of loading.
busybox_tree() {
    mkdir -p "$1"/{bin,sbin,proc,sys,dev,root,tmp,run,etc,modules}
    cp /bin/busybox "$1/bin/busybox"
    ln -s busybox "$1/bin/sh"
    modules_list "$2" "$3" | while read -r path; do
        cp "/lib/modules/$3/$path" "$1/modules/"
        basename "$path"
    done > "$1/modules/order"
}
