# SPDX-License-Identifier: BSD-2-Clause
"""Networks: two guests and domain 0 on a bridge, interfaces that come and go, and a guest that ends in the middle."""
import re

import pytest

from guests import md5_find

ADDRESSES = {"net1": "192.168.77.51", "net2": "192.168.77.52"}
# a stream without end, at a pace that leaves the machine time for other work
STREAM = "sh -c 'while dd if=/dev/zero bs=64k count=4 2>/dev/null; do usleep 50000; done'"


@pytest.fixture
def guests(guest_keep):
    """Both of them, running."""
    return [guest_keep(name, address=address) for name, address in ADDRESSES.items()]


def interface_wait(guest, name, there=True):
    test = "-e" if there else "! -e"
    path = f"/sys/class/net/{name}"
    guest.check(f"for i in $(seq 100); do [ {test} {path} ] && break; usleep 200000; done; [ {test} {path} ]")


def received(guest):
    """Bytes that its eth0 has received, a second from now."""
    return int(re.findall(r"^\d+$", guest.check("sleep 1; cat /sys/class/net/eth0/statistics/rx_bytes"), re.M)[-1])


def memory_free(dom0):
    return int(dom0.check("xl info free_memory"))


def grants(dom0):
    """{domain: (grants of it in use, mappings it holds)} as debug key g tells."""
    found = re.findall(r"d(\d+): grant table .* (\d+) grants in use, (\d+) mappings",
                       dom0.check("xl dmesg -c > /dev/null; xl debug-keys g; xl dmesg"))
    return {int(ident): (int(used), int(mappings)) for ident, used, mappings in found}


def test_ping_between_guests_and_domain_0(guests, dom0):
    one, two = guests
    for guest, target in (one, two.address), (two, one.address), (two, "192.168.77.1"):
        output = guest.check(f"ping -c 3 -i 0.2 -s 1400 {target}")
        assert " 0% packet loss" in output, f"{guest.name} to {target}:\n{output}"


def test_tcp_between_guests_arrives_unchanged(guests):
    one, two = guests
    for server, client in (one, two), (two, one):
        written = md5_find(server.check("dd if=/dev/urandom of=/tmp/data bs=64k count=128 2>/dev/null; "
                                        "pidof httpd > /dev/null || httpd -p 8080 -h /tmp; md5sum /tmp/data"))
        found = md5_find(client.check(f"wget -q -O - http://{server.address}:8080/data | md5sum", 90))
        server.check("rm /tmp/data")
        assert found == written, f"{client.name} got something else than {server.name} sent"


def test_interfaces_come_and_go_while_the_guest_runs(guests, dom0):
    """Two more of them; each carries its own network."""
    one, _ = guests
    ident = one.ident()
    macs = [f"00:16:3e:51:00:{number:02x}" for number in (1, 2)]
    for number, mac in enumerate(macs, 1):
        dom0.check(f"xl network-attach net1 mac={mac} bridge=xenbr0")
        interface_wait(one, f"eth{number}")
        one.check(f"ip addr add 192.168.{80 + number}.2/24 dev eth{number}; ip link set eth{number} up; "
                  f"grep {mac} /sys/class/net/eth{number}/address")
        output = dom0.check(f"ip addr add 192.168.{80 + number}.1/24 dev xenbr0; "
                            f"busybox ping -c 3 -i 0.2 192.168.{80 + number}.2")
        assert " 0% packet loss" in output, output
    header, *rows = dom0.check("xl network-list net1").splitlines()
    assert header.split()[:4] == ["Idx", "BE", "Mac", "Addr."], header
    assert [row.split()[2] for row in rows[1:]] == macs, rows
    assert all(row.split()[4] == "4" for row in rows), rows
    for number, mac in enumerate(macs, 1):
        dom0.check(f"xl network-detach net1 {mac}; ip addr del 192.168.{80 + number}.1/24 dev xenbr0")
        interface_wait(one, f"eth{number}", False)
    left = dom0.check("ls /sys/class/net").split()
    assert [name for name in left if name.startswith(f"vif{ident}.")] == [f"vif{ident}.0"], left
    assert " 0% packet loss" in one.check("ping -c 3 -i 0.2 192.168.77.1")


@pytest.mark.parametrize("end", ["receiver", "sender"])
def test_guest_destroyed_in_the_middle_of_a_transfer_leaves_nothing(guest_make, guest_keep, dom0, lab, end):
    """A third guest receives without end, or sends, and is destroyed."""
    other = guest_keep("net1", address=ADDRESSES["net1"])
    # an address of its own each time: the other guest remembers whose it was
    victim = guest_make("net3", memory=128, address="192.168.77.53" if end == "receiver" else "192.168.77.54")
    dom0.check("for i in $(seq 40); do xl list | grep -q '(null)' || exit 0; sleep 0.5; done; exit 1")
    before = memory_free(dom0)
    used_before = grants(dom0)
    victim.create().wait_ready()
    sender, receiver = (other, victim) if end == "receiver" else (victim, other)
    ident = victim.ident()
    sender.check(f"(nc -ll -p 9000 -e {STREAM} > /dev/null 2>&1 &) ; sleep 1")
    receiver.check(f"(nc {sender.address} 9000 < /dev/null > /dev/null 2>&1 &) ; sleep 1")
    start = received(receiver)
    assert received(receiver) > start + 100000, "the transfer does not run"
    dom0.check("xl destroy net3")
    dom0.check(f"for i in $(seq 60); do xl list {ident} > /dev/null 2>&1 || exit 0; sleep 0.5; done; xl list; exit 1")
    other.check("killall nc; true")
    assert " 0% packet loss" in other.check("ping -c 3 -i 0.2 192.168.77.1")
    assert memory_free(dom0) == before, f"free memory was {before} MiB before and is {memory_free(dom0)} MiB now"
    if lab.hypervisor != "reference":
        used = grants(dom0)
        assert used == used_before, f"grants (in use, mapped) by domain before: {used_before}, now: {used}"
    assert f"vif{ident}.0" not in dom0.check("ls /sys/class/net").split()
