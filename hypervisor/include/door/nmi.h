/* SPDX-License-Identifier: BSD-2-Clause */
/* NMIs for guests (door/nmi.c). */
#ifndef XYLEM_DOOR_NMI_H
#define XYLEM_DOOR_NMI_H

struct vcpu;
/* v gets one NMI, as soon as it may; several at once are one. Any context without locks. */
void nmi_send(struct vcpu *v);
/* Start of day: the machine's NMIs go to domain 0. */
void nmi_init(void);

#endif
