/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Balanced search trees of intrusive nodes, ordered by a function of the caller's.
 *
 * Depth is that of a tree filled in random order, whatever keys a guest chooses: about 2 ln(n), hardly ever twice that. No
 * allocation, no recursion. The caller holds the lock that guards the tree, and keeps keys unchanged while their nodes are
 * in it.
 */
#pragma once

#include "lib/base.h"

struct tree_node {
    struct tree_node *parent;
    struct tree_node *child[2]; /* smaller, larger */
    uint64_t weight; /* random */
};

/* < 0, 0, > 0 as `a` sorts before, with, or after `b`. */
typedef int tree_compare(const struct tree_node *a, const struct tree_node *b);

struct tree {
    struct tree_node *root;
    tree_compare *compare;
    uint64_t random; /* what the next node's weight is made from */
};

void tree_init(struct tree *tree, tree_compare *compare);

/* Puts in `node`, which is in no tree. Returns NULL, or the node with an equal key that is there already. */
struct tree_node *tree_insert(struct tree *tree, struct tree_node *node);

/* Takes out a node that is in this tree. */
void tree_remove(struct tree *tree, struct tree_node *node);

/* In order; NULL at the end. */
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
