# SPDX-License-Identifier: BSD-2-Clause
include guests/guests.mk
