// SPDX-License-Identifier: BSD-2-Clause
/* Trees and heaps: order, removal from anywhere, and the inner rules after every step. */
#include "lib_test.h"

#include <xen/errno.h>

#include "lib/heap.h"
#include "lib/tree.h"

enum { ITEMS = 300, STEPS = 20000 };

struct item {
    int number;
    struct tree_node node;
    struct heap_entry timer;
    bool in;
};

static int item_compare(const struct tree_node *a, const struct tree_node *b)
{
    return container_of(a, struct item, node)->number - container_of(b, struct item, node)->number;
}

/* Checks the rules of a treap below `node`; returns its height. */
static int tree_check(const struct tree_node *node, const struct tree_node *parent)
{
    int heights[2];

    if (node == NULL)
        return 0;
    assert_ptr_equal(node->parent, parent);
    assert_true(parent == NULL || node->weight <= parent->weight);
    for (int side = 0; side < 2; side++) {
        heights[side] = tree_check(node->child[side], node);
        if (node->child[side])
            assert_true(side ? item_compare(node->child[side], node) > 0 : item_compare(node->child[side], node) < 0);
    }
    return 1 + max(heights[0], heights[1]);
}

static void tree_check_contents(const struct tree *tree, const struct item *items)
{
    const struct tree_node *node = tree_first(tree);

    for (int i = 0; i < ITEMS; i++) {
        if (items[i].in) {
            assert_ptr_equal(node, &items[i].node);
            node = tree_next(node);
        }
    }
    assert_null(node);
}

static void trees_stay_balanced_whatever_happens(void **state)
{
    static struct item items[ITEMS];
    uint64_t seed = 3;
    struct tree tree;

    (void)state;
    tree_init(&tree, item_compare);
    assert_null(tree_first(&tree));
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct item){ .number = i };
    for (int step = 0; step < STEPS; step++) {
        /* Stretches that mostly insert alternate with those that mostly remove. */
        struct item *item = &items[random_next(&seed) % ITEMS];
        bool insert = random_next(&seed) % 10 < (step / 1000 % 2 == 0 ? 8u : 2u);

        if (insert) {
            struct item twin = { .number = item->number };

            assert_ptr_equal(tree_insert(&tree, item->in ? &twin.node : &item->node),
                             item->in ? &item->node : NULL);
            item->in = true;
        } else if (item->in) {
            tree_remove(&tree, &item->node);
            item->in = false;
        }
        assert_true(tree_check(tree.root, NULL) <= 40); /* 300 nodes in random order: 20 or so */
        if (step % 500 == 0)
            tree_check_contents(&tree, items);
    }
}

static void sorted_insertion_gives_a_low_tree(void **state)
{
    static struct item items[4096];
    struct tree tree;

    (void)state;
    tree_init(&tree, item_compare);
    for (int i = 0; i < 4096; i++) {
        items[i].number = i;
        assert_null(tree_insert(&tree, &items[i].node));
    }
    assert_true(tree_check(tree.root, NULL) <= 40);
}

static void heap_check(const struct heap *heap, const struct item *items)
{
    size_t in = 0;

    for (size_t i = 0; i < heap->count; i++) {
        assert_int_equal(heap->slots[i]->number, i + 1);
        assert_true(i == 0 || heap->slots[(i - 1) / 2]->key <= heap->slots[i]->key);
    }
    for (int i = 0; i < ITEMS; i++) {
        assert_int_equal(heap_contains(&items[i].timer), items[i].in);
        in += items[i].in;
    }
    assert_int_equal(in, heap->count);
}

static void heap_step(struct heap *heap, struct item *item, uint64_t *seed)
{
    uint64_t key = random_next(seed) % 50;

    if (!item->in) {
        bool full = heap->count == heap->capacity;

        assert_int_equal(heap_insert(heap, &item->timer, key), full ? -XEN_ENOSPC : 0);
        item->in = !full;
    } else {
        heap_remove(heap, &item->timer);
        item->in = false;
    }
}

static void heaps_give_the_smallest_key_first(void **state)
{
    static struct item items[ITEMS];
    struct heap_entry **slots = malloc(8 * sizeof(*slots));
    uint64_t seed = 4, before = 0;
    struct heap heap;

    (void)state;
    heap_init(&heap, slots, 8);
    assert_null(heap_first(&heap));
    for (int step = 0; step < STEPS; step++) {
        heap_step(&heap, &items[random_next(&seed) % ITEMS], &seed);
        heap_check(&heap, items);
        if (step % 1000 == 999) { /* grows into exact memory, in steps up to all items */
            slots = malloc(heap.capacity * 3 / 2 * sizeof(*slots));
            free(heap_grow(&heap, slots, heap.capacity * 3 / 2));
        }
    }
    while (heap_first(&heap) != NULL) {
        struct item *item = container_of(heap_first(&heap), struct item, timer);

        assert_true(item->timer.key >= before);
        before = item->timer.key;
        heap_remove(&heap, &item->timer);
    }
    free(heap.slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_stay_balanced_whatever_happens),
        cmocka_unit_test(sorted_insertion_gives_a_low_tree),
        cmocka_unit_test(heaps_give_the_smallest_key_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
