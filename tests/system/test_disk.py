# SPDX-License-Identifier: BSD-2-Clause
"""Disks of guests: files and volumes through blkback, qcow2 images through QEMU, attached and detached at run time."""
import pytest

from guests import md5_find

QCOW2 = "/srv/guest/disks-root.qcow2"
RAW = "/srv/guest/disks-raw.img"


@pytest.fixture
def guest(guest_keep, dom0):
    """A guest whose first disk is a qcow2 image, so that it has a QEMU."""
    dom0.check(f"[ -e {QCOW2} ] || qemu-img create -q -f qcow2 {QCOW2} 64M")
    return guest_keep("disks", options=f'disk = [ "format=qcow2, vdev=xvda, access=rw, target={QCOW2}" ]')


def node_wait(guest, node, there=True):
    """Waits until the guest has, or no longer has, /dev/NODE."""
    test = "-b" if there else "! -b"
    guest.check(f"for i in $(seq 100); do [ {test} /dev/{node} ] && break; usleep 200000; done; [ {test} /dev/{node} ]")


def write_random(guest, node, mib):
    """Fills the start of a disk of the guest: the MD5 of what it wrote. No two blocks are alike, though a guest's random
    numbers, which take long, are only the first of them: each copy of them begins elsewhere."""
    return md5_find(guest.check(f"head -c 1000000 /dev/urandom > /tmp/seed; for i in $(seq {mib * 2}); do echo $i; "
                                f"cat /tmp/seed; done | head -c {mib << 20} | tee /dev/{node} | md5sum; sync; rm /tmp/seed", 150))


def read_back(guest, node, mib):
    """The MD5 of the start of a disk, read from its back end."""
    return md5_find(guest.check(f"echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/{node} bs=64k count={mib * 16} "
                                "2>/dev/null | md5sum", 150))


def block_count(dom0):
    return len(dom0.check("xl block-list disks").splitlines()) - 1


def raw_file_comes_and_goes(guest, dom0, mib):
    """A file is attached, written, read and detached again: it holds what the guest wrote."""
    dom0.check(f"rm -f {RAW}; truncate -s {mib}M {RAW}; "
               f"xl block-attach {guest.name} format=raw,vdev=xvdb,access=rw,target={RAW}")
    node_wait(guest, "xvdb")
    written = write_random(guest, "xvdb", mib)
    assert read_back(guest, "xvdb", mib) == written, "the guest reads something else than it wrote"
    dom0.check(f"xl block-detach {guest.name} xvdb")
    node_wait(guest, "xvdb", False)
    assert md5_find(dom0.check(f"md5sum {RAW}")) == written, "the file holds something else than the guest wrote"
    dom0.check(f"rm {RAW}")


@pytest.mark.long
def test_raw_file_holds_64_mib_unchanged(guest, dom0):
    raw_file_comes_and_goes(guest, dom0, 64)


def test_raw_file_comes_and_goes_at_a_pvh_guest(guest_keep, dom0):
    raw_file_comes_and_goes(guest_keep("disks-pvh", kind="pvh"), dom0, 16)


def test_qcow2_image_through_qemu_holds_what_was_written(guest, dom0):
    """The one of its configuration, and one more that its QEMU is given at run time."""
    assert "qemu" in dom0.check("cat /proc/$(xenstore-read /local/domain/$(xl domid disks)/image/device-model-pid)/comm")
    assert dom0.check("xenstore-read /local/domain/0/backend/qdisk/$(xl domid disks)/51712/state").strip() == "4"
    hot = QCOW2.replace("root", "hot")
    dom0.check(f"qemu-img create -q -f qcow2 {hot} 64M; "
               f"xl block-attach disks format=qcow2,vdev=xvdc,access=rw,target={hot}")
    node_wait(guest, "xvdc")
    for node in "xvda", "xvdc":
        written = write_random(guest, node, 8)
        assert read_back(guest, node, 8) == written, f"the guest reads something else than it wrote to {node}"
    dom0.check("xl block-detach disks xvdc")
    node_wait(guest, "xvdc", False)
    dom0.check(f"qemu-img check -q {hot}")
    raw = dom0.check(f"qemu-img convert -O raw {hot} {RAW}; head -c 8M {RAW} | md5sum; rm {RAW} {hot}", 90)
    assert md5_find(raw) == written, "the image holds something else than the guest wrote"


def test_volume_of_lvm_on_a_loop_device(guest, dom0):
    """No udev here: LVM makes the nodes itself."""
    dom0.check(f"""
        set -e; export DM_DISABLE_UDEV=1; modprobe dm-mod; truncate -s 48M {RAW}
        loop=$(losetup -f --show {RAW}); pvcreate -qq $loop; vgcreate -qq vg0 $loop; lvcreate -qq -y -Zn -L 32M -n lv0 vg0
        xl block-attach disks phy:/dev/vg0/lv0 xvdd w""", 90)
    node_wait(guest, "xvdd")
    assert guest.check("cat /sys/block/xvdd/size").strip() == "65536"
    written = write_random(guest, "xvdd", 4)
    dom0.check("xl block-detach disks xvdd")
    found = md5_find(dom0.check("head -c 4M /dev/vg0/lv0 | md5sum"))
    dom0.check(f"export DM_DISABLE_UDEV=1; vgremove -qq -f vg0 && losetup -D; rm {RAW}", 90)
    assert found == written


def test_block_list_shows_every_disk(guest, dom0):
    header, row = dom0.check("xl block-list disks").splitlines()
    assert header.split() == ["Vdev", "BE", "handle", "state", "evt-ch", "ring-ref", "BE-path"]
    node, backend, _, state, _, _, path = row.split()
    assert (node, backend, state) == ("51712", "0", "4"), row
    assert path == f"/local/domain/0/backend/qdisk/{guest.ident()}/51712"


def test_disk_that_does_not_exist_is_refused(guest, dom0):
    status, output = dom0.run("xl block-attach disks format=raw,vdev=xvdb,access=rw,target=/srv/guest/none.img")
    assert status != 0, output
    assert block_count(dom0) == 1, "the refused disk is still listed"
