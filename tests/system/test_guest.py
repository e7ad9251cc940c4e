# SPDX-License-Identifier: BSD-2-Clause
"""Stock PV and PVH guests with 1 and, on a machine with as many CPUs, 4 vcpus: console, disk, network, pause, reboot,
shutdown.

The tests of one class share a guest and run in this order; one that finds it gone gets a new one.
"""
import re

import pytest

from guests import Guest, md5_find

MIB = 1 << 20
DOM0_ADDRESS = "192.168.77.1"
TRANSFER_MIB = 8
TOOLS = "/usr/lib/xen-4.17/bin"


@pytest.fixture(scope="class")
def shelf(kind, vcpus, cpus):
    """Keeps the guest of one kind, number of vcpus and machine between tests."""
    kept = {}
    yield kept
    if "guest" in kept and kept["guest"].dom0.machine.running():
        kept["guest"].destroy()


@pytest.fixture
def guest(dom0, kind, vcpus, shelf):
    guest = shelf.get("guest")
    if guest is None or guest.dom0 is not dom0 or guest.ident() is None:
        guest = Guest(dom0, f"{kind}{vcpus}", kind=kind, vcpus=vcpus, disk=True, address=f"192.168.77.{20 + vcpus}")
        dom0.run(f"xl destroy {guest.name}")
        dom0.check(f"head -c 2M /dev/urandom > {guest.image}; truncate -s 32M {guest.image}")
        shelf["guest"] = guest
        guest.create().wait_ready()
    return guest


@pytest.mark.parametrize("kind, vcpus, cpus", [("pv", 1, 1), ("pv", 4, 4), ("pvh", 1, 1), ("pvh", 4, 4)],
                         ids=["pv-1vcpu", "pv-4vcpus", "pvh-1vcpu", "pvh-4vcpus"], scope="class")
class TestGuest:
    def test_boots_and_writes_to_its_console(self, guest, vcpus):
        console = guest.console()
        assert f"GUEST: cpus={vcpus} " in console, f"expected {vcpus} CPUs; the console:\n{console[-2000:]}"
        assert "GUEST: disk xvda 65536 sectors" in console, console[-2000:]
        assert re.search(r"GUEST: Linux 6\.1\S+ on xen 4\.17", console), console[-2000:]

    def test_reads_from_its_console(self, guest):
        assert "answer 42" in guest.check("echo answer $((6 * 7))")

    def test_console_carries_long_output_unchanged(self, guest):
        output = guest.check("seq 1 1500")
        numbers = [int(word) for word in re.findall(r"^\d+$", output, re.M)]
        assert numbers == list(range(1, 1501)), f"expected the numbers to 1500, {len(numbers)} arrived"

    def test_console_goes_on_after_its_daemon_was_killed_and_started_again(self, guest, dom0):
        """What its kernel says meanwhile comes later; then both directions work as before."""
        before = guest.console().count("sysrq: HELP")
        dom0.check(f"""
            pid=$(cat /run/xenconsoled.pid); kill -9 $pid; while [ -e /proc/$pid ]; do sleep 0.1; done
            xl sysrq {guest.name} h; sleep 2
            {TOOLS}/xenconsoled --log=all --pid-file=/run/xenconsoled.pid""")
        guest.wait_console("sysrq: HELP", 60, before + 1)
        assert "answer 42" in guest.check("echo answer $((6 * 7))")

    def test_reads_what_domain_0_put_on_its_disk(self, guest, dom0):
        wanted = md5_find(dom0.check(f"head -c 2M {guest.image} | md5sum"))
        found = md5_find(guest.check("head -c 2097152 /dev/xvda | md5sum"))
        assert found == wanted

    def test_writes_its_disk_and_reads_it_back(self, guest, dom0):
        written = md5_find(guest.check(
            "dd if=/dev/urandom of=/tmp/data bs=1M count=12 2>/dev/null && "
            "dd if=/tmp/data of=/dev/xvda bs=1M seek=4 conv=fsync 2>/dev/null && md5sum /tmp/data && rm /tmp/data",
            timeout=90))
        read = md5_find(guest.check("sync; echo 3 > /proc/sys/vm/drop_caches; "
                                    "dd if=/dev/xvda bs=1M skip=4 count=12 2>/dev/null | md5sum", timeout=90))
        assert read == written, "the guest reads something else than it wrote"
        behind = md5_find(dom0.check(f"dd if={guest.image} bs=1M skip=4 count=12 2>/dev/null | md5sum"))
        assert behind == written, "domain 0's file holds something else than the guest wrote"

    def test_ping_in_both_directions(self, guest, dom0):
        out = guest.check(f"ping -c 5 -i 0.2 -s 1400 {DOM0_ADDRESS}")
        assert " 0% packet loss" in out, out
        back = dom0.check(f"busybox ping -c 5 -i 0.2 -s 1400 {guest.address}")
        assert " 0% packet loss" in back, back

    def test_tcp_from_domain_0_arrives_unchanged(self, guest, dom0):
        wanted = md5_find(dom0.check(f"mkdir -p /tmp/www; head -c {TRANSFER_MIB}M /dev/urandom > /tmp/www/data; "
                                     "pgrep -f 'httpd -p 8080' > /dev/null || busybox httpd -p 8080 -h /tmp/www; "
                                     "md5sum /tmp/www/data"))
        found = md5_find(guest.check(f"wget -q -O - http://{DOM0_ADDRESS}:8080/data | md5sum", timeout=90))
        assert found == wanted

    def test_tcp_to_domain_0_arrives_unchanged(self, guest, dom0):
        wanted = md5_find(guest.check(f"head -c {TRANSFER_MIB * MIB} /dev/urandom > /tmp/data; "
                                      "pidof httpd > /dev/null || httpd -p 8080 -h /tmp; md5sum /tmp/data"))
        found = md5_find(dom0.check(f"busybox wget -q -O - http://{guest.address}:8080/data | md5sum", timeout=90))
        guest.check("rm /tmp/data")
        assert found == wanted

    def test_has_the_wall_clock_of_domain_0(self, guest, dom0):
        before = int(dom0.check("date +%s"))
        inside = int(re.findall(r"^\d{9,}$", guest.check("date +%s"), re.M)[-1])
        after = int(dom0.check("date +%s"))
        assert before - 2 <= inside <= after + 2, f"the guest's clock says {inside}, domain 0's {before} to {after}"

    def test_every_cpu_computes(self, guest, vcpus):
        """All at the same time, each with the same result."""
        jobs = "".join(f"(taskset -c {cpu} seq 1 40000 | md5sum > /tmp/sum{cpu}) & " for cpu in range(vcpus))
        output = guest.check(f"{jobs} wait; sort /tmp/sum* | uniq -c | awk '{{ print $1 \"x\" }}'", timeout=120)
        assert f"{vcpus}x" in output.split(), f"expected {vcpus} equal sums: {output}"

    def test_pause_stops_it_and_unpause_lets_it_go_on(self, guest, dom0):
        dom0.check(f"xl pause {guest.name}")
        assert "p" in guest.state(), f"xl list shows {guest.state()}, expected p"
        before = guest.cpu_seconds()
        dom0.check("sleep 2")
        assert guest.cpu_seconds() == before, "a paused guest used CPU time"
        dom0.check(f"xl unpause {guest.name}")
        assert "p" not in guest.state()
        assert "awake" in guest.check("echo awake")

    def test_reboot_gives_it_a_new_number(self, guest, dom0):
        before = guest.ident()
        dom0.check(f"xl reboot {guest.name}")
        guest.wait_ready(count=2)
        after = guest.ident()
        assert after is not None and after != before, f"domain number {before} before the reboot, {after} after"
        assert "back" in guest.check("echo back")

    def test_shutdown_ends_it(self, guest, dom0):
        dom0.check(f"xl shutdown -w {guest.name}", timeout=90)
        guest.wait_state(lambda state: state is None)


def test_pvh_guest_with_8_vcpus_uses_them_all(guest_make):
    guest = guest_make("wide", kind="pvh", vcpus=8).create().wait_ready()
    assert "GUEST: cpus=8 " in guest.console()
    assert "8" in guest.check("for cpu in $(seq 0 7); do taskset -c $cpu true && echo $cpu; done | wc -l").split()
