# SPDX-License-Identifier: BSD-2-Clause
"""The commands of the stock xl that only look."""
import re


def test_xl_info(dom0):
    output = dom0.check("xl info")
    fields = dict(re.findall(r"^(\w+) *: ?(.*)$", output, re.M))
    assert fields["xen_major"] == "4" and fields["xen_minor"] == "17", output
    assert fields["xen_version"].startswith("4.17"), output
    assert "xen-3.0-x86_64" in fields["xen_caps"].split(), output
    assert "pv" in fields["virt_caps"].split(), output
    assert fields["xen_pagesize"] == "4096", output
    total, free = int(fields["total_memory"]), int(fields["free_memory"])
    assert 2900 < total <= 3072, f"expected nearly 3072 MiB, found {total}"
    assert 1000 < free < total - 1024, f"expected what domain 0's 1024 MiB leave of {total} MiB, found {free}"
    assert "dom0_mem=1024M" in fields["xen_commandline"], output


def test_xl_list(dom0, cpu_count):
    output = dom0.check("xl list")
    header, domain0 = output.splitlines()
    assert header.split() == ["Name", "ID", "Mem", "VCPUs", "State", "Time(s)"]
    name, ident, memory, vcpus, state, seconds = domain0.split()
    assert (name, ident, vcpus) == ("Domain-0", "0", str(cpu_count)), output
    assert 1000 <= int(memory) <= 1024, output
    assert state == "r-----", output
    assert float(seconds) > 0, output


def test_xl_dmesg_is_what_the_console_showed(machine):
    console = machine.text()
    output = machine.dom0.check("xl dmesg")
    lines = [line.strip() for line in output.splitlines() if len(line.strip()) > 30]
    assert len(lines) > 10, f"expected the hypervisor's boot messages, found:\n{output}"
    missing = [line for line in lines[-12:-2] if line not in console]
    assert not missing, f"these lines of xl dmesg were never on the console: {missing}"


def test_time_of_domain_0_runs_at_the_pace_of_the_machine(dom0):
    """System time against the emulated real-time clock, which QEMU drives."""
    output = dom0.check("""
        rtc() { awk '{ print $1 }' /sys/class/rtc/rtc0/since_epoch; }
        modprobe rtc_cmos 2>/dev/null; ls /sys/class/rtc/rtc0 > /dev/null || { echo none; exit 0; }
        a=$(date +%s.%N) r=$(rtc); sleep 20; b=$(date +%s.%N) s=$(rtc)
        echo "$a $b $r $s" | awk '{ printf "%.2f %d\\n", $2 - $1, $4 - $3 }'""", timeout=90)
    if output.strip() == "none":
        assert 20 <= float(dom0.check("a=$(date +%s.%N); sleep 20; b=$(date +%s.%N); echo $a $b | awk '{print $2-$1}'",
                                      timeout=90)) < 25
        return
    system, rtc = output.split()
    assert abs(float(system) - int(rtc)) <= 1.5, f"system time advanced {system} s, the real-time clock {rtc} s"
