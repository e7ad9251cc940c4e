// SPDX-License-Identifier: BSD-2-Clause
/*
 * The VGA text screen: 80 columns, 25 rows, colour memory at 0xb8000 (IBM VGA; FreeVGA documentation of the
 * CRT controller registers at 0x3d4).  vga=text-80x25 is what there is; vga=keep goes on writing once domain
 * 0 runs.
 */
#include "arch/devices.h"
#include "arch/x86/ports.h"
#include "boot_info.h"
#include "console/console.h"
#include "errno.h"
#include "lib/string.h"
#include "mm/heap.h"
#include "options.h"

#define COLUMNS 80
#define ROWS 25
#define ATTRIBUTE 0x0700 /* light grey on black */

static uint16_t *screen; /* NULL: not ours */
static unsigned row, column;
static bool keep;

static int vga_option(const char *value)
{
    const char *comma = strchr(value, ',');
    size_t length = comma != NULL ? (size_t)(comma - value) : strlen(value);

    keep = strcmp(comma != NULL ? comma + 1 : value, "keep") == 0;
    if (length == 4 && strncmp(value, "keep", 4) == 0)
        return 0;
    return length == 10 && strncmp(value, "text-80x25", 10) == 0 ? 0 : -EINVAL;
}
OPTION_FUNCTION(vga, "vga", vga_option);

static void cursor_move(void)
{
    unsigned at = row * COLUMNS + column;

    port_out8(0x3d4, 0x0e);
    port_out8(0x3d5, (uint8_t)(at >> 8));
    port_out8(0x3d4, 0x0f);
    port_out8(0x3d5, (uint8_t)at);
}

static void row_clear(unsigned which)
{
    for (unsigned i = 0; i < COLUMNS; i++)
        screen[which * COLUMNS + i] = ATTRIBUTE | ' ';
}

static void line_end(void)
{
    column = 0;
    if (++row < ROWS)
        return;
    row = ROWS - 1;
    memmove(screen, screen + COLUMNS, (ROWS - 1) * COLUMNS * sizeof(*screen));
    row_clear(row);
}

static void vga_write(const struct console_driver *, const char *text, size_t length)
{
    if (screen == NULL)
        return;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '\n')
            line_end();
        else if (c == '\r')
            column = 0;
        else if (c == '\t')
            column = min_t(unsigned, ROUND_UP(column + 1, 8u), COLUMNS - 1);
        else if (c >= ' ') {
            screen[row * COLUMNS + column] = (uint16_t)(ATTRIBUTE | c);
            if (++column == COLUMNS)
                line_end();
        }
    }
    cursor_move();
}

static const struct console_driver vga_driver = {.name = "vga", .write = vga_write};

bool vga_register(void)
{
    if (boot_info.video.kind == 2) /* a frame buffer: no text mode behind it */
        return false;
    screen = maddr_to_virt(MADDR(0xb8000));
    for (unsigned i = 0; i < ROWS; i++)
        row_clear(i);
    return console_register(&vga_driver) == 0;
}

void vga_release(void)
{
    if (!keep)
        screen = NULL;
}
