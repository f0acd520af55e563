/* SPDX-License-Identifier: Apache-2.0
 * engine/ops/forest.h - decision trees as arrays: built from the attributes of TreeEnsemble,
 * TreeEnsembleClassifier or TreeEnsembleRegressor, checked once (every branch leads to a node that
 * exists, no cycles, targets in range), then walked without a check. Any thread may read one. */
#ifndef ENGINE_OPS_FOREST_H
#define ENGINE_OPS_FOREST_H

#include "engine/op.h"

/* The first seven are numbered as in TreeEnsemble-5. */
enum branch_mode {
    BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, BRANCH_NEQ, BRANCH_MEMBER, BRANCH_LEAF
};

struct forest_node {
    double split;                  /* BRANCH_MEMBER: unused */
    int32_t feature;
    int32_t yes, no;               /* node indices; BRANCH_LEAF: first vote, number of votes;
                                      BRANCH_MEMBER: see members */
    int32_t members, n_members;    /* BRANCH_MEMBER: range of forest->members */
    uint8_t mode;
    bool missing_yes;              /* NaN goes the way of yes */
};

struct forest_vote {
    double weight;
    int32_t target;
};

struct forest {
    int32_t n_nodes, n_trees;
    int64_t n_targets, n_features; /* features: one more than the greatest that is asked for */
    struct forest_node *nodes;
    int32_t *roots;
    struct forest_vote *votes;
    int64_t n_votes;
    double *members;
};

/* The form of TreeEnsembleClassifier and -Regressor: nodes_*, and votes in <stem>_treeids,
 * _nodeids, _ids and _weights; stem is "class" or "target". n_targets has been set. */
enum engine_status forest_read_tuples(const struct op_init *init, const char *stem,
                                      struct forest *forest, struct engine_error *err);
/* The form of TreeEnsemble-5. n_targets has been set. */
enum engine_status forest_read_leaves(const struct op_init *init, struct forest *forest,
                                      struct engine_error *err);

/* The leaf that `row` (n_features numbers) reaches from `root`. */
const struct forest_node *forest_walk(const struct forest *forest, int32_t root, const double *row);

#endif
