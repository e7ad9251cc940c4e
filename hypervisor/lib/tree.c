// SPDX-License-Identifier: BSD-2-Clause
/*
 * Treaps (Aragon and Seidel, "Randomized Search Trees"): see the header. Each node gets a random weight, and no child weighs
 * more than its parent: so the tree looks as if its nodes had come in random order. What is done on both sides is written once
 * (`side` and `!side`).
 */
#include "lib/tree.h"

enum { SMALLER, LARGER };

static int side_of(const struct tree_node *node)
{
    return node->parent->child[LARGER] == node ? LARGER : SMALLER;
}

/* Puts `with` (may be NULL) where `node` hangs. */
static void replace(struct tree *tree, struct tree_node *node, struct tree_node *with)
{
    if (node->parent == NULL)
        tree->root = with;
    else
        node->parent->child[side_of(node)] = with;
    if (with != NULL)
        with->parent = node->parent;
}

static void attach(struct tree_node *parent, int side, struct tree_node *child)
{
    parent->child[side] = child;
    if (child != NULL)
        child->parent = parent;
}

/* Moves `node` down to `side`; its child on the other side takes its place. */
static void rotate(struct tree *tree, struct tree_node *node, int side)
{
    struct tree_node *up = node->child[!side];

    replace(tree, node, up);
    attach(node, !side, up->child[side]);
    attach(up, side, node);
}

void tree_init(struct tree *tree, tree_compare *compare)
{
    *tree = (struct tree){ .compare = compare, .random = UINT64_C(0x9e3779b97f4a7c15) };
}

/* Marsaglia's xorshift: no guest sees any of it. */
static uint64_t next_weight(struct tree *tree)
{
    tree->random ^= tree->random << 13;
    tree->random ^= tree->random >> 7;
    return tree->random ^= tree->random << 17;
}

struct tree_node *tree_insert(struct tree *tree, struct tree_node *node)
{
    struct tree_node *parent = NULL, **link = &tree->root;

    while (*link != NULL) {
        int order = tree->compare(node, *link);

        if (order == 0)
            return *link;
        parent = *link;
        link = &parent->child[order > 0];
    }
    *node = (struct tree_node){ .parent = parent, .weight = next_weight(tree) };
    *link = node;
    while (node->parent != NULL && node->parent->weight < node->weight)
        rotate(tree, node->parent, !side_of(node));
    return NULL;
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    struct tree_node **child = node->child;

    while (child[SMALLER] != NULL && child[LARGER] != NULL)
        rotate(tree, node, child[SMALLER]->weight > child[LARGER]->weight ? LARGER : SMALLER);
    replace(tree, node, child[child[SMALLER] == NULL]);
    *node = (struct tree_node){ 0 };
}

/* The smallest at or below `node`. */
static struct tree_node *smallest(struct tree_node *node)
{
    while (node != NULL && node->child[SMALLER] != NULL)
        node = node->child[SMALLER];
    return node;
}

struct tree_node *tree_first(const struct tree *tree)
{
    return smallest(tree->root);
}

struct tree_node *tree_next(const struct tree_node *node)
{
    if (node->child[LARGER] != NULL)
        return smallest(node->child[LARGER]);
    while (node->parent != NULL && side_of(node) == LARGER)
        node = node->parent;
    return node->parent;
}
