/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/forest.h"

#include "engine/ops/key_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const mode_names[] = {
    "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ",
    "BRANCH_MEMBER", "LEAF",
};

/* Numbers given as floats or, for double, as a tensor under another name. */
struct numbers {
    size_t count;
    const float *floats;
    const struct tensor *tensor;
};

static struct numbers read_numbers(const struct node *node, const char *name)
{
    struct numbers numbers = {0};
    char as_tensor[64];
    const struct attribute *attribute;

    numbers.floats = node_floats(node, name, &numbers.count);
    snprintf(as_tensor, sizeof(as_tensor), "%s_as_tensor", name);
    attribute = node_attribute(node, as_tensor);
    if (attribute == NULL)
        attribute = node_attribute(node, name);
    if (attribute != NULL && attribute->type == ATTRIBUTE_TENSOR && attribute->t != NULL &&
        attribute->t->dtype != DTYPE_STRING) {
        numbers.tensor = attribute->t;
        numbers.count = (size_t)shape_elements(&attribute->t->shape);
    }
    return numbers;
}

static double number_at(const struct numbers *numbers, size_t i)
{
    return numbers->tensor != NULL ? tensor_double_at(numbers->tensor, (int64_t)i)
                                   : numbers->floats[i];
}

/* A list of integers that has to have `count` entries. */
static enum engine_status read_ints(const struct node *node, const char *name, size_t count,
                                    const int64_t **ret, struct engine_error *err)
{
    size_t n;

    *ret = node_ints(node, name, &n);
    if (n != count || count == 0)
        return op_fail(node, err, "%s has %zu elements, expected %zu", name, n, count);
    return ENGINE_OK;
}

static enum engine_status no_memory(struct engine_error *err)
{
    return engine_error_set(err, ENGINE_OVER_BUDGET, "no memory for trees");
}

static enum engine_status take_nodes(const struct op_init *init, struct forest *forest, size_t count,
                                     struct engine_error *err)
{
    if (count > INT32_MAX / 2)
        return op_unsupported(init->node, err, "%zu nodes", count);
    forest->n_nodes = (int32_t)count;
    forest->nodes = arena_calloc(init->arena, count, sizeof(*forest->nodes));
    forest->roots = arena_calloc(init->arena, count, sizeof(*forest->roots));
    return forest->nodes != NULL && forest->roots != NULL ? ENGINE_OK : no_memory(err);
}

static enum engine_status set_feature(const struct op_init *init, struct forest *forest,
                                      struct forest_node *node, int64_t feature,
                                      struct engine_error *err)
{
    if (feature < 0 || feature >= INT32_MAX)
        return op_fail(init->node, err, "a node asks for feature %" PRId64, feature);
    node->feature = (int32_t)feature;
    if (feature >= forest->n_features)
        forest->n_features = feature + 1;
    return ENGINE_OK;
}

/* Takes away nodes that nothing leads to, and what then nothing leads to; whatever is left over
 * leads to itself (A. Kahn, "Topological sorting of large networks", 1962). Nodes may have several
 * parents. `ret_parents`: one number a node. */
static enum engine_status check_cycles(const struct op_init *init, const struct forest *forest,
                                       int32_t **ret_parents, struct engine_error *err)
{
    const size_t n = (size_t)forest->n_nodes;
    int32_t *parents = arena_calloc(init->arena, n, sizeof(*parents));
    int32_t *left = arena_calloc(init->arena, n, sizeof(*left));
    int32_t *stack = arena_calloc(init->arena, n, sizeof(*stack));
    int32_t depth = 0, seen = 0;

    if (parents == NULL || left == NULL || stack == NULL)
        return no_memory(err);
    for (int32_t i = 0; i < forest->n_nodes; i++) {
        if (forest->nodes[i].mode == BRANCH_LEAF)
            continue;
        parents[forest->nodes[i].yes]++;
        parents[forest->nodes[i].no]++;
    }
    memcpy(left, parents, n * sizeof(*left));
    for (int32_t i = 0; i < forest->n_nodes; i++)
        if (parents[i] == 0)
            stack[depth++] = i;
    for (; depth > 0; seen++) {
        const struct forest_node *node = &forest->nodes[stack[--depth]];

        if (node->mode == BRANCH_LEAF)
            continue;
        if (--left[node->yes] == 0)
            stack[depth++] = node->yes;
        if (--left[node->no] == 0)
            stack[depth++] = node->no;
    }
    *ret_parents = parents;
    return seen == forest->n_nodes ? ENGINE_OK
                                   : op_fail(init->node, err, "a tree's branches go in a circle");
}

static struct bytes id_key(const int64_t *id)
{
    return (struct bytes){(const char *)id, sizeof(*id)};
}

/* The index of a node by tree and node id, or -1. */
static int32_t find_node(const struct key_table *ids, int64_t tree, const int64_t *id)
{
    return tree < 0 || tree > UINT32_MAX ? -1
                                         : (int32_t)key_table_find(ids, (uint32_t)tree, id_key(id)) - 1;
}

/* The lists nodes_* of the older form. */
struct tuples {
    const int64_t *trees, *ids, *features, *yes, *no, *missing;
    const struct bytes *modes;
    struct numbers splits;
    size_t count;
};

static enum engine_status read_tuples(const struct op_init *init, struct tuples *t,
                                      struct engine_error *err)
{
    const struct node *node = init->node;
    size_t missing;
    enum engine_status status;

    t->modes = node_strings(node, "nodes_modes", &t->count);
    t->splits = read_numbers(node, "nodes_values");
    t->missing = node_ints(node, "nodes_missing_value_tracks_true", &missing);
    if (missing != t->count)
        t->missing = NULL;
    if (t->splits.count != t->count)
        return op_fail(node, err, "nodes_values has %zu elements, expected %zu", t->splits.count,
                       t->count);
    status = read_ints(node, "nodes_treeids", t->count, &t->trees, err);
    if (status == ENGINE_OK)
        status = read_ints(node, "nodes_nodeids", t->count, &t->ids, err);
    if (status == ENGINE_OK)
        status = read_ints(node, "nodes_featureids", t->count, &t->features, err);
    if (status == ENGINE_OK)
        status = read_ints(node, "nodes_truenodeids", t->count, &t->yes, err);
    if (status == ENGINE_OK)
        status = read_ints(node, "nodes_falsenodeids", t->count, &t->no, err);
    return status;
}

static enum engine_status index_ids(const struct op_init *init, const struct tuples *t,
                                    struct key_table *ids, struct engine_error *err)
{
    if (!key_table_init(ids, init->arena, t->count))
        return no_memory(err);
    for (size_t i = 0; i < t->count; i++) {
        uint32_t *place;

        if (t->trees[i] < 0 || t->trees[i] > UINT32_MAX)
            return op_fail(init->node, err, "tree id %" PRId64, t->trees[i]);
        place = key_table_add(ids, (uint32_t)t->trees[i], id_key(&t->ids[i]));
        if (*place != 0)
            return op_fail(init->node, err, "tree %" PRId64 " has two nodes %" PRId64, t->trees[i],
                           t->ids[i]);
        *place = (uint32_t)i + 1;
    }
    return ENGINE_OK;
}

static enum engine_status read_mode(const struct op_init *init, const struct bytes *name,
                                    uint8_t *ret, struct engine_error *err)
{
    for (uint8_t m = BRANCH_LEQ; m <= BRANCH_LEAF; m++) {
        if (m != BRANCH_MEMBER && strlen(mode_names[m]) == name->length &&
            memcmp(mode_names[m], name->data, name->length) == 0) {
            *ret = m;
            return ENGINE_OK;
        }
    }
    return op_unsupported(init->node, err, "node mode '%.*s'", (int)(name->length & 31), name->data);
}

static enum engine_status fill_node(const struct op_init *init, const struct tuples *t,
                                    const struct key_table *ids, size_t i, struct forest *forest,
                                    struct engine_error *err)
{
    struct forest_node *node = &forest->nodes[i];
    enum engine_status status = read_mode(init, &t->modes[i], &node->mode, err);

    if (status != ENGINE_OK || node->mode == BRANCH_LEAF)
        return status;
    node->split = number_at(&t->splits, i);
    node->missing_yes = t->missing != NULL && t->missing[i] != 0;
    node->yes = find_node(ids, t->trees[i], &t->yes[i]);
    node->no = find_node(ids, t->trees[i], &t->no[i]);
    if (node->yes < 0 || node->no < 0)
        return op_fail(init->node, err, "node %" PRId64 " of tree %" PRId64 " leads to a node that "
                       "does not exist", t->ids[i], t->trees[i]);
    return set_feature(init, forest, node, t->features[i], err);
}

/* Every node that nothing leads to is a root: one a tree. */
static enum engine_status find_roots(const struct op_init *init, const struct tuples *t,
                                     const int32_t *parents, struct forest *forest,
                                     struct engine_error *err)
{
    struct key_table trees;

    if (!key_table_init(&trees, init->arena, t->count))
        return no_memory(err);
    for (int32_t i = 0; i < forest->n_nodes; i++) {
        uint32_t *root;

        if (parents[i] > 0)
            continue;
        root = key_table_add(&trees, 0, id_key(&t->trees[i]));
        if (*root != 0)
            return op_fail(init->node, err, "tree %" PRId64 " has two roots", t->trees[i]);
        *root = 1;
        forest->roots[forest->n_trees++] = i;
    }
    return ENGINE_OK;
}

/* Votes by leaf: counted, given their ranges, then filled in their order. */
static enum engine_status read_votes(const struct op_init *init, const char *stem,
                                     const struct key_table *ids, struct forest *forest,
                                     struct engine_error *err)
{
    static const char *const parts[] = {"treeids", "nodeids", "ids"};
    const int64_t *lists[3];
    struct numbers weights;
    char name[64];
    int32_t first = 0;

    snprintf(name, sizeof(name), "%s_weights", stem);
    weights = read_numbers(init->node, name);
    for (int i = 0; i < 3; i++) {
        enum engine_status status;

        snprintf(name, sizeof(name), "%s_%s", stem, parts[i]);
        status = read_ints(init->node, name, weights.count, &lists[i], err);
        if (status != ENGINE_OK)
            return status;
    }
    forest->n_votes = (int64_t)weights.count;
    forest->votes = arena_calloc(init->arena, weights.count, sizeof(*forest->votes));
    if (forest->votes == NULL || weights.count > INT32_MAX)
        return no_memory(err);
    for (size_t v = 0; v < weights.count; v++) {
        const int32_t node = find_node(ids, lists[0][v], &lists[1][v]);

        if (node < 0 || forest->nodes[node].mode != BRANCH_LEAF)
            return op_fail(init->node, err, "vote %zu is for node %" PRId64 " of tree %" PRId64
                           ", which is no leaf", v, lists[1][v], lists[0][v]);
        if (lists[2][v] < 0 || lists[2][v] >= forest->n_targets)
            return op_fail(init->node, err, "vote %zu is for target %" PRId64 " of %" PRId64, v,
                           lists[2][v], forest->n_targets);
        forest->nodes[node].no++;
    }
    for (int32_t i = 0; i < forest->n_nodes; i++) {
        struct forest_node *node = &forest->nodes[i];

        if (node->mode != BRANCH_LEAF)
            continue;
        node->yes = first;
        first += node->no;
        node->no = 0;
    }
    for (size_t v = 0; v < weights.count; v++) {
        struct forest_node *node = &forest->nodes[find_node(ids, lists[0][v], &lists[1][v])];

        forest->votes[node->yes + node->no++] =
            (struct forest_vote){number_at(&weights, v), (int32_t)lists[2][v]};
    }
    return ENGINE_OK;
}

enum engine_status forest_read_tuples(const struct op_init *init, const char *stem,
                                      struct forest *forest, struct engine_error *err)
{
    struct tuples tuples;
    struct key_table ids;
    int32_t *parents;
    enum engine_status status = read_tuples(init, &tuples, err);

    if (status == ENGINE_OK)
        status = take_nodes(init, forest, tuples.count, err);
    if (status == ENGINE_OK)
        status = index_ids(init, &tuples, &ids, err);
    for (size_t i = 0; i < tuples.count && status == ENGINE_OK; i++)
        status = fill_node(init, &tuples, &ids, i, forest, err);
    if (status == ENGINE_OK)
        status = check_cycles(init, forest, &parents, err);
    if (status == ENGINE_OK)
        status = find_roots(init, &tuples, parents, forest, err);
    if (status == ENGINE_OK)
        status = read_votes(init, stem, &ids, forest, err);
    return status;
}

/* The sets of BRANCH_MEMBER nodes, in the order of the nodes, NaN between them. */
static enum engine_status read_members(const struct op_init *init, struct forest *forest,
                                       int32_t n_branches, struct engine_error *err)
{
    struct numbers members = read_numbers(init->node, "membership_values");
    size_t next = 0;

    forest->members = arena_calloc(init->arena, members.count, sizeof(*forest->members));
    if (forest->members == NULL || members.count > INT32_MAX)
        return no_memory(err);
    for (size_t i = 0; i < members.count; i++)
        forest->members[i] = number_at(&members, i);
    for (int32_t i = 0; i < n_branches; i++) {
        struct forest_node *node = &forest->nodes[i];

        if (node->mode != BRANCH_MEMBER)
            continue;
        if (next >= members.count)
            return op_fail(init->node, err, "membership_values has too few sets");
        node->members = (int32_t)next;
        while (next < members.count && !isnan(forest->members[next]))
            next++;
        node->n_members = (int32_t)next - node->members;
        next++;
    }
    return ENGINE_OK;
}

/* The lists of TreeEnsemble-5; branches first, leaves after them in forest->nodes. */
struct leaves {
    const int64_t *features, *yes, *no, *yes_leaf, *no_leaf, *missing, *targets, *roots;
    struct numbers modes, splits, weights;
    size_t n_branches, n_leaves, n_roots;
};

static enum engine_status read_leaves(const struct op_init *init, struct leaves *l,
                                      struct engine_error *err)
{
    const struct node *node = init->node;
    size_t missing;
    enum engine_status status;

    node_ints(node, "nodes_featureids", &l->n_branches);
    l->modes = read_numbers(node, "nodes_modes");
    l->splits = read_numbers(node, "nodes_splits");
    l->weights = read_numbers(node, "leaf_weights");
    l->n_leaves = l->weights.count;
    l->roots = node_ints(node, "tree_roots", &l->n_roots);
    l->missing = node_ints(node, "nodes_missing_value_tracks_true", &missing);
    if (missing != l->n_branches)
        l->missing = NULL;
    if (l->modes.count != l->n_branches || l->splits.count != l->n_branches)
        return op_fail(node, err, "%zu modes and %zu splits for %zu nodes", l->modes.count,
                       l->splits.count, l->n_branches);
    status = read_ints(node, "nodes_featureids", l->n_branches, &l->features, err);
    if (status == ENGINE_OK)
        status = read_ints(node, "nodes_truenodeids", l->n_branches, &l->yes, err);
    if (status == ENGINE_OK)
        status = read_ints(node, "nodes_falsenodeids", l->n_branches, &l->no, err);
    if (status == ENGINE_OK)
        status = read_ints(node, "nodes_trueleafs", l->n_branches, &l->yes_leaf, err);
    if (status == ENGINE_OK)
        status = read_ints(node, "nodes_falseleafs", l->n_branches, &l->no_leaf, err);
    if (status == ENGINE_OK)
        status = read_ints(node, "leaf_targetids", l->n_leaves, &l->targets, err);
    return status;
}

/* A branch as an index into forest->nodes, or -1. */
static int32_t branch_index(const struct leaves *l, int64_t id, bool leaf)
{
    if (id < 0 || (uint64_t)id >= (leaf ? l->n_leaves : l->n_branches))
        return -1;
    return (int32_t)id + (leaf ? (int32_t)l->n_branches : 0);
}

static enum engine_status fill_branch(const struct op_init *init, const struct leaves *l, size_t i,
                                      struct forest *forest, struct engine_error *err)
{
    struct forest_node *node = &forest->nodes[i];
    const double mode = number_at(&l->modes, i);

    if (!(mode >= BRANCH_LEQ && mode <= BRANCH_MEMBER))
        return op_unsupported(init->node, err, "node mode %g", mode);
    node->mode = (uint8_t)mode;
    node->split = number_at(&l->splits, i);
    node->missing_yes = l->missing != NULL && l->missing[i] != 0;
    node->yes = branch_index(l, l->yes[i], l->yes_leaf[i] != 0);
    node->no = branch_index(l, l->no[i], l->no_leaf[i] != 0);
    if (node->yes < 0 || node->no < 0)
        return op_fail(init->node, err, "node %zu leads to a node that does not exist", i);
    return set_feature(init, forest, node, l->features[i], err);
}

static enum engine_status fill_leaf(const struct op_init *init, const struct leaves *l, size_t i,
                                    struct forest *forest, struct engine_error *err)
{
    struct forest_node *node = &forest->nodes[l->n_branches + i];

    if (l->targets[i] < 0 || l->targets[i] >= forest->n_targets)
        return op_fail(init->node, err, "leaf %zu is for target %" PRId64 " of %" PRId64, i,
                       l->targets[i], forest->n_targets);
    node->mode = BRANCH_LEAF;
    node->yes = (int32_t)i;
    node->no = 1;
    forest->votes[i] = (struct forest_vote){number_at(&l->weights, i), (int32_t)l->targets[i]};
    return ENGINE_OK;
}

enum engine_status forest_read_leaves(const struct op_init *init, struct forest *forest,
                                      struct engine_error *err)
{
    struct leaves l;
    int32_t *parents;
    enum engine_status status = read_leaves(init, &l, err);

    if (status == ENGINE_OK)
        status = take_nodes(init, forest, l.n_branches + l.n_leaves, err);
    if (status != ENGINE_OK)
        return status;
    forest->n_votes = (int64_t)l.n_leaves;
    forest->votes = arena_calloc(init->arena, l.n_leaves, sizeof(*forest->votes));
    if (forest->votes == NULL)
        return no_memory(err);
    if (l.n_roots > (size_t)forest->n_nodes)
        return op_fail(init->node, err, "%zu roots for %d nodes", l.n_roots, forest->n_nodes);
    for (size_t i = 0; i < l.n_branches && status == ENGINE_OK; i++)
        status = fill_branch(init, &l, i, forest, err);
    for (size_t i = 0; i < l.n_leaves && status == ENGINE_OK; i++)
        status = fill_leaf(init, &l, i, forest, err);
    for (size_t i = 0; i < l.n_roots && status == ENGINE_OK; i++) {
        forest->roots[i] = branch_index(&l, l.roots[i], false);
        if (forest->roots[i] < 0)
            status = op_fail(init->node, err, "tree %zu begins at node %" PRId64 ", which does not "
                             "exist", i, l.roots[i]);
    }
    forest->n_trees = (int32_t)l.n_roots;
    if (status == ENGINE_OK)
        status = read_members(init, forest, (int32_t)l.n_branches, err);
    return status == ENGINE_OK ? check_cycles(init, forest, &parents, err) : status;
}

static bool is_member(const struct forest *forest, const struct forest_node *node, double x)
{
    for (int32_t i = 0; i < node->n_members; i++)
        if (forest->members[node->members + i] == x)
            return true;
    return false;
}

const struct forest_node *forest_walk(const struct forest *forest, int32_t root, const double *row)
{
    const struct forest_node *node = &forest->nodes[root];

    while (node->mode != BRANCH_LEAF) {
        const double x = row[node->feature];
        bool yes;

        switch (node->mode) {
        case BRANCH_LEQ: yes = x <= node->split; break;
        case BRANCH_LT: yes = x < node->split; break;
        case BRANCH_GTE: yes = x >= node->split; break;
        case BRANCH_GT: yes = x > node->split; break;
        case BRANCH_EQ: yes = x == node->split; break;
        case BRANCH_NEQ: yes = x != node->split; break;
        default: yes = is_member(forest, node, x); break;
        }
        if (isnan(x))
            yes = node->missing_yes || (node->mode == BRANCH_NEQ && yes);
        node = &forest->nodes[yes ? node->yes : node->no];
    }
    return node;
}
