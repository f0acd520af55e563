/* SPDX-License-Identifier: Apache-2.0
 * engine/train/head.h - which value a loss attaches to. A cross-entropy of probabilities has a
 * gradient that rounds to nothing where the model is confident and wrong, so the walk goes back from
 * an output, over Softmax, LogSoftmax or Sigmoid and over views, to the logits. Reads a sealed graph. */
#ifndef ENGINE_TRAIN_HEAD_H
#define ENGINE_TRAIN_HEAD_H

#include "engine/graph.h"
#include "engine/train/loss.h"

enum head_kind {
    HEAD_PLAIN,                    /* numbers, or logits without a name for it */
    HEAD_SOFTMAX,                  /* Softmax or LogSoftmax */
    HEAD_SIGMOID,
    HEAD_NONE                      /* nothing a loss could attach to: labels, strings, counts */
};

struct head {
    enum head_kind kind;
    int value;                     /* the output as the model gives it, before views; float */
    int logits;                    /* what the Softmax or Sigmoid reads; `value` for HEAD_PLAIN */
    int axis;                      /* HEAD_SOFTMAX: its axis in the logits, negative from the back */
};

/* The head of output number `output`. ArgMax, ZipMap and what scikit-learn's exporters put behind them
 * are walked over too, so a class label leads to the scores that it is the largest of. */
struct head head_find(const struct graph *graph, int output);

/* The loss that fits the head: cross-entropy for a Softmax, binary cross-entropy for a Sigmoid, else
 * the mean squared error. */
enum loss_kind head_loss(const struct head *head);
/* The value id that a loss of that kind attaches to: the logits for the cross-entropies, the output
 * itself for others. VALUE_ABSENT when they do not fit: ce on a Sigmoid, bce on a Softmax. */
int head_value(const struct head *head, enum loss_kind kind);

#endif
