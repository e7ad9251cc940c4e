#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The unchanged Debian part of domain 0's root: images/dom0-base.sh PACKAGE-LIST OUTPUT.tar
# Packages come from where this machine's own apt gets Debian 12 from.
. "$(dirname "$0")/lib.sh"
list=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
image_begin "$2"

# sources_print: deb lines for this machine's Debian sources; nothing when it names no main archive.
sources_print() {
    local lines
    lines=$(apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
            'Created-By: Packages' 'Architecture: amd64' | awk '$5 == "Debian" && $3 ~ /^bookworm/' |
            cut -d' ' -f1-4 | grep ' main$' | sort -u || true)
    ! grep -q 'bookworm main' <<< "$lines" || echo "$lines"
}

packages=$(sed 's/#.*//' "$list" | tr -s ' \n' '\n' | sed '/^$/d' | paste -sd,)
log=$work/mmdebstrap.log
sources_print > "$work/sources"
mirror=() # mmdebstrap's own choice
[ ! -s "$work/sources" ] || mirror=(-)
for attempt in 1 2 3; do
    if mmdebstrap --quiet --variant=minbase --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/udev/hwdb*' \
        bookworm "$work/base.tar" "${mirror[@]}" < "$work/sources" > "$log" 2>&1; then
        image_end "$work/base.tar"
        exit 0
    fi
    [ "$attempt" = 3 ] || sleep 3
done
tail -n 20 "$log" >&2
echo "images/dom0-base.sh: mmdebstrap failed (its last lines are above)" >&2
exit 1
