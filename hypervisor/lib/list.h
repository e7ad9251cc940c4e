/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intrusive doubly linked lists.
 *
 * A `struct list` is the head; each entry embeds a `struct list_node`. The two types differ so that arguments
 * cannot be swapped: the list comes first. A node that is not on a list holds NULL links (zeroed memory is
 * such a node), so that a second removal faults at once.
 * The caller holds whatever lock guards the list; a list must not move once it is initialised.
 */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include "lib/base.h"

struct list_node {
    struct list_node *next, *previous;
};

struct list {
    struct list_node head; /* circular: an empty list's head points at itself */
};

static inline void list_init(struct list *list)
{
    list->head.next = list->head.previous = &list->head;
}

/* Puts `node`, which is on no list, right after `where`, which is on one (or is a list's head). */
static inline void list_insert_after(struct list_node *where, struct list_node *node)
{
    node->next = where->next;
    node->previous = where;
    where->next->previous = node;
    where->next = node;
}

static inline void list_add_tail(struct list *list, struct list_node *node)
{
    list_insert_after(list->head.previous, node);
}

/* Takes a linked node off whichever list it is on. */
static inline void list_remove(struct list_node *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = NULL;
}

/*
 * Visits every entry in order. `entry` is the name of an existing variable, a pointer to the containing
 * structure; after a loop that was not left early it points at the last entry visited, if any.
 * The body may not unlink `entry`; use the _safe form for that (which tolerates that and nothing else).
 */
#define list_for_each_entry(entry, list, member)                                                             \
    for (struct list_node *entry##_node_ = (list)->head.next;                                                \
         entry##_node_ != &(list)->head &&                                                                   \
         ((entry) = container_of(entry##_node_, __typeof__(*(entry)), member), true);                        \
         entry##_node_ = entry##_node_->next)

#define list_for_each_entry_safe(entry, list, member)                                                        \
    for (struct list_node *entry##_node_ = (list)->head.next, *entry##_next_ = entry##_node_->next;          \
         entry##_node_ != &(list)->head &&                                                                   \
         ((entry) = container_of(entry##_node_, __typeof__(*(entry)), member), true);                        \
         entry##_node_ = entry##_next_, entry##_next_ = entry##_node_->next)

#endif
