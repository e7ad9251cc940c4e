// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lists of frames, linked by frame number inside the frame table: a domain's memory, free blocks.  A list of
 * all zero bytes is empty too.
 */
#include "mm/frame.h"

void frame_list_init(struct frame_list *list)
{
    *list = (struct frame_list){.head = FRAME_LIST_END, .tail = FRAME_LIST_END};
}

static void link_between(struct frame_list *list, struct frame *f, uint32_t prev, uint32_t next)
{
    uint32_t index = (uint32_t)frame_to_mfn(f).value;

    f->prev = prev;
    f->next = next;
    *(prev == FRAME_LIST_END ? &list->head : &frame_table[prev].next) = index;
    *(next == FRAME_LIST_END ? &list->tail : &frame_table[next].prev) = index;
    list->count++;
}

void frame_list_add(struct frame_list *list, struct frame *f)
{
    link_between(list, f, list->count ? list->tail : FRAME_LIST_END, FRAME_LIST_END);
}

void frame_list_add_head(struct frame_list *list, struct frame *f)
{
    link_between(list, f, FRAME_LIST_END, list->count ? list->head : FRAME_LIST_END);
}

void frame_list_remove(struct frame_list *list, struct frame *f)
{
    *(f->prev == FRAME_LIST_END ? &list->head : &frame_table[f->prev].next) = f->next;
    *(f->next == FRAME_LIST_END ? &list->tail : &frame_table[f->next].prev) = f->prev;
    list->count--;
}

struct frame *frame_list_first(const struct frame_list *list)
{
    return list->count == 0 ? NULL : &frame_table[list->head];
}

struct frame *frame_list_next(const struct frame *f)
{
    return f->next == FRAME_LIST_END ? NULL : &frame_table[f->next];
}
