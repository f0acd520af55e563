/* SPDX-License-Identifier: Apache-2.0
 * engine_bench MODEL THREADS: loads a model and obeys one command a line from standard input, so that
 * bench/engine.py can let it take turns with its peers in one run:
 *
 *   input FILE D0,D1,...   the first input: float32 as the file has them
 *   output FILE            runs once and writes the first output's bytes
 *   time SECONDS           runs for about that long: prints seconds of the fastest and the median run
 *   flops                  multiply-adds times two of one run
 *   peak SECONDS           prints what this CPU reaches in GFLOP/s of fused multiply-adds
 *
 * Each answer is one line; "ok" where there is nothing to say. Any failure ends the program. */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES_MAX = 100000 };

struct bench {
    struct model *model;
    struct weights *weights;
    struct pool *pool;
    struct runner *runner;
    struct plan *plan;
    struct tensor input;
    struct tensor *outputs;
    int threads;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "engine_bench: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void load(struct bench *bench, const char *path, int threads)
{
    struct model_options options = {.optimise = getenv("INFERD_BENCH_PLAIN") == NULL};
    struct engine_error err = {0};

    if (engine_start(&err) != ENGINE_OK)
        fail("start", err.text);
    bench->model = model_load_file(path, &options, &err);
    if (bench->model == NULL)
        fail(path, err.text);
    bench->threads = threads;
    bench->pool = threads > 1 ? pool_create(threads, 200) : NULL;
    bench->runner = runner_create(bench->pool);
    bench->weights = model_base_weights(bench->model);
    bench->outputs = calloc((size_t)model_n_outputs(bench->model), sizeof(*bench->outputs));
    if (bench->runner == NULL || bench->weights == NULL || bench->outputs == NULL)
        fail(path, "out of memory");
}

static void set_input(struct bench *bench, const char *path, char *dims)
{
    struct tensor *input = &bench->input;
    struct engine_error err = {0};
    size_t bytes;
    FILE *file;

    input->dtype = DTYPE_F32;
    input->shape.rank = 0;
    for (char *dim = strtok(dims, ","); dim != NULL; dim = strtok(NULL, ",")) {
        if (input->shape.rank == SHAPE_RANK_MAX)
            fail(path, "too many dimensions");
        input->shape.dims[input->shape.rank++] = strtoll(dim, NULL, 10);
    }
    if (!shape_check(&input->shape, sizeof(float), &bytes))
        fail(path, "bad shape");
    free(input->data);
    input->data = aligned_alloc(64, (bytes + 64) / 64 * 64);
    file = fopen(path, "rb");
    if (input->data == NULL || file == NULL || fread(input->data, 1, bytes, file) != bytes)
        fail(path, "could not be read");
    fclose(file);
    plan_unref(bench->plan);
    bench->plan = model_plan(bench->model, &input->shape, bench->threads, &err);
    if (bench->plan == NULL)
        fail("plan", err.text);
}

static void run(struct bench *bench)
{
    struct engine_error err = {0};

    if (bench->plan == NULL)
        fail("run", "no input yet");
    if (runner_run(bench->runner, bench->plan, bench->weights, &bench->input, bench->outputs, &err) !=
        ENGINE_OK)
        fail("run", err.text);
}

static void write_output(struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "wb");
    size_t bytes;

    run(bench);
    bytes = tensor_bytes(&bench->outputs[0]);
    if (file == NULL || fwrite(bench->outputs[0].data, 1, bytes, file) != bytes || fclose(file) != 0)
        fail(path, "could not be written");
    puts("ok");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void time_runs(struct bench *bench, double seconds)
{
    static double samples[SAMPLES_MAX];
    double end = now() + seconds, before = now();
    int count = 0;

    while (count < SAMPLES_MAX && (count < 3 || before < end)) {
        double after;

        run(bench);
        after = now();
        samples[count++] = after - before;
        before = after;
    }
    qsort(samples, (size_t)count, sizeof(samples[0]), compare);
    printf("%.9g %.9g\n", samples[0], samples[count / 2]);
}

#if defined(__x86_64__)
/* Ten chains in flight hide the latency of any one. Returns the operations done. */
#define CHAIN(sum) \
    sum = sum * factor + factor; \
    __asm__ volatile("" : "+v"(sum));
#define PEAK(name, instructions, bytes) \
    __attribute__((target(instructions))) static double name(long rounds) \
    { \
        typedef float lanes __attribute__((vector_size(bytes))); \
        lanes factor = (lanes){0} + 0.5f; \
        lanes a = factor, b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a; \
        for (long round = 0; round < rounds; round++) { \
            CHAIN(a) CHAIN(b) CHAIN(c) CHAIN(d) CHAIN(e) CHAIN(f) CHAIN(g) CHAIN(h) CHAIN(i) CHAIN(j) \
        } \
        return 2.0 * 10 * (bytes / 4) * (double)rounds; \
    }

PEAK(peak_avx2, "avx2,fma", 32)
PEAK(peak_avx512, "avx512f", 64)
#endif

static double peak(double seconds)
{
    double best = 0, end = now() + seconds;

    while (now() < end) {
        double start = now(), flops = 0, rate;

#if defined(__x86_64__)
        if (strcmp(engine_isa(), "avx512") == 0)
            flops = peak_avx512(1000000);
        else if (strcmp(engine_isa(), "avx2") == 0)
            flops = peak_avx2(1000000);
#endif
        rate = flops / (now() - start) * 1e-9;
        if (rate > best)
            best = rate;
        if (flops == 0)
            break;
    }
    return best;
}

static void obey(struct bench *bench, char *line)
{
    char *command = strtok(line, " \n"), *first = strtok(NULL, " \n"), *second = strtok(NULL, " \n");

    if (command == NULL)
        return;
    if (strcmp(command, "input") == 0 && second != NULL) {
        set_input(bench, first, second);
        puts("ok");
    } else if (strcmp(command, "output") == 0 && first != NULL) {
        write_output(bench, first);
    } else if (strcmp(command, "time") == 0 && first != NULL) {
        time_runs(bench, strtod(first, NULL));
    } else if (strcmp(command, "flops") == 0 && bench->plan != NULL) {
        printf("%lld\n", (long long)plan_flops(bench->plan));
    } else if (strcmp(command, "peak") == 0 && first != NULL) {
        printf("%.1f\n", peak(strtod(first, NULL)));
    } else {
        fail(command, "not understood");
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    char line[4096];

    if (argc != 3)
        fail("usage", "engine_bench MODEL THREADS");
    load(&bench, argv[1], atoi(argv[2]));
    printf("ok %s, %s\n", engine_isa(), engine_blas());
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL)
        obey(&bench, line);
    free(bench.input.data);
    free(bench.outputs);
    plan_unref(bench.plan);
    weights_unref(bench.weights);
    runner_destroy(bench.runner);
    pool_destroy(bench.pool);
    model_unref(bench.model);
    return EXIT_SUCCESS;
}
