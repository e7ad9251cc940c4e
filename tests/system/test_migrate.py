# SPDX-License-Identifier: BSD-2-Clause
"""Guests saved, restored, and moved to the same machine while they run."""
import os
import subprocess

import pytest

from guests import free_memory, upload

both_kinds = pytest.mark.parametrize("kind", ["pv", "pvh"])

# Writes all the time to memory, and after each round checks that it holds what was written: /tmp/rounds grows,
# and when something is wrong, /tmp/wrong appears and it ends.  One line, as it goes through a console.
WRITER = ("mkdir -p /mnt; mount -t tmpfs -o size=12m tmpfs /mnt; "
          "dd if=/dev/urandom of=/mnt/seed bs=64k count=32 2>/dev/null; "
          "(sum=$(md5sum < /mnt/seed); n=0; while :; do c=/mnt/copy$((n % 3)); cat /mnt/seed > $c; "
          "[ \"$(md5sum < $c)\" = \"$sum\" ] || { echo $n > /tmp/wrong; exit; }; "
          "n=$((n + 1)); echo $n > /tmp/rounds.new; mv /tmp/rounds.new /tmp/rounds; done) > /dev/null 2>&1 & true")


def rounds(guest):
    return int(guest.check("cat /tmp/rounds"))


def writer_start(guest):
    guest.check(WRITER)
    guest.check("(for i in $(seq 60); do [ -s /tmp/rounds ] && exit 0; sleep 1; done; exit 1)", timeout=90)


def writer_check(guest):
    """It goes on, and what it finds in memory was right all along."""
    before = rounds(guest)
    guest.check(f"(for i in $(seq 60); do [ $(cat /tmp/rounds) -gt {before + 3} ] && exit 0; sleep 1; done; exit 1)",
                timeout=90)
    guest.check("(! cat /tmp/wrong 2>/dev/null)")


def devices_check(guest):
    guest.check("dd if=/dev/urandom of=/tmp/data bs=64k count=8 2>/dev/null; dd if=/tmp/data of=/dev/xvda bs=64k "
                "conv=fsync 2>/dev/null; echo 3 > /proc/sys/vm/drop_caches; "
                "[ \"$(dd if=/dev/xvda bs=64k count=8 2>/dev/null | md5sum)\" = \"$(md5sum < /tmp/data)\" ]")
    guest.check("ping -c 3 -W 5 192.168.77.1", 60)


@pytest.mark.parametrize("kind", [pytest.param("pv", marks=pytest.mark.long), "pvh"])
def test_saved_guest_goes_on_where_it_was_with_disk_and_network(guest_make, dom0, kind):
    guest = guest_make("saved", kind=kind, vcpus=2, disk=True, address="192.168.77.40")
    dom0.check(f"truncate -s 8M {guest.image}")
    guest.create().wait_ready()
    writer_start(guest)
    guest.check("echo before > /tmp/mark")
    dom0.check("xl save saved /srv/saved.save", 180)
    assert guest.ident() is None
    dom0.check("xl restore /srv/saved.save", 180)
    assert guest.check("cat /tmp/mark").strip() == "before"
    writer_check(guest)
    devices_check(guest)


@pytest.mark.long
def test_pvh_guest_with_a_32_bit_kernel_runs_and_is_restored(guest_make, dom0):
    """Debian's, unmodified: its hypercalls and all it shares with the hypervisor have the 32-bit form."""
    if dom0.run("mkdir -p /srv/guest32; mountpoint -q /srv/guest32 || mount -o ro /dev/vdc /srv/guest32")[0] != 0:
        pytest.skip("no build/images/guest32.ext4: Debian's packages for i386 could not be had")
    guest = guest_make("narrow", kind="pvh", vcpus=2, disk=True, address="192.168.77.45", kernel="/srv/guest32/vmlinux",
                       ramdisk="../guest32/initrd.gz")
    dom0.check(f"truncate -s 8M {guest.image}")
    guest.create().wait_ready()
    assert "GUEST: cpus=2 " in guest.console()
    assert "i686" in guest.check("uname -m")
    dom0.check("xl save narrow /srv/narrow.save && xl restore /srv/narrow.save", 240)
    devices_check(guest)


@both_kinds
def test_checkpointed_guest_goes_on_and_its_image_can_be_restored(guest_make, dom0, kind):
    guest = guest_make("kept", kind=kind).create().wait_ready()
    ident = guest.ident()
    guest.check("echo first > /tmp/mark")
    dom0.check("xl save -c kept /srv/kept.save", 180)
    assert guest.ident() == ident
    guest.check("echo second > /tmp/mark")
    dom0.check("xl destroy kept; xl restore /srv/kept.save", 180)
    assert guest.check("cat /tmp/mark").strip() == "first"


@pytest.mark.parametrize("vcpus", [1, pytest.param(2, marks=pytest.mark.long)])
def test_guest_that_writes_memory_moves_while_it_runs(guest_make, dom0, lab, vcpus):
    if "reference" in lab.hypervisor:
        pytest.skip("Debian's build has no log-dirty mode for PV guests")
    guest = guest_make(f"moved{vcpus}", vcpus=vcpus, disk=True, address=f"192.168.77.{40 + vcpus}")
    dom0.check(f"truncate -s 8M {guest.image}")
    guest.create().wait_ready()
    writer_start(guest)
    ident = guest.ident()
    output = dom0.check(f"xl migrate -s '' {guest.name} 'xl migrate-receive' 2>&1", 300)
    assert "Migration successful" in output
    assert guest.ident() not in (None, ident)
    writer_check(guest)
    devices_check(guest)


def test_migration_that_breaks_off_leaves_the_guest_running_and_nothing_else(guest_make, dom0):
    guest = guest_make("refused").create().wait_ready()
    writer_start(guest)
    ident = guest.ident()
    broken = "head -c 30000000 | xl migrate-receive"
    status, output = dom0.run(f"xl migrate -s '' refused '{broken}' 2>&1", 180)
    assert status != 0, output
    assert guest.ident() == ident
    assert len(dom0.check("xl list").splitlines()) == 3, "the half-made domain is still there"
    writer_check(guest)


def test_destroy_in_the_middle_of_a_save_leaves_nothing_behind(guest_make, dom0):
    """A pipe that takes no more holds the save where it is."""
    before = free_memory(dom0)
    guest_make("halfway").create().wait_ready()
    status, output = dom0.run("""
        rm -f /tmp/pipe; mkfifo /tmp/pipe
        (head -c 20000000 > /dev/null; xl destroy halfway; cat > /dev/null) < /tmp/pipe &
        xl save halfway /tmp/pipe 2>&1; status=$?; wait; rm /tmp/pipe; exit $status""", 180)
    assert status != 0, f"the save of a guest that was destroyed meanwhile succeeded: {output}"
    after = free_memory(dom0)
    assert after == before, f"free memory was {before} MiB before, and is {after} MiB now"


def test_restore_of_a_broken_image_leaves_nothing_behind(guest_make, dom0):
    guest = guest_make("broken").create().wait_ready()
    dom0.check("xl save broken /srv/broken.save", 180)
    before = free_memory(dom0)
    dom0.check("truncate -s 20M /srv/broken.save")
    status, output = dom0.run("xl restore /srv/broken.save 2>&1", 180)
    assert status != 0, output
    assert guest.ident() is None
    after = free_memory(dom0)
    assert after == before, f"free memory was {before} MiB before the failed restore and is {after} MiB now"


def keeper_build(folder):
    """The program of keeper.c."""
    path = os.path.join(folder, "keeper")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper.c")
    subprocess.run(["gcc", "-O1", "-mgeneral-regs-only", "-ffreestanding", "-fno-stack-protector", "-nostdlib", "-static",
                    "-Wall", "-Wextra", "-Werror", "-Wl,-z,noseparate-code,--build-id=none", "-s", "-o", path, source],
                   check=True)
    with open(path, "rb") as program:
        return program.read()


def test_vector_registers_and_tsc_aux_are_restored(guest_make, dom0, tmp_path):
    guest = guest_make("keeper", vcpus=2, disk=True)
    program = keeper_build(tmp_path)
    with open(f"/lib/modules/{dom0.check('uname -r').strip()}/kernel/arch/x86/kernel/msr.ko", "rb") as module:
        msr = module.read()
    upload(dom0, program.ljust(4096, b"\0") + msr, guest.image)
    dom0.check(f"truncate -s 1M {guest.image}")
    guest.create().wait_ready()
    guest.check(f"head -c 4096 /dev/xvda > /tmp/keeper; tail -c +4097 /dev/xvda | head -c {len(msr)} > /tmp/msr.ko; "
                "chmod +x /tmp/keeper; insmod /tmp/msr.ko && ls /dev/cpu/1/msr")
    guest.check("for i in 1 2 3; do /tmp/keeper > /tmp/signs$i 2>&1 < /dev/null & done; true")

    def signs_go_on():
        guest.check("(for i in 1 2 3; do n=$(stat -c %s /tmp/signs$i); for t in $(seq 120); do "
                    "[ $(stat -c %s /tmp/signs$i) -gt $n ] && continue 2; sleep 0.5; done; "
                    "head -c 100 /tmp/signs?; exit 1; done); ! grep -l '[^.]' /tmp/signs1 /tmp/signs2 /tmp/signs3", 250)
    signs_go_on()
    dom0.check("xl save keeper /srv/keeper.save", 180)
    dom0.check("xl restore /srv/keeper.save", 180)
    signs_go_on()
