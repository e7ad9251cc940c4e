// SPDX-License-Identifier: BSD-2-Clause
/*
 * The two forms of a structure, from the letters of its fields (mm/guest_form.h).  Alignment: System V ABI, i386
 * supplement (nothing to more than 4) and AMD64 supplement (each field to its size); every structure that differs has a
 * field of 8 bytes, so its size is a multiple of 8 in the one and of 4 in the other.
 */
#include "mm/guest_form.h"

#include "errno.h"
#include "lib/string.h"
#include "log.h"

struct form_field {
    size_t at, size, at_32, size_32;
};

static void field_align(struct form_field *f, size_t alignment)
{
    f->at = ROUND_UP(f->at, alignment);
    f->at_32 = ROUND_UP(f->at_32, min_t(size_t, alignment, 4));
}

/* From one field to the next, from a zeroed one to the first.  False: there is none, f is the end of the structure. */
static bool field_next(struct form_field *f, const char **form)
{
    f->at += f->size;
    f->at_32 += f->size_32;
    for (; **form == '.'; ++*form)
        field_align(f, 8);
    switch (*(*form)++) {
    case 'h':
        f->size = f->size_32 = 2;
        break;
    case 'i':
        f->size = f->size_32 = 4;
        break;
    case 'q':
        f->size = f->size_32 = 8;
        break;
    case 'l':
        f->size = 8;
        f->size_32 = 4;
        break;
    default:
        field_align(f, 8);
        return false;
    }
    field_align(f, f->size);
    return true;
}

size_t form_size_32(const char *form)
{
    struct form_field f = {0};

    while (field_next(&f, &form))
        ;
    ASSERT(f.at_32 <= FORM_MAX);
    return f.at_32;
}

size_t form_offset_32(const char *form, size_t offset)
{
    struct form_field f = {0};

    while (field_next(&f, &form) && f.at != offset)
        ;
    return f.at_32;
}

int guest_read_32(void *to, guest_addr_t from, size_t size, const char *form)
{
    struct form_field f = {0};
    uint8_t raw[FORM_MAX];

    if (guest_read(raw, from, form_size_32(form)))
        return -EFAULT;
    memset(to, 0, size);
    while (field_next(&f, &form)) /* little-endian: the low half of a word comes first */
        memcpy((char *)to + f.at, raw + f.at_32, f.size_32);
    ASSERT(f.at == size);
    return 0;
}

int guest_write_32(guest_addr_t to, const void *from, const char *form)
{
    struct form_field f = {0};
    uint8_t raw[FORM_MAX] = {0};
    const char *fields = form;

    while (field_next(&f, &fields))
        memcpy(raw + f.at_32, (const char *)from + f.at, f.size_32);
    return guest_write(to, raw, f.at_32);
}
