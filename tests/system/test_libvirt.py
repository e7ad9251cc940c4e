# SPDX-License-Identifier: BSD-2-Clause
"""Debian's libvirt with its driver for Xen: a PV guest from its definition to its end, through virsh alone."""
import re
import time

import pytest

from guests import md5_find
from rig.machine import SLOW

NAME = "virt"
ADDRESS = "192.168.77.9"
IMAGE = f"/srv/guest/{NAME}.img"
DEFINITION = f"""
<domain type='xen'>
  <name>{NAME}</name><memory unit='MiB'>160</memory><vcpu>2</vcpu>
  <os><type arch='x86_64' machine='xenpv'>linux</type><kernel>/srv/guest/vmlinux</kernel>
    <initrd>/srv/guest/initrd.gz</initrd><cmdline>console=hvc0 guest.ip={ADDRESS}/24</cmdline></os>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'><driver name='file' type='raw'/><source file='{IMAGE}'/>
      <target dev='xvda' bus='xen'/></disk>
    <interface type='bridge'><source bridge='xenbr0'/></interface>
    <console type='pty'><target type='xen' port='0'/></console>
  </devices>
</domain>
"""


class Virsh:
    """virsh in domain 0, and a shell on the guest's console."""

    def __init__(self, dom0):
        self.dom0 = dom0

    def __call__(self, command, timeout=120):
        return self.dom0.check(f"virsh -q -c xen:///system {command}", timeout)

    def wait_state(self, wanted, timeout=90):
        deadline = time.monotonic() + timeout * SLOW
        while (state := self(f"domstate {NAME}").strip()) != wanted:
            assert time.monotonic() < deadline, f"{NAME} is {state}, expected {wanted}"
            time.sleep(0.5)

    def guest(self, command):
        return self.dom0.check(f"guest-run --timeout {60 * SLOW:.0f} {NAME} '{command}'", 90)


@pytest.fixture(scope="module")
def daemons():
    """The machine on which they run, so that they are started once; they end with the last test of the file."""
    running = {}
    yield running
    if "dom0" in running and running["dom0"].machine.running():
        running["dom0"].run("pkill -x libvirtd; pkill -x virtlogd")


# Of the drivers only that for Xen: QEMU's asks for a user that another package makes, and the one for networks takes
# ten seconds to find out that there is no firewall. This emulator has no virtual-8086 extensions (vme), which every
# model of libvirt's list asks for; without a model its driver for Xen does not start.
START = """
    cd /usr/lib/x86_64-linux-gnu/libvirt/connection-driver && find . -name '*.so' ! -name '*libxl*' -delete
    sed -i '/<feature name=.vme..>/d' /usr/share/libvirt/cpu_map/*.xml
    mkdir -p /etc/libvirt /run/libvirt /var/log/libvirt/libxl
    echo 'auth_unix_rw = "none"' > /etc/libvirt/libvirtd.conf
    virtlogd -d && libvirtd -d || exit
    for i in $(seq 100); do virsh -c xen:///system version > /dev/null 2>&1 && exit; sleep 0.5; done
    cat /var/log/libvirt/*.log; exit 1"""


@pytest.fixture
def virsh(dom0, daemons):
    if daemons.get("dom0") is not dom0:
        dom0.check(START, 120)
        daemons["dom0"] = dom0
    return Virsh(dom0)


def fields(text):
    """The lines "name: value" of virsh."""
    return dict(re.findall(r"^([^:]+): +(.*)$", text, re.M))


def test_the_machine_is_described(virsh, dom0, cpu_count):
    version = virsh("version")
    assert re.search(r"Running hypervisor: Xen 4\.17\.0", version), version
    node = fields(virsh("nodeinfo"))
    assert (node["CPU model"], node["CPU(s)"]) == ("x86_64", str(cpu_count)), node
    assert 2900 << 10 < int(node["Memory size"].split()[0]) <= 3072 << 10, node
    capabilities = virsh("capabilities")
    for word in ("<os_type>xen</os_type>", '<domain type=\'xen\'', "<machine>xenpv</machine>"):
        assert word in capabilities, capabilities
    assert re.search(r"^ 0 +Domain-0 +running$", virsh("list --all"), re.M)


def test_a_guest_from_its_definition_to_its_shutdown(virsh, dom0):
    dom0.check(f"cat > /tmp/{NAME}.xml <<'END'\n{DEFINITION}\nEND\n"
               f"head -c 8M /dev/urandom > {IMAGE}; rm -f /var/log/xen/console/guest-{NAME}.log")
    virsh(f"define /tmp/{NAME}.xml")
    try:
        assert virsh(f"domstate {NAME}").strip() == "shut off"
        virsh(f"start {NAME}")
        info = fields(virsh(f"dominfo {NAME}"))
        assert (info["State"], info["OS Type"], info["CPU(s)"]) == ("running", "xen", "2"), info
        assert info["Used memory"] == f"{160 << 10} KiB", info
        assert info["Id"] == dom0.check(f"xl domid {NAME}").strip(), info
        cpus = virsh(f"vcpuinfo {NAME}")
        assert re.findall(r"^VCPU: +(\d+)$", cpus, re.M) == ["0", "1"], cpus
        assert re.search(rf"^ xvda +{IMAGE}$", virsh(f"domblklist {NAME}"), re.M)
        guest = virsh.guest("head -c 8388608 /dev/xvda | md5sum; nproc")
        assert md5_find(guest) == md5_find(dom0.check(f"md5sum {IMAGE}")), "the disk is not the file"
        assert guest.split()[-1] == "2", guest
        virsh.guest("ping -c 3 -W 5 192.168.77.1")
        virsh(f"suspend {NAME}")
        virsh.wait_state("paused")
        assert "--p---" in dom0.check(f"xl list {NAME}")
        virsh(f"resume {NAME}")
        virsh.wait_state("running")
        assert "awake" in virsh.guest("echo awake")
        assert virsh(f"ttyconsole {NAME}").startswith("/dev/pts/")
        virsh(f"save {NAME} /srv/guest/{NAME}.save")
        assert virsh(f"domstate {NAME}").strip() == "shut off"
        virsh(f"restore /srv/guest/{NAME}.save")
        assert "again" in virsh.guest("echo again")
        virsh.guest("ping -c 3 -W 5 192.168.77.1")
        virsh(f"setmem {NAME} 131072")
        virsh(f"schedinfo {NAME} --set weight=512")
        assert re.search(rf"^{NAME} +\d+ +512 ", dom0.check(f"xl sched-credit2 -d {NAME}"), re.M)
        virsh(f"shutdown {NAME}")
        virsh.wait_state("shut off")
        dom0.check(f"for i in $(seq 100); do xl domid {NAME} > /dev/null 2>&1 || exit 0; sleep 0.2; done; exit 1", 30)
    finally:
        dom0.run(f"virsh -c xen:///system destroy {NAME}; virsh -c xen:///system undefine {NAME}; "
                 f"rm -f {IMAGE} /srv/guest/{NAME}.save")
    assert NAME not in virsh("list --all")


def test_a_guest_is_created_and_destroyed(virsh, dom0):
    """Without a definition that stays."""
    dom0.check(f"truncate -s 8M {IMAGE}; cat > /tmp/{NAME}.xml <<'END'\n{DEFINITION}\nEND")
    try:
        virsh(f"create /tmp/{NAME}.xml --paused")
        assert virsh(f"domstate {NAME}").strip() == "paused"
        virsh(f"destroy {NAME}")
        assert dom0.run(f"xl domid {NAME}")[0] != 0
    finally:
        dom0.run(f"virsh -c xen:///system destroy {NAME}; rm -f {IMAGE}")
    assert NAME not in virsh("list --all")
