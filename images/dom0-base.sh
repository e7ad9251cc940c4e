#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The unchanged Debian part of domain 0's root: images/dom0-base.sh PACKAGE-LIST OUTPUT.tar
# Packages come from where this machine's own apt gets Debian 12 from.
. "$(dirname "$0")/lib.sh"
list=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
image_begin "$2"

# sources_print: deb lines for this machine's Debian sources, or the public mirror when it has none.
sources_print() {
    local lines
    lines=$(apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
            'Created-By: Packages' 'Architecture: amd64' | awk '$5 == "Debian" && $3 ~ /^bookworm/' |
            cut -d' ' -f1-4 | grep ' main$' | sort -u || true)
    if ! grep -q 'bookworm main' <<< "$lines"; then
        lines=$(printf '%s\n' 'deb http://deb.debian.org/debian bookworm main' \
                'deb http://deb.debian.org/debian-security bookworm-security main')
    fi
    echo "$lines"
}

packages=$(sed 's/#.*//' "$list" | tr -s ' \n' '\n' | sed '/^$/d' | paste -sd,)
log=$work/mmdebstrap.log
sources_print > "$work/sources"
for attempt in 1 2 3; do
    if mmdebstrap --quiet --variant=minbase --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/udev/hwdb*' \
        bookworm "$work/base.tar" - < "$work/sources" > "$log" 2>&1; then
        image_end "$work/base.tar"
        exit 0
    fi
    [ "$attempt" = 3 ] || sleep 3
done
tail -n 20 "$log" >&2
echo "images/dom0-base.sh: mmdebstrap failed (its last lines are above)" >&2
exit 1
