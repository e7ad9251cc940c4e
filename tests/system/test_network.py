# SPDX-License-Identifier: BSD-2-Clause
"""Networks: a guest of each kind and domain 0 on a bridge, and interfaces that come and go."""
import pytest

from guests import md5_find

ADDRESSES = {"net1": "192.168.77.51", "net2": "192.168.77.52"}
KINDS = {"net1": "pvh", "net2": "pv"}


@pytest.fixture
def guests(guest_keep):
    """Both of them, running."""
    return [guest_keep(name, kind=KINDS[name], address=address) for name, address in ADDRESSES.items()]


def interface_wait(guest, name, there=True):
    test = "-e" if there else "! -e"
    path = f"/sys/class/net/{name}"
    guest.check(f"for i in $(seq 100); do [ {test} {path} ] && break; usleep 200000; done; [ {test} {path} ]")


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
