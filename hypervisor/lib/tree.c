// SPDX-License-Identifier: BSD-2-Clause
/*
 * Red-black trees: see the header. The rules: a red node has no red child, and every way from the root down
 * to a missing child passes the same number of black nodes. The cases are those of Cormen et al.,
 * "Introduction to Algorithms", chapter 13, each written once for both sides (`side` and `!side`).
 */
#include "lib/tree.h"

enum { SMALLER, LARGER };

static bool is_red(const struct tree_node *node)
{
    return node != NULL && node->red;
}

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
    *tree = (struct tree){ .compare = compare };
}

/* Restores the rules above a red node that may have a red parent. */
static void balance_insertion(struct tree *tree, struct tree_node *node)
{
    while (is_red(node->parent)) {
        struct tree_node *parent = node->parent, *grand = parent->parent;
        int side = side_of(parent);
        struct tree_node *uncle = grand->child[!side];

        grand->red = true;
        if (is_red(uncle)) {
            parent->red = uncle->red = false;
            node = grand;
            continue;
        }
        if (side_of(node) != side) {
            rotate(tree, parent, side);
            parent = node;
        }
        parent->red = false;
        rotate(tree, grand, !side);
        break;
    }
    tree->root->red = false;
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
    *node = (struct tree_node){ .parent = parent, .red = true };
    *link = node;
    balance_insertion(tree, node);
    return NULL;
}

/* parent->child[side] lacks one black node; the sibling is black. Returns true when that is mended. */
static bool mend_with_black_sibling(struct tree *tree, struct tree_node *parent, int side)
{
    struct tree_node *sibling = parent->child[!side];

    if (!is_red(sibling->child[0]) && !is_red(sibling->child[1])) {
        bool mended = parent->red;

        sibling->red = true;
        parent->red = false;
        return mended;
    }
    if (!is_red(sibling->child[!side])) {
        sibling->child[side]->red = false;
        sibling->red = true;
        rotate(tree, sibling, !side);
        sibling = parent->child[!side];
    }
    sibling->red = parent->red;
    parent->red = false;
    sibling->child[!side]->red = false;
    rotate(tree, parent, side);
    return true;
}

/* Restores the rules where parent->child[side] lacks one black node. */
static void balance_removal(struct tree *tree, struct tree_node *parent, int side)
{
    while (parent != NULL) {
        struct tree_node *sibling = parent->child[!side];

        if (is_red(sibling)) {
            sibling->red = false;
            parent->red = true;
            rotate(tree, parent, side);
        }
        if (mend_with_black_sibling(tree, parent, side))
            return;
        if (parent->parent == NULL)
            return;
        side = side_of(parent);
        parent = parent->parent;
    }
}

/* Unlinks a node with at most one child and balances. */
static void remove_outer(struct tree *tree, struct tree_node *node)
{
    struct tree_node *child = node->child[node->child[SMALLER] == NULL];
    struct tree_node *parent = node->parent;
    int side = parent != NULL ? side_of(node) : SMALLER;

    replace(tree, node, child);
    if (is_red(child))
        child->red = false;
    else if (!node->red)
        balance_removal(tree, parent, side);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    struct tree_node *stand_in;

    if (node->child[SMALLER] == NULL || node->child[LARGER] == NULL) {
        remove_outer(tree, node);
    } else {
        /* The next node in order has no smaller child: take it out, then put it where `node` was. */
        stand_in = tree_next(node);
        remove_outer(tree, stand_in);
        replace(tree, node, stand_in);
        attach(stand_in, SMALLER, node->child[SMALLER]);
        attach(stand_in, LARGER, node->child[LARGER]);
        stand_in->red = node->red;
    }
    *node = (struct tree_node){ 0 };
}

/* Walks down for `key`, noting the last node passed that lies on `side` of it. */
static struct tree_node *find_near(const struct tree *tree, const void *key, tree_compare_key *compare,
                                   int side)
{
    struct tree_node *node = tree->root, *near = NULL;

    while (node != NULL) {
        int order = compare(key, node);

        if (order == 0)
            return node;
        if ((order < 0) == (side == LARGER))
            near = node;
        node = node->child[order > 0];
    }
    return near;
}

struct tree_node *tree_find(const struct tree *tree, const void *key, tree_compare_key *compare)
{
    struct tree_node *node = find_near(tree, key, compare, LARGER);

    return node != NULL && compare(key, node) == 0 ? node : NULL;
}

struct tree_node *tree_find_at_least(const struct tree *tree, const void *key, tree_compare_key *compare)
{
    return find_near(tree, key, compare, LARGER);
}

struct tree_node *tree_find_at_most(const struct tree *tree, const void *key, tree_compare_key *compare)
{
    return find_near(tree, key, compare, SMALLER);
}

static struct tree_node *outermost(struct tree_node *node, int side)
{
    while (node != NULL && node->child[side] != NULL)
        node = node->child[side];
    return node;
}

static struct tree_node *neighbour(const struct tree_node *node, int side)
{
    if (node->child[side] != NULL)
        return outermost(node->child[side], !side);
    while (node->parent != NULL && side_of(node) == side)
        node = node->parent;
    return node->parent;
}

struct tree_node *tree_first(const struct tree *tree)
{
    return outermost(tree->root, SMALLER);
}

struct tree_node *tree_last(const struct tree *tree)
{
    return outermost(tree->root, LARGER);
}

struct tree_node *tree_next(const struct tree_node *node)
{
    return neighbour(node, LARGER);
}

struct tree_node *tree_previous(const struct tree_node *node)
{
    return neighbour(node, SMALLER);
}
