// SPDX-License-Identifier: BSD-2-Clause
/* Lists, trees and heaps: order, removal from anywhere, and the inner rules after every step. */
#include "lib_test.h"

#include <xen/errno.h>

#include "lib/heap.h"
#include "lib/list.h"
#include "lib/tree.h"

enum { ITEMS = 300, STEPS = 20000 };

struct item {
    int number;
    struct list_node link;
    struct tree_node node;
    struct heap_entry timer;
    bool in;
};

static void expect_list(struct list *list, const char *numbers)
{
    struct item *item;
    const char *next = numbers;

    list_for_each_entry(item, list, link)
        assert_int_equal(item->number, *next++ - '0');
    assert_int_equal(*next, '\0');
    list_for_each_entry_reverse(item, list, link)
        assert_int_equal(item->number, *--next - '0');
    assert_ptr_equal(next, numbers);
}

static void lists_keep_order_and_allow_removal_in_a_walk(void **state)
{
    struct list list = LIST_INIT(list), other;
    struct item items[7] = { 0 }, *item = NULL;

    (void)state;
    list_init(&other);
    for (int i = 0; i < 7; i++)
        items[i].number = i;
    assert_true(list_empty(&list) && list_first(&list) == NULL && list_pop(&list) == NULL);
    assert_null(list_first_entry(&list, struct item, link));
    list_add_tail(&list, &items[1].link);
    list_add_tail(&list, &items[3].link);
    list_add_head(&list, &items[0].link);
    list_insert_before(&items[3].link, &items[2].link);
    list_insert_after(&items[3].link, &items[4].link);
    expect_list(&list, "01234");
    list_for_each_entry_safe(item, &list, link) {
        if (item->number % 2 == 1)
            list_remove(&item->link);
    }
    expect_list(&list, "024");
    assert_false(list_node_is_linked(&items[1].link));
    assert_true(list_node_is_linked(&items[0].link));
    list_add_tail(&other, &items[5].link);
    list_add_tail(&other, &items[6].link);
    list_splice_tail(&list, &other);
    list_splice_tail(&list, &other);
    expect_list(&list, "02456");
    assert_true(list_empty(&other));
    assert_ptr_equal(list_first_entry(&list, struct item, link), &items[0]);
    assert_ptr_equal(list_last_entry(&list, struct item, link), &items[6]);
    assert_ptr_equal(list_pop(&list), &items[0].link);
    list_for_each_entry(item, &list, link) {
        struct item *inner;

        list_for_each_entry(inner, &list, link)
            assert_true(inner->number > 1);
    }
    expect_list(&list, "2456");
}

static int item_compare(const struct tree_node *a, const struct tree_node *b)
{
    return container_of(a, struct item, node)->number - container_of(b, struct item, node)->number;
}

static int item_compare_key(const void *key, const struct tree_node *node)
{
    return *(const int *)key - container_of(node, struct item, node)->number;
}

/* Checks the rules of a red-black tree below `node`; returns its height in black nodes. */
static int tree_check(const struct tree_node *node, const struct tree_node *parent)
{
    int height;

    if (node == NULL)
        return 1;
    assert_ptr_equal(node->parent, parent);
    assert_false(node->red && (parent == NULL || parent->red));
    height = tree_check(node->child[0], node);
    assert_int_equal(tree_check(node->child[1], node), height);
    return height + !node->red;
}

/* Walks both ways, and looks for every number. */
static void tree_check_contents(const struct tree *tree, const struct item *items)
{
    const struct tree_node *node = tree_first(tree), *last = NULL;

    for (int i = 0; i < ITEMS; i++) {
        struct tree_node *found = tree_find(tree, &i, item_compare_key);

        assert_ptr_equal(found, items[i].in ? &items[i].node : NULL);
        assert_ptr_equal(tree_find_at_least(tree, &i, item_compare_key), node);
        if (items[i].in) {
            assert_ptr_equal(node, &items[i].node);
            assert_ptr_equal(tree_previous(node), last);
            last = node;
            node = tree_next(node);
        }
        assert_ptr_equal(tree_find_at_most(tree, &i, item_compare_key), last);
    }
    assert_null(node);
    assert_ptr_equal(tree_last(tree), last);
}

static void trees_stay_balanced_whatever_happens(void **state)
{
    static struct item items[ITEMS];
    uint64_t seed = 3;
    struct tree tree;

    (void)state;
    tree_init(&tree, item_compare);
    assert_true(tree_empty(&tree) && tree_first(&tree) == NULL);
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
        tree_check(tree.root, NULL);
        if (step % 500 == 0)
            tree_check_contents(&tree, items);
    }
}

static void sorted_insertion_gives_a_low_tree(void **state)
{
    static struct item items[4096];
    struct tree tree;
    size_t depth = 0;

    (void)state;
    tree_init(&tree, item_compare);
    for (int i = 0; i < 4096; i++) {
        items[i].number = i;
        assert_null(tree_insert(&tree, &items[i].node));
    }
    for (struct tree_node *node = tree_last(&tree); node != NULL; node = node->parent)
        depth++;
    assert_true(depth <= 2 * 12 + 1);
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
    } else if (random_next(seed) % 2 == 0) {
        heap_update(heap, &item->timer, key);
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
        cmocka_unit_test(lists_keep_order_and_allow_removal_in_a_walk),
        cmocka_unit_test(trees_stay_balanced_whatever_happens),
        cmocka_unit_test(sorted_insertion_gives_a_low_tree),
        cmocka_unit_test(heaps_give_the_smallest_key_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
