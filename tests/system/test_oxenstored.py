# SPDX-License-Identifier: BSD-2-Clause
"""The core of the toolstack's work with oxenstored, the store that Debian ships beside xenstored: a boot of its own."""
import pytest

from guests import Guest, free_memory, md5_find
from rig.machine import Machine

pytestmark = pytest.mark.bare


@pytest.fixture(scope="module")
def dom0(request):
    with Machine(cpus=1, hypervisor=request.config.getoption("--hypervisor"), kernel="elf", name="oxenstored",
                 icount=request.config.lab.icount(1),
                 dom0_cmdline="xylem.mode=agent xylem.store=oxenstored") as machine:
        machine.dom0.ready(240)
        yield machine.dom0


@pytest.fixture(scope="module")
def guest(dom0):
    guest = Guest(dom0, "ox", disk=True, address="192.168.77.60")
    dom0.check(f"truncate -s 8M {guest.image}")
    return guest.create().wait_ready()


def test_the_store_is_oxenstored(dom0):
    assert dom0.check("cat /proc/$(cat /run/xenstored.pid)/comm").strip() == "oxenstored"
    dom0.check("xenstore-write /t/a 1; [ $(xenstore-read /t/a) = 1 ]; xenstore-rm /t")


def test_guest_has_console_disk_and_network(guest):
    assert "answer 42" in guest.check("echo answer $((6 * 7))")
    written = md5_find(guest.check("dd if=/dev/urandom bs=64k count=64 2>/dev/null | tee /dev/xvda | md5sum; sync"))
    read = guest.check("echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/xvda bs=64k count=64 2>/dev/null | md5sum")
    assert md5_find(read) == written
    assert " 0% packet loss" in guest.check("ping -c 3 -i 0.2 -s 1400 192.168.77.1")


def test_disk_and_network_come_and_go(guest, dom0):
    dom0.check("truncate -s 8M /srv/guest/ox2.img; xl network-attach ox bridge=xenbr0; "
               "xl block-attach ox format=raw,vdev=xvdb,access=rw,target=/srv/guest/ox2.img")
    wait = "for i in $(seq 100); do [ {0} /dev/xvdb -a {0} /sys/class/net/eth1 ] && exit 0; usleep 200000; done; exit 1"
    guest.check(f"({wait.format('-e')})")
    dom0.check("xl block-detach ox xvdb; xl network-detach ox 1")
    guest.check(f"({wait.format('! -e')})")


@pytest.mark.long
def test_guest_reboots_and_is_destroyed_and_nothing_is_left(guest, dom0):
    before = guest.ident()
    dom0.check("xl reboot ox")
    guest.wait_ready(count=2)
    assert guest.ident() > before
    assert "back" in guest.check("echo back")
    guest.destroy()
    guest.wait_state(lambda state: state is None)
    assert dom0.check("xenstore-list /local/domain").split() == ["0"]
    free = free_memory(dom0)
    guest.dom0.check(f"truncate -s 8M {guest.image}")
    guest.create().wait_ready()
    guest.destroy()
    assert free_memory(dom0) == free


def test_machine_powers_off(dom0):
    assert dom0.power_off(90) == 0
    assert not dom0.machine.fatal_lines()
