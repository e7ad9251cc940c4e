# SPDX-License-Identifier: BSD-2-Clause
"""The stock xenstore tools in domain 0 and in a guest, and the test programs that come with the stock toolstack."""
import re

import pytest

TOOLS_TAR = "/srv/guest/tools.tar"


@pytest.fixture
def guest(guest_keep, dom0):
    """A guest with the xenstore program and its libraries, which it unpacks from a disk."""
    dom0.check(f"""
        [ -e {TOOLS_TAR} ] || tar chf {TOOLS_TAR} -C / usr/bin/xenstore lib64/ld-linux-x86-64.so.2 \
            $(ldd /usr/bin/xenstore | grep -o '/lib[^ ]*' | grep -v ld-linux | cut -c2-)
        truncate -s %4096 {TOOLS_TAR}""")
    guest = guest_keep("store", options=f'disk = [ "format=raw, vdev=xvda, access=ro, target={TOOLS_TAR}" ]')
    guest.check("[ -e /usr/bin/xenstore ] || tar xf /dev/xvda -C /; [ -e /usr/bin/xenstore ]")
    return guest


def test_tools_in_domain_0(dom0):
    output = dom0.check("""set -ex; exec 2>&1
        fails() { if "$@"; then exit 1; fi; }
        xenstore-write /t/a one /t/b/c two; [ "$(xenstore-read /t/a)" = one ]
        [ "$(xenstore-list /t | tr '\\n' ,)" = a,b, ]
        xenstore-exists /t/b/c; fails xenstore-exists /t/none; fails xenstore-read /t/none
        xenstore-ls /t; xenstore-ls -f /t
        xenstore-chmod /t/a n0 r7; xenstore-ls -p /t
        xenstore-chmod -r /t n0 w8
        xenstore-ls -f -p /t
        xenstore-rm /t/b; fails xenstore-exists /t/b/c
        xenstore-rm /t; fails xenstore-exists /t""")
    for line in 'a = "one"', ' c = "two"', '/t/b/c = "two"':
        assert line in output.splitlines(), f"expected the line {line!r}:\n{output}"
    assert re.search(r'^a = "one".*\(n0,r7\)$', output, re.M), output
    assert re.search(r'^/t/b/c = "two".*\(n0,w8\)$', output, re.M), output


def test_watch_tells_of_changes_and_creations(dom0):
    output = dom0.check("""
        xenstore-watch -n 4 /w > /tmp/watch 2>&1 & sleep 1
        xenstore-write /w/a 1; xenstore-write /w/b/c 2; xenstore-rm /w/a; wait; xenstore-rm /w; cat /tmp/watch""")
    assert output.split() == ["/w", "/w/a", "/w/b/c", "/w/a"], output


def test_guest_reads_what_is_its_own(guest):
    ident = str(guest.ident())
    assert guest.check("xenstore read domid").split() == [ident]
    assert guest.check("xenstore read name").split() == ["store"]
    assert {"vbd", "suspend"} & set(guest.check("xenstore list device; xenstore list control").split())
    assert guest.check(f"xenstore ls /local/domain/{ident}/device/vbd").count("51712") > 0


def test_guest_and_domain_0_see_what_the_other_writes(guest, dom0):
    path = f"/local/domain/{guest.ident()}/data"
    guest.check("xenstore write data/from-guest 'hello there'")
    assert dom0.check(f"xenstore-read {path}/from-guest").strip() == "hello there"
    dom0.check(f"xenstore-write {path}/from-dom0 answer; xenstore-chmod {path}/from-dom0 n0 r{guest.ident()}")
    assert guest.check("xenstore read data/from-dom0").strip() == "answer"
    assert guest.run("xenstore write data/from-dom0 changed")[0] == 1
    assert dom0.check(f"xenstore-read {path}/from-dom0").strip() == "answer"
    guest.check("xenstore rm data/from-guest && (! xenstore exists data/from-guest)")
    assert dom0.run(f"xenstore-exists {path}/from-guest")[0] != 0


def test_guest_is_kept_out_of_what_is_not_its_own(guest, dom0):
    dom0.check("xenstore-write /secret/of hidden; xenstore-chmod /secret/of n0")
    before = dom0.check("xenstore-ls -f -p /secret; xenstore-ls -f -p /tool; xenstore-ls -f -p /local/domain/0")
    for command in ("read /secret/of", "write /secret/of 1", "write /tool/x 1", "rm /local/domain/0",
                    "chmod /local/domain/0/name b0"):
        status, output = guest.run(f"xenstore {command} 2>&1")
        assert status == 1 and "hidden" not in output, f"xenstore {command}: status {status}, {output}"
    after = dom0.check("xenstore-ls -f -p /secret; xenstore-ls -f -p /tool; xenstore-ls -f -p /local/domain/0")
    dom0.check("xenstore-rm /secret")
    assert after == before


def test_watch_in_the_guest_tells_of_what_domain_0_writes(guest, dom0):
    path = f"/local/domain/{guest.ident()}/data"
    guest.check("(xenstore watch -n 2 data > /tmp/watch 2> /dev/null &) ; sleep 1")
    dom0.check(f"xenstore-write {path}/news 1")
    seen = guest.check("for i in $(seq 30); do [ $(wc -l < /tmp/watch) = 2 ] && break; sleep 1; done; cat /tmp/watch")
    assert seen.split() == ["data", "data/news"], seen


@pytest.mark.parametrize("program, last", [
    ("test-xenstore", r"^ta err +: \d+ ns$"),
    ("test-resource", r"^ +Test grant table$"),
    ("test-cpu-policy", r"^Done: all ok$"),
    ("test-paging-mempool", r"^( +Skip: .*|Test set continuation)$"),
], ids=lambda value: value if value.startswith("test-") else "")
def test_shipped_program(dom0, program, last):
    """Each ends with status 0 and says what it does when it is content; the last one has nothing to do without SVM."""
    output = dom0.check(f"/usr/lib/xen-4.17/bin/{program} 2>&1", 120)
    assert re.search(last, output, re.M), output
    assert not re.search(r"^ *(Fail|Error)", output, re.M), output
