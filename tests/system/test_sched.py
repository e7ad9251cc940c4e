# SPDX-License-Identifier: BSD-2-Clause
"""How CPUs are shared out, by the hypervisor's own accounts: tiny guests that never rest, on a machine with two.

Shares are compared with each other and with the time that passed in domain 0, never with the time of this program:
on a slow machine all of them are late alike.
"""
import pytest

from tiny import SPIN

pytestmark = pytest.mark.cpus(2)
DOM0_WEIGHT = 4096
LOOK_PATH = "/tmp/look.py"
# In domain 0: what the hypervisor has accounted to vcpu 0 of each domain in some seconds, and with seconds of 0 where it
# is at six moments; libxenctrl asks it. xl would take its part of the CPUs for each look.
LOOK = """
import ctypes, sys, time
class Info(ctypes.Structure):       # struct xen_domctl_getvcpuinfo
    _fields_ = [("vcpu", ctypes.c_uint32), ("flags", ctypes.c_uint8 * 3), ("time", ctypes.c_uint64),
                ("cpu", ctypes.c_uint32)]
library = ctypes.CDLL("libxenctrl.so.4.17")
library.xc_interface_open.restype = ctypes.c_void_p
handle = ctypes.c_void_p(library.xc_interface_open(None, None, 0))
def ask(domain):
    info = Info()
    assert library.xc_vcpu_getinfo(handle, domain, 0, ctypes.byref(info)) == 0
    return info
def look():
    return [time.monotonic()] + [ask(domain).time / 1e9 for domain in domains]
seconds, *domains = map(int, sys.argv[1:])
if not seconds:
    for _ in range(6):
        print(ask(domains[0]).cpu)
        time.sleep(0.3)
    sys.exit()
before = look()
time.sleep(seconds)
print(*(after - first for first, after in zip(before, look())))
"""


@pytest.fixture
def look(dom0):
    """Puts LOOK into domain 0 before anything keeps the machine busy: a long command is easily lost then. Domain 0 has
    most of the weight from here on: what it is asked is done sooner, and it asks for little."""
    if dom0.run(f"[ -e {LOOK_PATH} ]")[0] != 0:
        dom0.check(f"xl sched-credit2 -d Domain-0 -w {DOM0_WEIGHT}; cat > {LOOK_PATH} <<'END'\n{LOOK}\nEND")


@pytest.fixture
def pair(look, guest_keep):
    return guest_keep.tiny("spin1", SPIN), guest_keep.tiny("spin2", SPIN)


@pytest.fixture(autouse=True)
def as_before(pair, dom0):
    """Every test starts with both running anywhere, with the same weight and no cap. They rest while that is said, which is
    done sooner then."""
    yield
    if dom0.machine.running():
        dom0.run("; ".join([f"xl pause {guest.name}" for guest in pair] + ["xl vcpu-pin 0 all all"] + [
            f"xl sched-credit2 -d {guest.name} -w 256 -c 0; xl vcpu-pin {guest.name} all all all" for guest in pair] +
            [f"xl unpause {guest.name}; xl unpause {guest.name}" for guest in pair]))


def used(dom0, guests, seconds, setup="true"):
    """(CPU seconds of each guest, seconds that passed) over some time."""
    idents = " ".join(str(guest.ident()) for guest in guests)
    output = dom0.check(f"{setup}; sleep 1; python3 {LOOK_PATH} {seconds} {idents}", seconds + 60)
    passed, *each = map(float, output.split())
    return each, passed


def pin(guest, hard, soft="all"):
    return f"xl vcpu-pin {guest.name} all {hard} {soft}"


def test_weights_of_two_to_one_give_shares_of_two_to_one(pair, dom0):
    first, second = pair
    (more, less), passed = used(dom0, pair, 8, f"{pin(first, 1)}; {pin(second, 1)}; xl sched-credit2 -d spin1 -w 512")
    assert less > 0 and 1.6 <= more / less <= 2.5, f"{more} s and {less} s of {passed:.1f} s"
    assert more + less <= passed * 1.1, f"{more} s and {less} s of one CPU in {passed:.1f} s"
    (one, other), passed = used(dom0, pair, 5, "xl sched-credit2 -d spin1 -w 256")
    assert other > 0 and 0.75 <= one / other <= 1.33, f"equal weights: {one} s and {other} s of {passed:.1f} s"


def test_a_cap_holds_though_the_cpu_is_free(pair, dom0):
    (capped, free), passed = used(dom0, pair, 6, f"{pin(pair[0], 0)}; {pin(pair[1], 1)}; "
                                                  "xl sched-credit2 -d spin1 -c 30")
    assert 0.2 * passed <= capped <= 0.38 * passed, f"a cap of 30 %: {capped} s of {passed:.1f} s"
    assert free > capped * 1.3, f"the other has no cap: {free} s beside {capped} s"


def test_all_cpus_are_busy_when_there_is_work(pair, dom0):
    """Both guests and domain 0 begin on one CPU. Let go, the guests use the other one too, which nothing else wakes."""
    (first, second), passed = used(dom0, pair, 3, "xl vcpu-pin 0 all 1; " + "; ".join(pin(guest, 1) for guest in pair))
    assert first + second <= passed * 1.05, f"one CPU gave {first} s and {second} s in {passed:.1f} s"
    (first, second), passed = used(dom0, pair, 5, "; ".join(pin(guest, "all") for guest in pair))
    assert first + second >= passed * 1.6, f"{first} s and {second} s of two CPUs in {passed:.1f} s"
    assert min(first, second) >= passed * 0.5, f"{first} s and {second} s of two CPUs in {passed:.1f} s"


def places(dom0, guest):
    return dom0.check(f"python3 {LOOK_PATH} 0 {guest.ident()}").split()


@pytest.mark.long
def test_soft_affinity_is_followed_while_there_is_room_and_hard_affinity_always(pair, dom0):
    """Domain 0 stays on one CPU; the guest begins there, too, would like the other one, and gets there."""
    first, second = pair
    dom0.check(f"xl pause {second.name}")
    for cpu, other in ((0, 1), (1, 0)):
        dom0.check(f"xl vcpu-pin 0 all {other}; {pin(first, other)}; sleep 0.5")
        assert set(places(dom0, first)) == {str(other)}
        dom0.check(f"{pin(first, 'all', cpu)}; sleep 1")
        seen = places(dom0, first)
        assert seen.count(str(cpu)) >= 5, f"it would like CPU {cpu}, which is free: {seen}"


@pytest.mark.long
def test_pauses_are_counted(pair, dom0):
    guest = pair[0]
    dom0.check("xl pause spin1; xl pause spin1; xl unpause spin1")
    assert "p" in guest.state()
    before = guest.cpu_seconds()
    dom0.check("sleep 1")
    assert guest.cpu_seconds() == before, "it was paused twice and let go once, and ran"
    dom0.check("xl unpause spin1; sleep 2")
    assert "p" not in guest.state() and guest.cpu_seconds() > before
