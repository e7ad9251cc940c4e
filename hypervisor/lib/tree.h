/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Balanced search trees (red-black) of intrusive nodes, ordered by a function of the caller's.
 *
 * Depth is at most 2 log2(n + 1), whatever keys a guest chooses. No allocation, no recursion. The caller
 * holds the lock that guards the tree, and keeps keys unchanged while their nodes are in it.
 */
#ifndef LIB_TREE_H
#define LIB_TREE_H

#include "lib/base.h"

struct tree_node {
    struct tree_node *parent;
    struct tree_node *child[2]; /* smaller, larger */
    bool red;
};

/* < 0, 0, > 0 as `a` sorts before, with, or after `b`. */
typedef int tree_compare(const struct tree_node *a, const struct tree_node *b);

/* < 0, 0, > 0 as `key` sorts before, with, or after `node`. */
typedef int tree_compare_key(const void *key, const struct tree_node *node);

struct tree {
    struct tree_node *root;
    tree_compare *compare;
};

void tree_init(struct tree *tree, tree_compare *compare);

static inline bool tree_empty(const struct tree *tree)
{
    return tree->root == NULL;
}

/* Puts in `node`, which is in no tree. Returns NULL, or the node with an equal key that is there already. */
struct tree_node *tree_insert(struct tree *tree, struct tree_node *node);

/* Takes out a node that is in this tree. */
void tree_remove(struct tree *tree, struct tree_node *node);

/* The node equal to `key`, or NULL. */
struct tree_node *tree_find(const struct tree *tree, const void *key, tree_compare_key *compare);

/* The smallest node not below `key`, and the largest not above it; or NULL. */
struct tree_node *tree_find_at_least(const struct tree *tree, const void *key, tree_compare_key *compare);
struct tree_node *tree_find_at_most(const struct tree *tree, const void *key, tree_compare_key *compare);

/* In order; NULL at the end. */
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_last(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_previous(const struct tree_node *node);

#endif
