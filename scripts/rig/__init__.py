# SPDX-License-Identifier: BSD-2-Clause
"""The rig: starts a hypervisor with domain 0 in QEMU and talks to it. Standard library only."""
