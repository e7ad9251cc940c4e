/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intrusive doubly linked lists.
 *
 * A `struct list` is the head; each entry embeds a `struct list_node`. The two types differ so that arguments
 * cannot be swapped: the list comes first. A node that is not on a list holds NULL links (zeroed memory is
 * such a node), so that list_node_is_linked can be asked and a second removal faults at once.
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

/* A static initialiser: struct list name = LIST_INIT(name); */
#define LIST_INIT(name) { { &(name).head, &(name).head } }

static inline void list_init(struct list *list)
{
    list->head.next = list->head.previous = &list->head;
}

static inline bool list_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline void list_node_init(struct list_node *node)
{
    node->next = node->previous = NULL;
}

static inline bool list_node_is_linked(const struct list_node *node)
{
    return node->next != NULL;
}

/* Puts `node`, which is on no list, right after `where`, which is on one (or is a list's head). */
static inline void list_insert_after(struct list_node *where, struct list_node *node)
{
    node->next = where->next;
    node->previous = where;
    where->next->previous = node;
    where->next = node;
}

static inline void list_insert_before(struct list_node *where, struct list_node *node)
{
    list_insert_after(where->previous, node);
}

static inline void list_add_head(struct list *list, struct list_node *node)
{
    list_insert_after(&list->head, node);
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
    list_node_init(node);
}

/* The first or last node, or NULL when the list is empty. */
static inline struct list_node *list_first(const struct list *list)
{
    return list_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_last(const struct list *list)
{
    return list_empty(list) ? NULL : list->head.previous;
}

/* Takes the first node off and returns it, or NULL. */
static inline struct list_node *list_pop(struct list *list)
{
    struct list_node *node = list_first(list);

    if (node != NULL)
        list_remove(node);
    return node;
}

/* Moves all of `from` to the end of `list`, in order; `from` is empty afterwards. */
static inline void list_splice_tail(struct list *list, struct list *from)
{
    if (list_empty(from))
        return;
    from->head.next->previous = list->head.previous;
    list->head.previous->next = from->head.next;
    from->head.previous->next = &list->head;
    list->head.previous = from->head.previous;
    list_init(from);
}

#define list_entry(node, type, member) container_of(node, type, member)

/* The first entry as a `type *`, or NULL when the list is empty. */
#define list_first_entry(list, type, member)                                                                 \
    (list_empty(list) ? NULL : container_of((list)->head.next, type, member))
#define list_last_entry(list, type, member)                                                                  \
    (list_empty(list) ? NULL : container_of((list)->head.previous, type, member))

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

#define list_for_each_entry_reverse(entry, list, member)                                                     \
    for (struct list_node *entry##_node_ = (list)->head.previous;                                            \
         entry##_node_ != &(list)->head &&                                                                   \
         ((entry) = container_of(entry##_node_, __typeof__(*(entry)), member), true);                        \
         entry##_node_ = entry##_node_->previous)

#define list_for_each_entry_safe(entry, list, member)                                                        \
    for (struct list_node *entry##_node_ = (list)->head.next, *entry##_next_ = entry##_node_->next;          \
         entry##_node_ != &(list)->head &&                                                                   \
         ((entry) = container_of(entry##_node_, __typeof__(*(entry)), member), true);                        \
         entry##_node_ = entry##_next_, entry##_next_ = entry##_node_->next)

#endif
