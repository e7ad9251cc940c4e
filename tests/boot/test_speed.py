# SPDX-License-Identifier: BSD-2-Clause
"""No fast path is slower than its budget: bench/run counts instructions, so that the answer is the same on any machine.

docs/performance.md tells what the budgets are and how to find where a path's instructions go.
"""
import os
import subprocess

import pytest

from rig import qemu

pytestmark = [pytest.mark.bare, pytest.mark.xylem]


def test_fast_paths_are_within_their_budgets(request):
    command = [os.path.join(qemu.ROOT, "bench", "run"), "--only", "--check", "--no-linux", "--no-boot",
               "--hypervisor", request.config.getoption("--hypervisor")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
