/* SPDX-License-Identifier: Apache-2.0
 * Operators without a gradient, and why. Through the first kind training goes on; the second kind is
 * refused where a gradient would have to pass. */
#include "engine/grad/families.h"

#define STOPS(in, op_name, reason) \
    {.domain = in, .name = op_name, .flags = GRAD_STOPS, .why_not = reason}
#define REFUSES(in, op_name, reason) {.domain = in, .name = op_name, .why_not = reason}

#define NO_NUMBER(op_name) STOPS("", op_name, "its output is no real number")
#define NO_INPUT(op_name) STOPS("", op_name, "it computes with no real input")
#define SHAPE(op_name) STOPS("", op_name, "its inputs decide a shape")
#define CHANCE(op_name) STOPS("", op_name, "its output is drawn by chance")
#define CONTAINER(op_name) \
    REFUSES("", op_name, "sequences and optional values depend on data, and are not trained through")
#define BODY(op_name) \
    REFUSES("", op_name, "control flow that depends on data is not trained through")
#define CLASSIC(op_name) \
    REFUSES("ai.onnx.ml", op_name, "it keeps what it has learned in attributes, which gradients do not reach")
#define STEP(op_name) \
    REFUSES("ai.onnx.preview.training", op_name, "it is a step of training itself")

const struct grad_def grads_stops[] = {
    NO_NUMBER("ArgMax"),
    NO_NUMBER("ArgMin"),
    NO_NUMBER("NonMaxSuppression"),
    NO_NUMBER("OptionalHasElement"),
    NO_NUMBER("RegexFullMatch"),
    NO_NUMBER("SequenceLength"),
    NO_NUMBER("StringConcat"),
    NO_NUMBER("StringNormalizer"),
    NO_NUMBER("StringSplit"),

    NO_INPUT("ConstantOfShape"),
    NO_INPUT("EyeLike"),
    NO_INPUT("Shape"),
    NO_INPUT("Size"),
    NO_INPUT("TfIdfVectorizer"),
    SHAPE("Range"),

    CHANCE("Bernoulli"),
    CHANCE("Multinomial"),
    CHANCE("RandomNormal"),
    CHANCE("RandomNormalLike"),
    CHANCE("RandomUniform"),
    CHANCE("RandomUniformLike"),

    CONTAINER("ConcatFromSequence"),
    CONTAINER("Optional"),
    CONTAINER("OptionalGetElement"),
    CONTAINER("SequenceAt"),
    CONTAINER("SequenceConstruct"),
    CONTAINER("SequenceEmpty"),
    CONTAINER("SequenceErase"),
    CONTAINER("SequenceInsert"),
    CONTAINER("SequenceMap"),
    CONTAINER("SplitToSequence"),
    REFUSES("", "DeformConv", "no derivative by where it looks has been written"),
    REFUSES("", "Unique", "how much it puts out depends on data"),

    BODY("If"),
    BODY("Loop"),
    BODY("Scan"),

    CLASSIC("ArrayFeatureExtractor"),
    CLASSIC("Binarizer"),
    CLASSIC("CategoryMapper"),
    CLASSIC("FeatureVectorizer"),
    CLASSIC("Imputer"),
    CLASSIC("LabelEncoder"),
    CLASSIC("LinearClassifier"),
    CLASSIC("LinearRegressor"),
    CLASSIC("Normalizer"),
    CLASSIC("OneHotEncoder"),
    CLASSIC("SVMClassifier"),
    CLASSIC("SVMRegressor"),
    CLASSIC("Scaler"),
    CLASSIC("TreeEnsemble"),
    CLASSIC("TreeEnsembleClassifier"),
    CLASSIC("TreeEnsembleRegressor"),

    STEP("Adagrad"),
    STEP("Adam"),
    STEP("Momentum"),
    {0},
};
