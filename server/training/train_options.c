/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_options.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { OPTION_TEXT, OPTION_REAL, OPTION_WHOLE, OPTION_FLAG, OPTION_LIST };

#define AT(member) offsetof(struct train_options, member)

static const struct option_row {
    const char *name;
    enum option_kind kind;
    size_t offset;
    double least, most;
    const char *value, *help;
} rows[] = {
    {"data", OPTION_LIST, AT(data), 0, 0, "FILE",
     "CSV, JSON Lines, NPY, NPZ or IDX; several are joined side by side"},
    {"test", OPTION_LIST, AT(test), 0, 0, "FILE", "examples that only judge the result; as --data"},
    {"inputs", OPTION_TEXT, AT(inputs), 0, 0, "A,B", "columns for the model; by default all others"},
    {"target", OPTION_TEXT, AT(target), 0, 0, "A,B", "columns to learn; by default the last"},
    {"delimiter", OPTION_TEXT, AT(delimiter), 0, 0, "C",
     "between cells of a CSV file; found out if not given"},
    {"text", OPTION_WHOLE, AT(text), 1, 65536, "WINDOW",
     "--data and --test are plain text: bytes are token ids, examples are windows of so many of them, and "
     "what is learned is the byte that follows each"},
    {"skip-missing", OPTION_FLAG, AT(skip_missing), 0, 0, NULL,
     "leave out rows in which a value is missing"},
    {"validation", OPTION_REAL, AT(validation), 0, 0.9, "SHARE",
     "of the examples, stratified by class, to judge each epoch by; 0.1"},
    {"standardise", OPTION_TEXT, AT(standardise), 0, 0, "HOW",
     "inputs to mean 0, deviation 1 within the model: 'each' number, 'first' dimension or 'all'"},
    {"output", OPTION_TEXT, AT(output), 0, 0, "FILE", "where the result goes (-o)"},

    {"epochs", OPTION_WHOLE, AT(epochs), 1, 1e9, "N", "times over the data; 10"},
    {"batch", OPTION_WHOLE, AT(batch), 1, 1e6, "N", "examples in a step; 32"},
    {"micro-batch", OPTION_WHOLE, AT(micro_batch), 1, 1e6, "N",
     "examples computed at a time, their gradients added up: less memory"},
    {"seed", OPTION_WHOLE, AT(seed), 0, 1e18, "N", "of order, split and dropout; 1"},
    {"threads", OPTION_WHOLE, AT(threads), 1, 64, "N", "1; the result does not depend on it"},
    {"memory", OPTION_WHOLE, AT(memory), 1, 1e15, "BYTES", "that the trainer may take; no bound"},
    {"data-memory", OPTION_WHOLE, AT(data_memory), 1, 1e15, "BYTES",
     "of examples held in memory; the rest is in a file in $TMPDIR (/var/tmp), whose order is shuffled by "
     "blocks; 1 GiB"},

    {"loss", OPTION_TEXT, AT(loss), 0, 0, "NAME",
     "ce, bce, mse, mae or huber; by default what fits the model's head"},
    {"huber-delta", OPTION_REAL, AT(huber_delta), 1e-9, 1e9, "X", "where huber turns linear; 1"},
    {"label-smoothing", OPTION_REAL, AT(label_smoothing), 0, 0.999, "X", "for ce; 0"},
    {"class-weights", OPTION_TEXT, AT(class_weights), 0, 0, "A,B", "for ce and bce, or 'balanced'"},
    {"ignore-index", OPTION_WHOLE, AT(ignore_index), -1e9, 1e9, "N", "a label that does not count"},

    {"optimiser", OPTION_TEXT, AT(optimiser), 0, 0, "NAME",
     "sgd, momentum, nesterov, adagrad, rmsprop, adam or adamw; adam"},
    {"rate", OPTION_REAL, AT(rate), 1e-12, 1000, "X", "learning rate, the schedule's highest; 0.001"},
    {"momentum", OPTION_REAL, AT(momentum), 1e-9, 0.9999, "X", "0.9"},
    {"beta1", OPTION_REAL, AT(beta1), 1e-9, 0.999999, "X", "of adam and adamw; 0.9"},
    {"beta2", OPTION_REAL, AT(beta2), 1e-9, 0.999999, "X", "of adam, adamw (0.999), rmsprop (0.99)"},
    {"epsilon", OPTION_REAL, AT(epsilon), 1e-16, 1, "X", "1e-8; adagrad 1e-10"},
    {"l2", OPTION_REAL, AT(l2), 0, 1, "X", "times the weight, added to the gradient; 0"},
    {"decay", OPTION_REAL, AT(decay), 0, 10, "X", "decoupled: weights shrink by rate times this; 0"},
    {"l1", OPTION_REAL, AT(l1), 0, 1000, "X", "by proximal steps: weights become exactly 0; 0"},
    {"clip", OPTION_REAL, AT(clip), 1e-9, 1e9, "X", "the gradient's norm is at most this"},
    {"spare-vectors", OPTION_FLAG, AT(spare_vectors), 0, 0, NULL,
     "l2, l1 and decay leave biases and norms alone"},

    {"schedule", OPTION_TEXT, AT(schedule), 0, 0, "NAME",
     "constant, step, exponential, cosine, linear, cyclical or one-cycle; constant"},
    {"period", OPTION_WHOLE, AT(period), 1, 1e15, "STEPS", "of the schedule; by default all steps"},
    {"warmup", OPTION_WHOLE, AT(warmup), 0, 1e15, "STEPS", "that climb to the rate first; 0"},
    {"gamma", OPTION_REAL, AT(gamma), 1e-12, 1, "X", "factor of step (0.1) and exponential (0.999)"},
    {"least", OPTION_REAL, AT(least), 0, 1000, "X", "lowest rate of cosine, linear, cyclical; 0"},

    {"learns", OPTION_TEXT, AT(learns), 0, 0, "GLOBS", "only tensors of these names, 'fc.*,head.*'"},
    {"frozen", OPTION_TEXT, AT(frozen), 0, 0, "GLOBS", "tensors that stay as they are"},
    {"last-layers", OPTION_WHOLE, AT(last_layers), 1, 1e6, "N", "only so many layers, from the end"},
    {"lora", OPTION_WHOLE, AT(lora), 1, 4096, "RANK",
     "low-rank adapters on matrices learn, all else stays; they are added up in the result"},
    {"lora-on", OPTION_TEXT, AT(lora_on), 0, 0, "GLOBS", "matrices that get adapters; all"},
    {"lora-alpha", OPTION_REAL, AT(lora_alpha), 1e-9, 1e9, "X", "their scale times rank; the rank"},
    {"norm", OPTION_TEXT, AT(norm), 0, 0, "HOW",
     "batch norm by 'batch' or 'frozen'; by default batch from 8 examples on"},

    {"shift", OPTION_WHOLE, AT(shift), 0, 1024, "PIXELS", "images move by up to this, at random"},
    {"flip", OPTION_FLAG, AT(flip), 0, 0, NULL, "images are mirrored left to right, at random"},
    {"noise", OPTION_REAL, AT(noise), 0, 1e6, "X", "standard deviation of what is added to images"},

    {"metric", OPTION_TEXT, AT(metric), 0, 0, "NAME",
     "to judge epochs by: loss, accuracy, f1, roc_auc, r2, ...; loss"},
    {"confusion", OPTION_FLAG, AT(confusion), 0, 0, NULL,
     "print the confusion matrix of --test, and each class's precision, recall and F1"},
    {"patience", OPTION_WHOLE, AT(patience), 1, 1e9, "EPOCHS", "stop after so many without a better"},
    {"checkpoint", OPTION_TEXT, AT(checkpoint), 0, 0, "FILE", "state after each epoch, for --resume"},
    {"resume", OPTION_FLAG, AT(resume), 0, 0, NULL, "go on from the checkpoint, bit for bit"},
    {"curve", OPTION_TEXT, AT(curve), 0, 0, "FILE.svg", "the learning curve as a picture"},
    {"log", OPTION_TEXT, AT(log), 0, 0, "FILE.csv", "the learning curve as a table"},

    {"search", OPTION_TEXT, AT(search), 0, 0, "HOW", "grid, random or bayes over --space"},
    {"space", OPTION_LIST, AT(space), 0, 0, "NAME=...",
     "rate=1e-4:1e-1:log, batch=16|32|64, optimiser=adam|momentum"},
    {"trials", OPTION_WHOLE, AT(trials), 1, 1e6, "N", "of random and bayes; 20"},
    {"quiet", OPTION_FLAG, AT(quiet), 0, 0, NULL, "say nothing but the result"},
    {"help", OPTION_FLAG, AT(help), 0, 0, NULL, "this"},
    {"help-man", OPTION_FLAG, AT(help_man), 0, 0, NULL, "the same for the manual page"},
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static bool fail(struct train_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct train_options *options, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(options->error, sizeof(options->error), format, args);
    va_end(args);
    return false;
}

static const struct option_row *find(const char *name)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static bool set_number(struct train_options *options, const struct option_row *row, const char *text)
{
    void *at = (char *)options + row->offset;
    char *end;
    double real;

    errno = 0;
    real = strtod(text, &end);
    if (end == text || *end != '\0' || !(real >= row->least && real <= row->most))
        return fail(options, "--%s: expected a number from %g to %g, got '%.64s'", row->name,
                    row->least, row->most, text);
    if (row->kind == OPTION_REAL) {
        *(double *)at = real;
        return true;
    }
    *(int64_t *)at = strtoll(text, &end, 10);
    if (*end != '\0')
        *(int64_t *)at = (int64_t)real;
    if (*end != '\0' && (double)*(int64_t *)at != real)
        return fail(options, "--%s: expected a whole number, got '%.64s'", row->name, text);
    if (row->offset == AT(ignore_index))
        options->has_ignore = true;
    return true;
}

static bool set(struct train_options *options, const struct option_row *row, const char *text)
{
    void *at = (char *)options + row->offset;

    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)at = true;
        return true;
    case OPTION_LIST: {
        struct train_list *list = at;

        if (list->count == TRAIN_FILES_MAX)
            return fail(options, "--%s: more than %d", row->name, TRAIN_FILES_MAX);
        list->items[list->count++] = text;
        return true;
    }
    case OPTION_TEXT:
        *(const char **)at = text;
        return true;
    default:
        return set_number(options, row, text);
    }
}

bool train_options_set(struct train_options *options, const char *name, const char *text)
{
    const struct option_row *row = find(name);

    if (row == NULL)
        return fail(options, "there is no option '--%.64s'", name);
    return set(options, row, text);
}

bool train_options_is_number(const char *name, double *ret_least, double *ret_most, bool *ret_whole)
{
    const struct option_row *row = find(name);

    if (row == NULL || (row->kind != OPTION_REAL && row->kind != OPTION_WHOLE))
        return false;
    *ret_least = row->least;
    *ret_most = row->most;
    *ret_whole = row->kind == OPTION_WHOLE;
    return true;
}

static bool check(struct train_options *options)
{
    if (options->help || options->help_man)
        return true;
    if (options->model == NULL)
        return fail(options, "name the model to train: inferd train model.onnx --data ...");
    if (options->data.count == 0)
        return fail(options, "name examples to learn from: --data FILE");
    if (options->output == NULL && options->search == NULL)
        return fail(options, "name the file to write: -o trained.onnx");
    if (options->delimiter != NULL && strlen(options->delimiter) != 1)
        return fail(options, "--delimiter: expected one character");
    if (options->lora > 0 && (options->learns != NULL || options->last_layers > 0))
        return fail(options, "--lora chooses what learns: not with --learns or --last-layers");
    if (options->lora == 0 && (options->lora_on != NULL || options->lora_alpha > 0.0))
        return fail(options, "--lora-on and --lora-alpha go with --lora RANK");
    if (options->confusion && options->test.count == 0)
        return fail(options, "--confusion goes with --test FILE");
    if (options->resume && options->checkpoint == NULL)
        return fail(options, "--resume goes with --checkpoint FILE");
    if ((options->search != NULL) != (options->space.count > 0))
        return fail(options, "--search and --space go together");
    if (options->search != NULL && options->checkpoint != NULL)
        return fail(options, "a search writes no checkpoints");
    if (options->text > 0 && (options->data.count > 1 || options->test.count > 1))
        return fail(options, "--text: one file of --data, one of --test");
    if (options->skip_missing && options->data.count > 1)
        return fail(options, "--skip-missing: rows of several files would no longer match");
    return true;
}

void train_options_init(struct train_options *options)
{
    *options = (struct train_options){
        .validation = 0.1, .epochs = 10, .batch = 32, .seed = 1, .threads = 1, .optimiser = "adam",
        .rate = 1e-3, .schedule = "constant", .metric = "loss", .trials = 20};
}

bool train_options_parse(struct train_options *options, int argc, char **argv)
{
    train_options_init(options);
    for (int i = 0; i < argc; i++) {
        const char *argument = strcmp(argv[i], "-o") == 0 ? "--output" : argv[i];
        const struct option_row *row;

        if (argument[0] != '-' || argument[1] == '\0') {
            if (options->model != NULL)
                return fail(options, "one model, not '%.64s' as well", argument);
            options->model = argument;
            continue;
        }
        row = strncmp(argument, "--", 2) == 0 ? find(argument + 2) : NULL;
        if (row == NULL)
            return fail(options, "there is no option '%.64s'; --help shows all", argument);
        if (row->kind != OPTION_FLAG && i + 1 == argc)
            return fail(options, "%s needs a value", argument);
        if (!set(options, row, row->kind == OPTION_FLAG ? "" : argv[++i]))
            return false;
    }
    return check(options);
}

void train_options_help(FILE *out)
{
    fputs("usage: inferd train MODEL.onnx --data FILE [OPTIONS] -o TRAINED.onnx\n\n"
          "Trains a model on examples and writes it with its new weights. `inferd create` makes one to\n"
          "begin with.\n\n",
          out);
    for (size_t i = 0; i < N_ROWS; i++) {
        char left[64];

        snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].value != NULL ? " " : "",
                 rows[i].value != NULL ? rows[i].value : "");
        fprintf(out, "  %-24s %s\n", left, rows[i].help);
    }
}

/* Roff takes a hyphen for a minus, and a leading quote for a request. */
static void put_roff(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-')
            fputc('\\', out);
        fputc(*text, out);
    }
}

void train_options_help_man(FILE *out)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        fputs(".TP\n.B ", out);
        put_roff(out, "--");
        put_roff(out, rows[i].name);
        if (rows[i].value != NULL)
            fprintf(out, " \\fI%s\\fR", rows[i].value);
        fputs("\n", out);
        put_roff(out, rows[i].help);
        fputs(".\n", out);
    }
}
