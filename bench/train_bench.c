/* SPDX-License-Identifier: Apache-2.0
 * train_bench MODEL THREADS OPTIMISER LOSS [RATE]: takes training steps on one batch and obeys one command
 * a line from standard input, so that bench/train.py can let it take turns with PyTorch in one run:
 *
 *   input I FILE D0,D1,...   input I's data, of its declared type, as the file has them
 *   target FILE D0,D1,...    what is to be learned: floats, or int64 class ids for the loss "ce"
 *   step                     one step: prints its loss
 *   time SECONDS             steps for about that long: prints seconds of the fastest and the median one
 *   cpu STEPS                so many steps: prints seconds of CPU time of the thread that steps and of all
 *                            threads (INFERD_BENCH_SPIN_US=0: those that wait for work take none)
 *   memory                   prints the bytes that the trainer takes
 *   peak                     prints the most bytes of memory that the process had since it began
 *
 * Each answer is one line; "ok" where there is nothing to say. Any failure ends the program. */
#include "bench/timing.h"
#include "engine/engine.h"
#include "engine/train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INPUTS_MAX = 4 };

struct bench {
    struct model *model;
    struct trainer *trainer;
    struct tensor inputs[INPUTS_MAX], target;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "train_bench: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void load(struct bench *bench, char **arguments)
{
    const struct model_options load = {.for_training = getenv("INFERD_BENCH_PLAIN") == NULL};
    struct trainer_options options = trainer_options_default();
    struct trainer_loss loss = {.axis_by_head = true};
    const char *spin = getenv("INFERD_BENCH_SPIN_US");
    int threads = atoi(arguments[2]), spin_us = spin != NULL ? atoi(spin) : 200;
    struct engine_error err = {0};
    enum optimiser_kind optimiser;
    enum loss_kind kind;

    if (engine_start(&err) != ENGINE_OK)
        fail("start", err.text);
    bench->model = model_load_file(arguments[1], &load, &err);
    if (bench->model == NULL)
        fail(arguments[1], err.text);
    if (model_n_inputs(bench->model) > INPUTS_MAX || !optimiser_find(arguments[3], &optimiser) ||
        !loss_find(arguments[4], &kind))
        fail("arguments", "too many inputs, or no such optimiser or loss");
    options.optimiser = optimiser_form_default(optimiser);
    options.schedule = schedule_default(SCHEDULE_CONSTANT, arguments[5] != NULL ? atof(arguments[5]) : 1e-4);
    loss.form = loss_form_default(kind);
    loss.output = model_output(bench->model, 0)->name;
    options.n_losses = 1;
    options.losses = &loss;
    bench->trainer = trainer_create(bench->model, &options,
                                    threads > 1 ? pool_create(threads, spin_us) : NULL, &err);
    if (bench->trainer == NULL)
        fail(arguments[1], err.text);
}

static void read_tensor(struct tensor *tensor, enum dtype dtype, const char *path, char *dims)
{
    size_t bytes;
    FILE *file;

    tensor->dtype = dtype;
    tensor->shape.rank = 0;
    for (char *dim = strtok(dims, ","); dim != NULL; dim = strtok(NULL, ",")) {
        if (tensor->shape.rank == SHAPE_RANK_MAX)
            fail(path, "too many dimensions");
        tensor->shape.dims[tensor->shape.rank++] = strtoll(dim, NULL, 10);
    }
    if (!shape_check(&tensor->shape, dtype_size(dtype), &bytes))
        fail(path, "bad shape");
    free(tensor->data);
    tensor->data = aligned_alloc(64, (bytes + 64) / 64 * 64);
    file = fopen(path, "rb");
    if (tensor->data == NULL || file == NULL || fread(tensor->data, 1, bytes, file) != bytes)
        fail(path, "could not be read");
    fclose(file);
}

static double step(struct bench *bench)
{
    const struct trainer_batch batch = {bench->inputs, &bench->target, -1.0};
    struct engine_error err = {0};
    struct trainer_result result;

    if (trainer_step(bench->trainer, &batch, &result, &err) != ENGINE_OK)
        fail("step", err.text);
    if (result.verdict != TRAINER_LEARNED)
        fail("step", trainer_verdict_text(result.verdict));
    return result.loss;
}

static void time_step(void *arg)
{
    step(arg);
}

static double read_clock(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void print_cpu(struct bench *bench, int steps)
{
    double own = read_clock(CLOCK_THREAD_CPUTIME_ID), all = read_clock(CLOCK_PROCESS_CPUTIME_ID);

    for (int i = 0; i < steps; i++)
        step(bench);
    own = read_clock(CLOCK_THREAD_CPUTIME_ID) - own;
    all = read_clock(CLOCK_PROCESS_CPUTIME_ID) - all;
    printf("%.9g %.9g\n", own, all);
}

/* As the kernel counts it: VmHWM of /proc/self/status. */
static void print_peak(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (file == NULL || kib == 0)
        fail("peak", "/proc/self/status says nothing");
    fclose(file);
    printf("%ld\n", kib * 1024);
}

static void obey(struct bench *bench, char *line)
{
    char *words[4] = {strtok(line, " \n")};

    for (int i = 1; i < 4 && words[i - 1] != NULL; i++)
        words[i] = strtok(NULL, " \n");
    if (words[0] == NULL)
        return;
    if (strcmp(words[0], "input") == 0 && words[3] != NULL && atoi(words[1]) >= 0 &&
        atoi(words[1]) < model_n_inputs(bench->model)) {
        read_tensor(&bench->inputs[atoi(words[1])], model_input(bench->model, atoi(words[1]))->dtype,
                    words[2], words[3]);
        puts("ok");
    } else if (strcmp(words[0], "target") == 0 && words[2] != NULL) {
        read_tensor(&bench->target,
                    trainer_loss_form(bench->trainer, 0)->kind == LOSS_CE ? DTYPE_I64 : DTYPE_F32,
                    words[1], words[2]);
        puts("ok");
    } else if (strcmp(words[0], "step") == 0) {
        printf("%.9g\n", step(bench));
    } else if (strcmp(words[0], "time") == 0 && words[1] != NULL) {
        timing_print(time_step, bench, atof(words[1]));
    } else if (strcmp(words[0], "cpu") == 0 && words[1] != NULL) {
        print_cpu(bench, atoi(words[1]));
    } else if (strcmp(words[0], "peak") == 0) {
        print_peak();
    } else if (strcmp(words[0], "memory") == 0) {
        printf("%zu\n", trainer_bytes(bench->trainer));
    } else {
        fail(words[0], "unknown command");
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    char line[4096];

    if (argc != 5 && argc != 6)
        fail("usage", "train_bench MODEL THREADS OPTIMISER LOSS [RATE]");
    load(&bench, argv);
    puts("ok");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL)
        obey(&bench, line);
    return EXIT_SUCCESS;
}
