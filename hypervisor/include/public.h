/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public Xen ABI, exactly as Debian's libxen-dev installs it.  This is the one place that names the
 * headers every room needs and the one place that checks their version: Xylem speaks Xen 4.17.
 */
#pragma once

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1 /* the control interface (domctl, sysctl) is hidden without it */
#endif

#include <stdint.h>
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/platform.h>
#include <xen/version.h>

#if XEN_DOMCTL_INTERFACE_VERSION != 0x00000015 || XEN_SYSCTL_INTERFACE_VERSION != 0x00000015
#error "Xylem is built against Xen 4.17's public headers: install libxen-dev 4.17 (Debian 12)"
#endif
