/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/op_case.h"
#include "tests/support/run_suite.h"

#define ML "ai.onnx.ml/"
#define LINEAR "coefficients=F:1,0,0,1,-1,-1; intercepts=F:0,0,0.5; classlabels_ints=I:7,8,9"

/* One tree: x0 <= 1 ? (x1 < 0 ? A : B) : C. */
#define TREE_NODES \
    "nodes_treeids=I:0,0,0,0,0; nodes_nodeids=I:0,1,2,3,4; nodes_featureids=I:0,1,0,0,0; " \
    "nodes_values=F:1,0,0,0,0; nodes_modes=S:BRANCH_LEQ,BRANCH_LT,LEAF,LEAF,LEAF; " \
    "nodes_truenodeids=I:1,2,0,0,0; nodes_falsenodeids=I:4,3,0,0,0; "
#define TREE_VOTES(stem) stem "_treeids=I:0,0,0; " stem "_nodeids=I:2,3,4; "
#define TREE_ROWS "f32[4,2] 0 -1 0 0 1 5 2 0"

/* The form of version 5: x0 in {1, 3} ? leaf 0 : x0 > 5 ? leaf 1 : leaf 2. */
#define ENSEMBLE \
    "nodes_featureids=I:0,0; nodes_splits=t:f32[2] 0 5; nodes_modes=t:u8[2] 6 3; " \
    "nodes_truenodeids=I:0,1; nodes_trueleafs=I:1,1; nodes_falsenodeids=I:1,2; " \
    "nodes_falseleafs=I:0,1; membership_values=t:f32[2] 1 3; " \
    "leaf_weights=t:f32[3] 10 20 30; tree_roots=I:0; "

static const struct op_case cases[] = {
    {"scaler", ML "Scaler", "offset=F:1,2; scale=F:2,0.5", IN("i64[2,2] 1 2 3 6"),
     OUT("f32[2,2] 0 0 4 2")},
    {"scaler for all", ML "Scaler", "offset=F:1; scale=F:2", IN("f64[1,2] 1 2"),
     OUT("f32[1,2] 0 2")},
    {"scaler width", ML "Scaler", "offset=F:1,2,3; scale=F:1", IN("f32[1,2] 1 2"),
     SAYS("3 offsets and 1 scales for 2 features")},
    {"normalizer max", ML "Normalizer", NULL, IN("f32[2,2] 1 2 0 0"), OUT("f32[2,2] 0.5 1 0 0")},
    {"normalizer l1", ML "Normalizer", "norm=s:L1", IN("f32[1,2] -1 3"),
     OUT("f32[1,2] -0.25 0.75")},
    {"normalizer l2", ML "Normalizer", "norm=s:L2", IN("i32[2] -3 4"), OUT("f32[2] -0.6 0.8")},
    {"normalizer norm", ML "Normalizer", "norm=s:L3", IN("f32[1] 1"), SAYS("norm 'L3'")},
    {"binarizer", ML "Binarizer", "threshold=f:1", IN("f32[3] 0 1 2"), OUT("f32[3] 0 0 1")},
    {"imputer nan", ML "Imputer", "imputed_value_floats=F:7,8; replaced_value_float=f:nan",
     IN("f32[2,2] nan nan 1 2"), OUT("f32[2,2] 7 8 1 2")},
    {"imputer int", ML "Imputer", "imputed_value_int64s=I:7; replaced_value_int64=i:-1",
     IN("i64[3] -1 0 -1"), OUT("i64[3] 7 0 7")},
    {"imputer other type", ML "Imputer", "imputed_value_int64s=I:7", IN("f32[1] 1"),
     SAYS("0 imputed values of type float")},
    {"vectorizer", ML "FeatureVectorizer", "inputdimensions=I:1,3",
     IN("f32[2,2] 1 2 3 4", "f32[2,2] 5 6 7 8"), OUT("f32[2,4] 1 5 6 0 3 7 8 0")},
    {"extractor", ML "ArrayFeatureExtractor", NULL, IN("str[2,3] a b c d e f", "i64[2] 2 0"),
     OUT("str[2,2] c a f d")},
    {"extractor of a list", ML "ArrayFeatureExtractor", NULL, IN("f32[3] 1 2 3", "i64[1] 1"),
     OUT("f32[1,1] 2")},
    {"extractor past", ML "ArrayFeatureExtractor", NULL, IN("f32[1,3] 1 2 3", "i64[1] 3"),
     SAYS("index 3")},
    {"extractor before", ML "ArrayFeatureExtractor", NULL, IN("f32[1,3] 1 2 3", "i64[1] -1"),
     SAYS("index -1")},
    {"encoder", ML "LabelEncoder",
     "keys_strings=S:a,b,a; values_int64s=I:1,2,3; default_int64=i:-7", IN("str[4] b a c a"),
     OUT("i64[4] 2 3 -7 3")},
    {"encoder of nan", ML "LabelEncoder", "keys_floats=F:nan,0; values_strings=S:none,zero",
     IN("f32[3] nan -0.0 1"), OUT("str[3] none zero _Unused")},
    {"encoder of tensors", ML "LabelEncoder",
     "keys_tensor=t:i16[2] 4 5; values_tensor=t:f64[2] 0.5 1.5; default_tensor=t:f64[1] 9",
     IN("i16[3] 5 6 4"), OUT("f64[3] 1.5 9 0.5")},
    {"encoder version 1", ML "LabelEncoder", "classes_strings=S:x,y", IN("str[3] y x z"),
     OUT("i64[3] 1 0 -1")},
    {"encoder version 1 back", ML "LabelEncoder", "classes_strings=S:x,y; default_string=s:none",
     IN("i64[2] 1 7"), OUT("str[2] y none")},
    {"encoder other type", ML "LabelEncoder", "keys_strings=S:a; values_int64s=I:1", IN("i64[1] 1"),
     SAYS("type int64, the keys of string")},
    {"encoder uneven", ML "LabelEncoder", "keys_strings=S:a; values_int64s=I:1,2", IN("str[1] a"),
     SAYS("1 keys for 2 values")},
    {"mapper", ML "CategoryMapper", "cats_strings=S:a,b; cats_int64s=I:5,6", IN("str[2] b q"),
     OUT("i64[2] 6 -1")},
    {"one hot", ML "OneHotEncoder", "cats_int64s=I:3,5", IN("f32[3] 5.9 3 4"),
     OUT("f32[3,2] 0 1 1 0 0 0")},
    {"one hot strings", ML "OneHotEncoder", "cats_strings=S:a,b", IN("str[1,2] b a"),
     OUT("f32[1,2,2] 0 1 1 0")},
    {"one hot unknown", ML "OneHotEncoder", "cats_strings=S:a,b; zeros=i:0", IN("str[1] c"),
     SAYS("element 0 is in no category")},
    {"zip map", ML "ZipMap", "classlabels_int64s=I:0,1", IN("f32[1,2] 0.25 0.75"),
     OUT("f32[1,2] 0.25 0.75")},
    {"zip map width", ML "ZipMap", "classlabels_strings=S:a", IN("f32[1,2] 0.25 0.75"),
     SAYS("1 labels for 2 columns")},
    {"classifier", ML "LinearClassifier", LINEAR, IN("f32[3,2] 2 1 1 3 -1 -1"),
     OUT("i64[3] 7 8 9", "f32[3,3] 2 1 -2.5 1 3 -3.5 -1 -1 2.5")},
    {"classifier softmax", ML "LinearClassifier", LINEAR "; post_transform=s:SOFTMAX",
     IN("f64[2] 0 0"), OUT("i64[1] 9", "f32[1,3] 0.2740686 0.2740686 0.4518628")},
    {"classifier of one score", ML "LinearClassifier",
     "coefficients=F:1; intercepts=F:0; classlabels_strings=S:no,yes; post_transform=s:LOGISTIC",
     IN("f32[2,1] 0 1"), OUT("str[2] no yes", "f32[2,2] 0.5 0.5 0.2689414 0.7310586")},
    {"classifier width", ML "LinearClassifier", LINEAR, IN("f32[1,3] 1 2 3"),
     SAYS("3 columns, there are 2 coefficients")},
    {"classifier transform", ML "LinearClassifier", LINEAR "; post_transform=s:MAX",
     IN("f32[1,2] 1 2"), SAYS("post_transform 'MAX'")},
    {"regressor", ML "LinearRegressor", "coefficients=F:1,2,3,4; intercepts=F:0.5,0; targets=i:2",
     IN("f32[2,2] 1 1 0 2"), OUT("f32[2,2] 3.5 7 4.5 8")},
    {"regressor probit", ML "LinearRegressor", "coefficients=F:1; post_transform=s:PROBIT",
     IN("f32[3,1] 0.5 0.975 0.158655254"), OUT("f32[3,1] 0 1.959964 -1"), .tolerance = 1e-5},
    {"regressor uneven", ML "LinearRegressor", "coefficients=F:1,2,3; targets=i:2",
     IN("f32[1,1] 1"), SAYS("3 coefficients")},
    {"tree", ML "TreeEnsembleRegressor",
     TREE_NODES TREE_VOTES("target") "target_ids=I:0,0,0; target_weights=F:10,20,30; n_targets=i:1",
     IN(TREE_ROWS), OUT("f32[4,1] 10 20 20 30")},
    {"tree with base", ML "TreeEnsembleRegressor",
     TREE_NODES TREE_VOTES(
         "target") "target_ids=I:0,1,0; target_weights=F:10,20,30; n_targets=i:2; base_values=F:1,2",
     IN(TREE_ROWS), OUT("f32[4,2] 11 2 1 22 1 22 31 2")},
    {"tree of nan", ML "TreeEnsembleRegressor",
     TREE_NODES TREE_VOTES(
         "target") "nodes_missing_value_tracks_true=I:1,0,0,0,0; target_ids=I:0,0,0;"
         " target_weights=F:10,20,30",
     IN("f32[2,2] nan nan 5 nan"), OUT("f32[2,1] 20 30")},
    {"two trees", ML "TreeEnsembleRegressor",
     "nodes_treeids=I:3,1; nodes_nodeids=I:0,0; nodes_featureids=I:0,0; nodes_values=F:0,0; "
     "nodes_modes=S:LEAF,LEAF; nodes_truenodeids=I:0,0; nodes_falsenodeids=I:0,0; "
     "target_treeids=I:1,3; target_nodeids=I:0,0; target_ids=I:0,0; target_weights=F:2,5; "
     "aggregate_function=s:AVERAGE",
     IN("f32[1,1] 0"), OUT("f32[1,1] 3.5")},
    {"least of trees", ML "TreeEnsembleRegressor",
     "nodes_treeids=I:0,1; nodes_nodeids=I:0,0; nodes_featureids=I:0,0; nodes_values=F:0,0; "
     "nodes_modes=S:LEAF,LEAF; nodes_truenodeids=I:0,0; nodes_falsenodeids=I:0,0; "
     "target_treeids=I:0,1; target_nodeids=I:0,0; target_ids=I:0,0; target_weights=F:2,-5; "
     "aggregate_function=s:MIN",
     IN("f32[1,1] 0"), OUT("f32[1,1] -5")},
    {"tree of classes", ML "TreeEnsembleClassifier",
     TREE_NODES TREE_VOTES("class") "class_ids=I:0,1,2; class_weights=F:1,1,1; "
                                    "classlabels_strings=S:a,b,c",
     IN(TREE_ROWS), OUT("str[4] a b b c", "f32[4,3] 1 0 0 0 1 0 0 1 0 0 0 1")},
    {"tree of probabilities", ML "TreeEnsembleClassifier",
     TREE_NODES TREE_VOTES("class") "class_ids=I:0,0,0; class_weights=F:0.25,0.5,0.75; "
                                    "classlabels_int64s=I:5,6",
     IN(TREE_ROWS), OUT("i64[4] 5 5 5 6", "f32[4,2] 0.75 0.25 0.5 0.5 0.5 0.5 0.25 0.75")},
    {"tree of margins", ML "TreeEnsembleClassifier",
     TREE_NODES TREE_VOTES("class") "class_ids=I:0,0,0; class_weights=F:-1,0,1; "
                                    "classlabels_int64s=I:5,6; post_transform=s:LOGISTIC",
     IN(TREE_ROWS),
     OUT("i64[4] 5 5 5 6", "f32[4,2] 0.7310586 0.2689414 0.5 0.5 0.5 0.5 0.2689414 0.7310586")},
    {"tree too wide", ML "TreeEnsembleRegressor",
     TREE_NODES TREE_VOTES("target") "target_ids=I:0,0,0; target_weights=F:10,20,30",
     IN("f32[1,1] 1"), SAYS("1 columns, the trees ask for 2")},
    {"tree target", ML "TreeEnsembleRegressor",
     TREE_NODES TREE_VOTES("target") "target_ids=I:0,1,0; target_weights=F:10,20,30", IN(TREE_ROWS),
     SAYS("target 1 of 1")},
    {"tree in a circle", ML "TreeEnsembleRegressor",
     "nodes_treeids=I:0,0; nodes_nodeids=I:0,1; nodes_featureids=I:0,0; nodes_values=F:1,0; "
     "nodes_modes=S:BRANCH_LEQ,BRANCH_LT; nodes_truenodeids=I:1,0; nodes_falsenodeids=I:1,0; "
     "target_treeids=I:0; target_nodeids=I:0; target_ids=I:0; target_weights=F:1",
     IN("f32[1,1] 1"), SAYS("in a circle")},
    {"tree to nowhere", ML "TreeEnsembleRegressor",
     "nodes_treeids=I:0; nodes_nodeids=I:0; nodes_featureids=I:0; nodes_values=F:1; "
     "nodes_modes=S:BRANCH_LEQ; nodes_truenodeids=I:1; nodes_falsenodeids=I:0; "
     "target_treeids=I:0; target_nodeids=I:0; target_ids=I:0; target_weights=F:1",
     IN("f32[1,1] 1"), SAYS("node 0 of tree 0 leads to a node that does not exist")},
    {"tree twice", ML "TreeEnsembleRegressor",
     "nodes_treeids=I:0,0; nodes_nodeids=I:0,0; nodes_featureids=I:0,0; nodes_values=F:1,0; "
     "nodes_modes=S:LEAF,LEAF; nodes_truenodeids=I:0,0; nodes_falsenodeids=I:0,0; "
     "target_treeids=I:0; target_nodeids=I:0; target_ids=I:0; target_weights=F:1",
     IN("f32[1,1] 1"), SAYS("two nodes 0")},
    {"tree feature", ML "TreeEnsembleRegressor",
     "nodes_treeids=I:0,0; nodes_nodeids=I:0,1; nodes_featureids=I:-1,0; nodes_values=F:1,0; "
     "nodes_modes=S:BRANCH_LEQ,LEAF; nodes_truenodeids=I:1,0; nodes_falsenodeids=I:1,0; "
     "target_treeids=I:0; target_nodeids=I:1; target_ids=I:0; target_weights=F:1",
     IN("f32[1,1] 1"), SAYS("feature -1")},
    {"ensemble of sets", ML "TreeEnsemble", ENSEMBLE "leaf_targetids=I:0,1,0; n_targets=i:2",
     IN("f64[4,1] 3 6 2 1"), OUT("f64[4,2] 10 0 0 20 30 0 10 0")},
    {"ensemble target", ML "TreeEnsemble", ENSEMBLE "leaf_targetids=I:0,1,0; n_targets=i:1",
     IN("f32[1,1] 3"), SAYS("leaf 1 is for target 1")},
    {"svm regressor", ML "SVMRegressor",
     "kernel_type=s:RBF; kernel_params=F:0.5,0,0; n_supports=i:2; support_vectors=F:0,0,1,1; "
     "coefficients=F:1,-2; rho=F:0.25",
     IN("f32[1,2] 0 0"), OUT("f32[1,1] 0.5142411")},
    {"svm linear regressor", ML "SVMRegressor", "coefficients=F:1,2; rho=F:0.5", IN("f32[1,2] 3 4"),
     OUT("f32[1,1] 11.5")},
    {"svm one class", ML "SVMRegressor", "coefficients=F:1; rho=F:-2; one_class=i:1",
     IN("f32[2,1] 1 3"), OUT("f32[2,1] -1 1")},
    {"svm of two classes", ML "SVMClassifier",
     "vectors_per_class=I:1,1; support_vectors=F:1,-1; coefficients=F:0.5,-0.5; rho=F:0; "
     "classlabels_ints=I:3,4",
     IN("f32[2,1] 2 -1"), OUT("i64[2] 3 4", "f32[2,2] -2 2 1 -1")},
    {"svm probabilities", ML "SVMClassifier",
     "vectors_per_class=I:1,1; support_vectors=F:1,-1; coefficients=F:0.5,-0.5; rho=F:0; "
     "prob_a=F:-1; prob_b=F:0; classlabels_strings=S:a,b",
     IN("f32[1,1] 2"), OUT("str[1] a", "f32[1,2] 0.880797 0.119203"), .tolerance = 5e-3},
    {"svm width", ML "SVMRegressor", "coefficients=F:1,2; rho=F:0.5", IN("f32[1,3] 3 4 5"),
     SAYS("3 columns, expected 2")},
    {"svm short", ML "SVMRegressor",
     "n_supports=i:3; support_vectors=F:1,2,3; coefficients=F:1; rho=F:0", IN("f32[1,1] 3"),
     SAYS("3 support vectors")},
};

START_TEST(rows)
{
    op_case_check(&cases[_i]);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("ml");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, rows, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
