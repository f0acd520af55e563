/* SPDX-License-Identifier: Apache-2.0
 * inferctl: asks a server over HTTP. It reads the command line, finds the command, and runs it. */
#include "clients/ctl/ctl.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum option_bit {
    TAKES_NONE = 0,
    TAKES_INPUT = 1,
    TAKES_BINARY = 2,
    TAKES_OUTPUT = 4,
    TAKES_LOAD = 8,    /* --concurrency, --duration-s */
    TAKES_TARGET = 16, /* --target */
    TAKES_UPDATE = 32, /* --key, --if-match */
    TAKES_RATE = 64,
    TAKES_TO = 128,    /* --to, --label, --time */
    TAKES_FILE = 256,
    TAKES_RANGE = 1 << 16, /* --first, --last */
    TAKES_EXAMPLES = 1 << 17,
    TAKES_ID = 1 << 18,
    TAKES_LOG = 1 << 19,
    TAKES_DATASET = 512,
    TAKES_DETACH = 1024,
    TAKES_JOB = 2048,
    TAKES_FOLLOW = 4096,
    TAKES_PARAMETERS = 8192,
};

static const struct command {
    const char *name;
    int models_min, models_max; /* arguments: MODEL or MODEL/VERSION */
    int options;
    enum ctl_exit (*run)(struct ctl *ctl);
    const char *usage, *help;
} commands[] = {
    {"bench", 1, 1, TAKES_INPUT | TAKES_BINARY | TAKES_LOAD, ctl_bench,
     "bench MODEL [--concurrency N] [--duration-s S] [--input ...] [--binary]",
     "send predictions and measure them (zeros without --input)"},
    {"cancel", 1, 1, TAKES_OUTPUT, ctl_cancel, "cancel JOB",
     "end a training job; forget one that is over"},
    {"datasets", 0, 2, TAKES_FILE | TAKES_OUTPUT, ctl_datasets,
     "datasets [list | put NAME --file FILE | show NAME | delete NAME]",
     "data files that the server keeps to train on"},
    {"delete", 1, 1, TAKES_OUTPUT, ctl_delete, "delete MODEL",
     "remove a model that was put, and what it has learnt"},
    {"erase", 1, 1, TAKES_EXAMPLES | TAKES_UPDATE | TAKES_OUTPUT, ctl_erase,
     "erase MODEL --example GENERATION.ROW...", "forget examples, in the weights and in every file"},
    {"evaluate", 1, 1, TAKES_INPUT | TAKES_TARGET | TAKES_OUTPUT, ctl_evaluate,
     "evaluate MODEL --input NAME=VALUE... --target NAME=VALUE...",
     "loss and metrics of what is served, on labelled examples"},
    {"export", 1, 1, TAKES_FILE, ctl_export, "export MODEL [--file model.onnx]",
     "the newest generation as an ONNX file"},
    {"feedback", 1, 1, TAKES_ID | TAKES_TARGET | TAKES_UPDATE | TAKES_RATE | TAKES_OUTPUT,
     ctl_feedback, "feedback MODEL --id ID --target NAME=VALUE... [--learning-rate R]",
     "the label of an earlier prediction (predict --log): scored, then learnt, durably and once"},
    {"finetune", 1, 1, TAKES_INPUT | TAKES_TARGET | TAKES_UPDATE | TAKES_RATE | TAKES_OUTPUT,
     ctl_finetune, "finetune MODEL --input NAME=VALUE... --target NAME=VALUE... [--learning-rate R]",
     "learn from labelled examples, durably"},
    {"generations", 1, 1, TAKES_OUTPUT, ctl_generations, "generations MODEL",
     "what has been learnt, newest first"},
    {"job", 1, 1, TAKES_OUTPUT | TAKES_FOLLOW, ctl_job, "job JOB [--follow]",
     "how far a training job is; with --follow to its end"},
    {"jobs", 0, 0, TAKES_OUTPUT, ctl_jobs, "jobs", "training jobs, newest first"},
    {"label", 1, 1, TAKES_TO | TAKES_UPDATE | TAKES_OUTPUT, ctl_label,
     "label MODEL --label NAME [--to GENERATION]", "a name for a generation, the newest if not said"},
    {"load", 1, 1, TAKES_NONE, ctl_load, "load MODEL", "load, or load again"},
    {"metrics", 0, 0, TAKES_NONE, ctl_metrics, "metrics",
     "the server's numbers, as Prometheus reads them"},
    {"model", 1, 1, TAKES_OUTPUT, ctl_model, "model MODEL", "inputs and outputs of a model"},
    {"models", 0, 0, TAKES_OUTPUT, ctl_models, "models", "what the repository holds"},
    {"predict", 1, 1, TAKES_INPUT | TAKES_BINARY | TAKES_ID | TAKES_LOG | TAKES_OUTPUT, ctl_predict,
     "predict MODEL --input NAME=VALUE... [--binary] [--log] [--id ID]",
     "send a prediction and print the answer"},
    {"promote", 1, 1, TAKES_TO | TAKES_JOB | TAKES_UPDATE | TAKES_OUTPUT, ctl_promote,
     "promote MODEL [--to GENERATION | --job JOB]",
     "what was learnt serves, the newest if not said; or what a training job came to"},
    {"put", 1, 1, TAKES_FILE | TAKES_OUTPUT, ctl_put, "put MODEL --file FILE",
     "a model of a specification in JSON, or of an ONNX file"},
    {"ready", 0, 1, TAKES_NONE, ctl_ready, "ready [MODEL]",
     "exit 0 if the server (the model) is ready, else 1"},
    {"rewind", 1, 1, TAKES_RANGE | TAKES_UPDATE | TAKES_OUTPUT, ctl_rewind,
     "rewind MODEL --first GENERATION [--last GENERATION]", "as if those updates had never been"},
    {"rollback", 1, 1, TAKES_TO | TAKES_UPDATE | TAKES_OUTPUT, ctl_rollback,
     "rollback MODEL --to GENERATION | --label NAME | --time TIME",
     "back to an earlier generation, or to what served at a time"},
    {"stats", 1, 1, TAKES_NONE, ctl_stats, "stats MODEL", "counts and times of a model"},
    {"train", 1, 1, TAKES_DATASET | TAKES_DETACH | TAKES_OUTPUT | TAKES_UPDATE | TAKES_PARAMETERS,
     ctl_train, "train MODEL --dataset NAME [--epochs N] [--learning-rate R] ... [--detach]",
     "a training job in the server, followed to its end"},
    {"unload", 1, 1, TAKES_NONE, ctl_unload, "unload MODEL", "stop serving a model"},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(void)
{
    int i;

    printf("usage: inferctl [OPTION...] COMMAND [MODEL[/VERSION]] [OPTION...]\n\ncommands:\n");
    for (i = 0; i < COMMANDS; i++)
        printf("  %s\n        %s\n", commands[i].usage, commands[i].help);
    printf("\noptions:\n"
           "  --url URL         http://host:port, https://..., or unix:/path.sock\n"
           "                    (INFERD_URL, else http://127.0.0.1:8080)\n"
           "  --timeout-s S     for each answer, 30 by default\n"
           "  --input NAME=1,2,3            values, shaped as the model wants them\n"
           "  --input NAME=[[1,2],[3,4]]    JSON\n"
           "  --input NAME=@FILE            .npy, .csv (one row a line) or .json\n"
           "  --target NAME=VALUE           labels or values, in the same forms\n"
           "  --log             keep the prediction until its label comes (feedback)\n"
           "  --id ID           of the prediction; the server makes one for --log\n"
           "  --learning-rate R of this update\n"
           "  --key KEY         Idempotency-Key: the update is applied once for each\n"
           "  --if-match G      only if generation G is the newest\n"
           "  --to G            generation to roll back to, to promote or to label\n"
           "  --label NAME      letters, digits, . _ -\n"
           "  --time TIME       Unix milliseconds, or as in 2026-01-31T12:00:00Z\n"
           "  --first G, --last G           updates that rewind leaves out; one if --last is not said\n"
           "  --example G.ROW   of the update that led to generation G, that row; may be repeated\n"
           "  --file FILE       where export writes, standard output if not said; what put and datasets\n"
           "                    put send\n"
           "  --dataset NAME    that train learns from; any other option of train is a parameter of the\n"
           "                    job: --epochs 20, --optimiser adam, --gate false\n"
           "  --detach          train prints the job's id and does not wait\n"
           "  --follow          job prints what happens until the job is over\n"
           "  --job JOB         whose result to promote\n"
           "  --binary          send and receive tensors as binary data\n"
           "  --output FORM     table (default) or json; --json is the same as --output json\n"
           "  --concurrency N   connections of bench, 1 by default\n"
           "  --duration-s S    of bench, 5 by default\n"
           "\nexit status: 0 done, 1 the server refused (or is not ready), 2 wrong usage, "
           "3 no answer\n");
}

enum ctl_exit ctl_usage(const char *format, ...)
{
    va_list args;

    fputs("inferctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return CTL_USAGE;
}

enum ctl_exit ctl_fail(const struct inferd_error *err)
{
    fprintf(stderr, "inferctl: %s\n", err->text);
    return err->status != 0 ? CTL_REFUSED : CTL_UNREACHABLE;
}

enum ctl_exit ctl_print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
    json_decref(json);
    return CTL_OK;
}

/* "42.0" */
static bool add_example(struct ctl *ctl, const char *value)
{
    struct learn_place place;
    int end = 0;

    if (ctl->n_examples == CTL_EXAMPLES_MAX || strspn(value, "0123456789.") != strlen(value) ||
        sscanf(value, "%15" SCNd64 ".%15" SCNd64 "%n", &place.generation, &place.row, &end) != 2 ||
        value[end] != '\0')
        return false;
    ctl->examples[ctl->n_examples++] = place;
    return true;
}

static bool parse_number(const char *text, double min, double max, double *ret_value)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= min && value <= max))
        return false;
    *ret_value = value;
    return true;
}

static bool parse_time(const char *text, int64_t *ret_ms)
{
    struct tm utc = {0};
    int length = 0;
    double number;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &utc.tm_year, &utc.tm_mon, &utc.tm_mday,
               &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &length) == 6 &&
        length > 0 && text[length] == '\0') {
        utc.tm_year -= 1900;
        utc.tm_mon -= 1;
        *ret_ms = (int64_t)timegm(&utc) * 1000;
        return *ret_ms >= 0;
    }
    if (!parse_number(text, 0, 9e15, &number))
        return false;
    *ret_ms = (int64_t)number;
    return true;
}

/* An option that has a value. Returns what is wrong with it, or NULL. */
static const char *set_option(struct ctl *ctl, const char *name, const char *value)
{
    double number;

    if (strcmp(name, "--url") == 0) {
        ctl->url = value;
    } else if (strcmp(name, "--input") == 0) {
        if (ctl->n_inputs == CTL_INPUTS_MAX)
            return "too many inputs";
        ctl->inputs[ctl->n_inputs++] = value;
    } else if (strcmp(name, "--output") == 0) {
        ctl->json = strcmp(value, "json") == 0;
        if (!ctl->json && strcmp(value, "table") != 0)
            return "expected table or json";
    } else if (strcmp(name, "--timeout-s") == 0) {
        if (!parse_number(value, 0.001, 86400, &ctl->timeout_s))
            return "expected seconds";
    } else if (strcmp(name, "--target") == 0) {
        if (ctl->n_targets == CTL_INPUTS_MAX)
            return "too many targets";
        ctl->targets[ctl->n_targets++] = value;
    } else if (strcmp(name, "--id") == 0) {
        ctl->id = value;
    } else if (strcmp(name, "--key") == 0) {
        if (value[0] == '\0' || strlen(value) > 255)
            return "expected 1 to 255 bytes";
        ctl->update.key = value;
    } else if (strcmp(name, "--file") == 0) {
        ctl->file = value;
    } else if (strcmp(name, "--dataset") == 0) {
        ctl->dataset = value;
    } else if (strcmp(name, "--job") == 0) {
        ctl->job = value;
    } else if (strcmp(name, "--learning-rate") == 0) {
        if (!parse_number(value, 1e-12, 1000, &ctl->learning_rate))
            return "expected a number above 0";
    } else if (strcmp(name, "--label") == 0) {
        if (value[0] == '\0' || strlen(value) > LEARN_LABEL_BYTES_MAX)
            return "expected 1 to 64 letters, digits, '.', '_' or '-'";
        snprintf(ctl->to.label, sizeof(ctl->to.label), "%s", value);
    } else if (strcmp(name, "--time") == 0) {
        if (!parse_time(value, &ctl->to.time_ms))
            return "expected Unix milliseconds or 2026-01-31T12:00:00Z";
    } else if (strcmp(name, "--if-match") == 0 || strcmp(name, "--to") == 0 ||
               strcmp(name, "--first") == 0 || strcmp(name, "--last") == 0) {
        if (!parse_number(value, 0, 9e15, &number) || number != (double)(int64_t)number)
            return "expected a generation";
        *(name[2] == 't'   ? &ctl->to.generation
          : name[2] == 'f' ? &ctl->first
          : name[2] == 'l' ? &ctl->last
                           : &ctl->update.if_match) = (int64_t)number;
    } else if (strcmp(name, "--example") == 0) {
        if (!add_example(ctl, value))
            return "expected GENERATION.ROW, as in 42.0; at most 1000 of them";
    } else if (strcmp(name, "--duration-s") == 0) {
        if (!parse_number(value, 0.001, 86400, &ctl->duration_s))
            return "expected seconds";
    } else {
        if (!parse_number(value, 1, 10000, &number) || number != (double)(int)number)
            return "expected a number from 1 to 10000";
        ctl->concurrency = (int)number;
    }
    return NULL;
}

static const struct option {
    const char *name;
    bool has_value;
    int bit; /* that the command must have; 0: any */
} options[] = {
    {"--binary", false, TAKES_BINARY},
    {"--concurrency", true, TAKES_LOAD},
    {"--dataset", true, TAKES_DATASET},
    {"--detach", false, TAKES_DETACH},
    {"--duration-s", true, TAKES_LOAD},
    {"--example", true, TAKES_EXAMPLES},
    {"--file", true, TAKES_FILE},
    {"--first", true, TAKES_RANGE},
    {"--follow", false, TAKES_FOLLOW},
    {"--id", true, TAKES_ID},
    {"--if-match", true, TAKES_UPDATE},
    {"--input", true, TAKES_INPUT},
    {"--job", true, TAKES_JOB},
    {"--json", false, TAKES_OUTPUT},
    {"--key", true, TAKES_UPDATE},
    {"--label", true, TAKES_TO},
    {"--last", true, TAKES_RANGE},
    {"--learning-rate", true, TAKES_RATE},
    {"--log", false, TAKES_LOG},
    {"--output", true, TAKES_OUTPUT},
    {"--target", true, TAKES_TARGET},
    {"--time", true, TAKES_TO},
    {"--timeout-s", true, 0},
    {"--to", true, TAKES_TO},
    {"--url", true, 0},
};

static const struct option *find_option(const char *name, size_t length)
{
    size_t i;

    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
            return &options[i];
    return NULL;
}

/* What was said, before the command is known to take it. */
struct line {
    const char *arguments[1 + CTL_ARGUMENTS_MAX];
    int n_arguments;
    int options;
};

/* After "train": an option that is none of the command's own is a parameter of the job. */
static bool is_parameter(const struct line *line, const struct option *option)
{
    enum { OWN = TAKES_DATASET | TAKES_DETACH | TAKES_OUTPUT };

    if (line->n_arguments == 0 || strcmp(line->arguments[0], "train") != 0)
        return false;
    return option == NULL || (option->bit != 0 && (option->bit & OWN) == 0 &&
                              strcmp(option->name, "--key") != 0);
}

/* "--epochs 20" or "--epochs=20" to "epochs=20", which main() frees. */
static enum ctl_exit add_parameter(struct ctl *ctl, char **argv, int *i)
{
    const char *name = argv[*i] + 2, *value = argv[*i + 1];
    size_t size;
    char *text;

    if (ctl->n_parameters == CTL_INPUTS_MAX)
        return ctl_usage("too many parameters");
    if (strchr(name, '=') != NULL) {
        text = strdup(name);
    } else {
        if (value == NULL || strncmp(argv[*i], "--", 2) != 0)
            return ctl_usage("%s needs a value", argv[*i]);
        size = strlen(name) + strlen(value) + 2;
        text = malloc(size);
        if (text != NULL)
            snprintf(text, size, "%s=%s", name, value);
        (*i)++;
    }
    if (text == NULL)
        return ctl_usage("out of memory");
    ctl->parameters[ctl->n_parameters++] = text;
    return CTL_OK;
}

static enum ctl_exit parse_option(struct ctl *ctl, struct line *line, char **argv, int *i)
{
    const char *equals = strchr(argv[*i], '=');
    size_t length = equals != NULL ? (size_t)(equals - argv[*i]) : strlen(argv[*i]);
    const struct option *option = find_option(argv[*i], length);
    const char *wrong, *value = equals != NULL ? equals + 1 : NULL;

    if (is_parameter(line, option))
        return add_parameter(ctl, argv, i);
    if (option == NULL)
        return ctl_usage("unknown option '%s'; see inferctl --help", argv[*i]);
    line->options |= option->bit;
    if (!option->has_value) {
        *(option->bit == TAKES_BINARY   ? &ctl->binary
          : option->bit == TAKES_LOG    ? &ctl->log
          : option->bit == TAKES_DETACH ? &ctl->detach
          : option->bit == TAKES_FOLLOW ? &ctl->follow
                                        : &ctl->json) = true;
        return equals == NULL ? CTL_OK : ctl_usage("%s takes no value", option->name);
    }
    if (value == NULL)
        value = argv[++*i];
    if (value == NULL)
        return ctl_usage("%s needs a value", option->name);
    wrong = set_option(ctl, option->name, value);
    return wrong == NULL ? CTL_OK : ctl_usage("%s %s: %s", option->name, value, wrong);
}

static enum ctl_exit parse(struct ctl *ctl, struct line *line, char **argv)
{
    enum ctl_exit result;
    int i;

    for (i = 1; argv[i] != NULL; i++) {
        if (argv[i][0] == '-') {
            result = parse_option(ctl, line, argv, &i);
            if (result != CTL_OK)
                return result;
        } else if (line->n_arguments == 1 + CTL_ARGUMENTS_MAX) {
            return ctl_usage("too many arguments: '%s'", argv[i]);
        } else {
            line->arguments[line->n_arguments++] = argv[i];
        }
    }
    return CTL_OK;
}

static const struct command *find_command(const char *name)
{
    int i;

    for (i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static enum ctl_exit run(struct ctl *ctl, const struct command *command)
{
    struct inferd_error err = {0};
    enum ctl_exit result;

    ctl->client = inferd_client_create(ctl->url, &err);
    if (ctl->client == NULL)
        return ctl_usage("%s", err.text);
    inferd_client_set_timeout(ctl->client, (int)(ctl->timeout_s * 1000));
    result = command->run(ctl);
    inferd_client_destroy(ctl->client);
    return result;
}

/* "M/V" is cut in two. */
static void split_model(struct ctl *ctl, char *text)
{
    char *slash = strchr(text, '/');

    ctl->model = text;
    if (slash != NULL) {
        *slash = '\0';
        ctl->version = slash + 1;
    }
}

/* The command line, and what it asks for. */
static enum ctl_exit act(struct ctl *ctl, char **argv)
{
    struct line line = {0};
    const struct command *command;
    enum ctl_exit result = parse(ctl, &line, argv);
    char *model = NULL;

    if (result != CTL_OK)
        return result;
    if (line.n_arguments == 0)
        return ctl_usage("no command; see inferctl --help");
    command = find_command(line.arguments[0]);
    if (command == NULL)
        return ctl_usage("unknown command '%s'; see inferctl --help", line.arguments[0]);
    if (line.n_arguments - 1 < command->models_min || line.n_arguments - 1 > command->models_max ||
        (line.options & ~command->options) != 0)
        return ctl_usage("usage: inferctl %s", command->usage);
    ctl->second = line.n_arguments > 2 ? line.arguments[2] : NULL;
    if (line.n_arguments >= 2) {
        model = strdup(line.arguments[1]);
        if (model == NULL)
            return ctl_usage("out of memory");
        split_model(ctl, model);
    }
    result = run(ctl, command);
    free(model);
    return result;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {
        .url = getenv("INFERD_URL"), .concurrency = 1, .duration_s = 5, .timeout_s = 30,
        .learning_rate = NAN, .to = {.generation = -1, .time_ms = -1}, .first = -1, .last = -1};
    enum ctl_exit result;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return CTL_OK;
        }
    }
    if (ctl.url == NULL || ctl.url[0] == '\0')
        ctl.url = "http://127.0.0.1:8080";
    result = act(&ctl, argv);
    for (int i = 0; i < ctl.n_parameters; i++)
        free(ctl.parameters[i]);
    return fflush(stdout) == 0 ? (int)result : CTL_REFUSED;
}
