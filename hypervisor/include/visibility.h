/* SPDX-License-Identifier: BSD-2-Clause */
/* Included before everything: no symbol leaves the image, so none is reached through a table of addresses. */
#ifndef __ASSEMBLER__
#pragma GCC visibility push(hidden)
#endif
