# SPDX-License-Identifier: BSD-2-Clause
"""What the stock tools say of the machine and of a running guest, and how they end where there is nothing to say."""
import json
import re

import pytest

from guests import core_check

TOOLS = "/usr/lib/xen-4.17/bin"


@pytest.fixture
def guest(guest_keep):
    return guest_keep("tools", vcpus=2)


def rows(output):
    """The lines of a table as lists of words, without its header."""
    return [line.split() for line in output.splitlines()[1:] if line.strip()]


# ---- the machine

def test_xl_info_n_shows_topology_and_nodes(dom0, cpu_count):
    output = dom0.check("xl info -n")
    cpus = re.findall(r"^ +(\d+): +(\d+) +(\d+) +(\d+)$", output.split("device topology")[0], re.M)
    assert [int(row[0]) for row in cpus] == list(range(cpu_count)), output
    node = re.search(r"^ +0: +(\d+) +(\d+) +10$", output.split("numa_info")[1], re.M)
    assert node and 2900 < int(node.group(1)) <= 3073 and int(node.group(2)) < int(node.group(1)), output


def test_xl_dmesg_c_empties_the_ring(dom0):
    dom0.check("xl dmesg -c > /tmp/ring; [ -s /tmp/ring ]")
    assert len(dom0.check("xl dmesg")) < 200


@pytest.mark.xylem
def test_debug_keys_are_listed_and_show_what_they_say(guest, dom0, cpu_count):
    def pressed(keys):
        return dom0.check(f"xl dmesg -c > /dev/null; xl debug-keys '{keys}' && sleep 0.5 && xl dmesg", 90)
    listed = re.findall(r"key '(.)' \(ascii '..'\) => \S", pressed("h"))
    assert {"h", "*", "d", "e", "F", "g", "i", "q", "r", "R"} <= set(listed)
    ident = guest.ident()
    output = pressed("q")
    for line in (r"d0: alive, \d+ references", rf"d{ident}: alive", rf"d{ident}v0: CPU \d ",
                 rf"d{ident}v1: CPU \d "):
        assert re.search(line, output), f"{line} not in:\n{output}"
    assert len(re.findall(r"CPU\d runs (?:d0v\d|nothing), \d+ waiting", pressed("r"))) == cpu_count
    assert re.search(r"irq \d+: gsi .*\d+ arrivals.*\n(.*\n)*.* d0 pirq \d+", pressed("i"))
    every = pressed("*")
    for key in set(listed) - {"h", "*", "R"}:
        assert f"[{key}: " in every, f"key {key} was not run by *:\n{every}"


@pytest.mark.xylem
def test_every_frame_has_the_references_and_the_type_that_tables_give_it(guest, dom0):
    guest.check("true")
    output = dom0.check("xl dmesg -c > /dev/null; xl debug-keys F; xl dmesg", 120)
    assert "audit of frames: 0 wrong" in output, output


def test_xl_claims_shows_none(dom0):
    assert all(row[-1] == "0" for row in rows(dom0.check("xl claims")))


def test_the_default_cpupool_has_every_cpu_and_every_domain(guest, dom0, cpu_count):
    assert guest.ident() is not None
    assert rows(dom0.check("xl cpupool-list")) == [["Pool-0", str(cpu_count), "credit2", "y", "2"]]
    assert rows(dom0.check("xl cpupool-list -c")) == [["Pool-0", ",".join(map(str, range(cpu_count)))]]
    dom0.check("xl cpupool-migrate tools Pool-0")


@pytest.mark.xylem
def test_another_cpupool_is_refused_and_nothing_stays_of_it(dom0, cpu_count):
    before = dom0.check("xl cpupool-list -c")
    status, output = dom0.run("printf 'name=\"second\"\\nsched=\"credit2\"\\ncpus=[]\\n' > /tmp/pool.cfg; "
                              "xl cpupool-create /tmp/pool.cfg")
    assert status != 0 and "ould not create cpupool" in output, output
    assert len(rows(dom0.check("xl cpupool-list"))) == 1
    last = cpu_count - 1
    _, output = dom0.run(f"xl cpupool-cpu-remove Pool-0 {last}")
    assert f"Error removing cpu {last} from cpupool: Operation not supported" in output, output
    assert dom0.check("xl cpupool-list -c") == before


def test_scheduling_parameters_can_be_set_and_read(guest, dom0):
    output = dom0.check("xl sched-credit2 -d tools -w 512 -c 50; xl sched-credit2 -d tools; "
                        "xl sched-credit2 -d tools -w 256 -c 0; xl sched-credit2 -d tools")
    ident = str(guest.ident())
    assert [row[1:] for row in rows(output) if row[0] == "tools"] == [[ident, "512", "50"], [ident, "256", "0"]], output
    output = dom0.check("xl sched-credit2 -s -r 4000; xl sched-credit2 -s; "
                        "xl sched-credit2 -s -r 1000; xl sched-credit2 -s")
    assert re.findall(r"ratelimit=(\d+)us", output) == ["4000", "1000"], output
    assert dom0.run("xl sched-credit2 -s -r 600000")[0] != 0, "a rate limit of 600 ms is out of range"
    assert dom0.run("xl sched-credit2 -d tools -w 70000")[0] != 0, "a weight of 70000 is out of range"


def test_xenpm_knows_the_topology(dom0, cpu_count):
    assert [row[0] for row in rows(dom0.check("xenpm get-cpu-topology"))] == [f"CPU{i}" for i in range(cpu_count)]


@pytest.mark.xylem
@pytest.mark.parametrize("command, reason", [
    ("timeout 20 xentrace -D -e all -T 1 /tmp/trace", "Function not implemented"),
    ("xenhypfs ls /", "Could not open libxenhypfs"),
    ("xl set-parameters loglvl=all", "cannot set parameters"),
    ("xl psr-cat-show", "Failed to get"),
    ("xl psr-mba-show", "Failed to get"),
    ("xl psr-cmt-attach 0", "CMT is not supported"),
    ("xenlockprof", "Function not implemented"),
    ("xenperf", "Function not implemented"),
    ("xencov read", "not supported"),
    ("xen-livepatch list", "Function not implemented"),
    ("xenpm set-max-cstate 1", "No such device"),
])
def test_what_is_not_offered_fails_with_its_reason(dom0, command, reason):
    _, output = dom0.run(f"{command} 2>&1")
    assert reason in output, output


# ---- domains

def test_xl_list_l_is_json_with_every_domain(guest, dom0):
    listed = {entry["domid"]: entry["config"] for entry in json.loads(dom0.check("xl list -l 2> /dev/null"))}
    assert set(listed) == {0, guest.ident()}
    config = listed[guest.ident()]
    assert config["c_info"]["name"] == "tools" and config["b_info"]["max_vcpus"] == 2, config
    assert config["b_info"]["max_memkb"] == 160 * 1024 and config["b_info"]["sched_params"]["weight"] == 256, config


def test_vm_list_and_list_v_agree_on_the_identity(guest, dom0):
    uuid, ident, name = [row for row in rows(dom0.check("xl vm-list")) if row[-1] == "tools"][0]
    assert (int(ident), name) == (guest.ident(), "tools")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid), uuid
    assert uuid in dom0.check("xl list -v tools")


def test_domid_domname_and_rename(guest, dom0):
    ident = guest.ident()
    output = dom0.check(f"xl domname {ident}; xl rename tools other; xl domname {ident}; xl domid other; "
                        f"xl domid tools || echo unknown; xl rename other tools; xl domid tools")
    assert output.split() == ["tools", "other", str(ident), "unknown", str(ident)] or "unknown" in output, output
    assert guest.ident() == ident


def test_uptime_shows_every_domain(guest, dom0):
    times = {row[0]: row[1:] for row in rows(dom0.check("xl uptime"))}
    assert set(times) == {"Domain-0", "tools"} and times["tools"][0] == str(guest.ident())
    assert re.fullmatch(r"\d+:\d\d:\d\d", times["tools"][1]), times


def test_xentop_in_batch_mode_measures_twice(guest, dom0, cpu_count):
    output = dom0.check("TERM=vt100 xentop -b -i 2 -d 1", 90)
    tables = output.split("      NAME")[1:]
    assert len(tables) == 2, output
    for table in tables:
        found = {row[0]: row for row in rows(table)}
        assert found["tools"][4] == str(160 * 1024) and found["tools"][8] == "2", table
        assert found["tools"][-1] == "0", f"a security label without a security module: {table}"
        assert found["Domain-0"][1] == "-----r" and int(found["Domain-0"][2]) > 0, table
    used = float([row for row in rows(tables[1]) if row[0] == "Domain-0"][0][3])
    assert 0 < used <= 105 * cpu_count, f"domain 0 used {used} % of {cpu_count} CPUs"
    assert guest.state() is not None


def test_xentop_shows_vcpus(guest, dom0, cpu_count):
    output = dom0.check("TERM=vt100 xentop -b -i 1 -v", 60)
    assert guest.state() is not None
    shown = re.findall(r"^VCPUs\(sec\):((?: +\d+: +\d+s)+)", output, re.M)
    assert [line.count(":") for line in shown] == [cpu_count, 2], output    # domain 0 and it


def test_magic_sysrq_and_nmi_arrive(guest, dom0):
    dom0.check("xl sysrq tools h")
    guest.wait_console("sysrq: HELP", 60)
    dom0.check("xl trigger tools nmi")
    guest.wait_console("NMI received", 60)
    assert "awake" in guest.check("echo awake")


def test_magic_sysrq_and_nmi_arrive_in_a_pvh_guest(guest_make, dom0):
    guest = guest_make("tools-pvh", kind="pvh", vcpus=2).create().wait_ready()
    dom0.check("xl sysrq tools-pvh h")
    guest.wait_console("sysrq: HELP", 60)
    dom0.check("xl trigger tools-pvh nmi 1")
    guest.wait_console("Dazed and confused", 60)
    output = dom0.check(f"xl pause tools-pvh; for v in 0 1; do {TOOLS}/xenctx {guest.ident()} $v; done; xl unpause tools-pvh")
    assert len(re.findall(r"^rip: ffffffff[0-9a-f]{8}", output, re.M)) == 2 and output.count("cs: 0010") == 2, output
    assert "awake" in guest.check("echo awake")


@pytest.mark.parametrize("trigger, reason", [("power", "Invalid argument"), ("init", "Function not implemented"),
                                             ("reset", "Function not implemented")])
def test_buttons_of_hardware_are_refused(guest, dom0, trigger, reason):
    _, output = dom0.run(f"xl trigger {guest.name} {trigger} 2>&1")
    assert reason in output, output


# ---- looking into a guest

def test_xenctx_shows_registers_and_stack_of_each_vcpu(guest, dom0):
    ident = guest.ident()
    output = dom0.check(f"xl pause tools; for v in 0 1; do {TOOLS}/xenctx {ident} $v; done; xl unpause tools")
    assert len(re.findall(r"^rip: ffffffff[0-9a-f]{8}", output, re.M)) == 2, output
    assert output.count("Stack:") == 2 and output.count("cs: e033") == 2, output
    code = re.findall(r"<([0-9a-f]{2})>", output)
    assert len(code) == 2, f"expected the byte at each rip:\n{output}"


def test_dump_core_is_an_elf_of_all_its_memory(guest, dom0):
    dom0.check("xl dump-core tools /srv/core", 120)
    core_check(dom0, "/srv/core", 160, 2)
    dom0.check("rm /srv/core")
    assert "awake" in guest.check("echo awake")
