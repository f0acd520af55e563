/* SPDX-License-Identifier: Apache-2.0
 * engine_bench MODEL THREADS: loads a model and obeys one command a line from standard input, so that
 * bench/engine.py can let it take turns with its peers in one run:
 *
 *   input I FILE D0,D1,... input I's data, of its declared type, as the file has them
 *   outputs FILE           runs once and writes all outputs' bytes, one after the other
 *   time SECONDS           runs for about that long: prints seconds of the fastest and the median run
 *   size                   multiply-adds times two of one run, and the model's parameters
 *   peak SECONDS           prints what this CPU reaches in GFLOP/s of fused multiply-adds
 *   read BYTES SECONDS     prints what the threads reach in GB/s reading so much again and again
 *
 * Each answer is one line; "ok" where there is nothing to say. Any failure ends the program. */
#include "bench/timing.h"
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    struct model *model;
    struct weights *weights;
    struct pool *pool;
    struct runner *runner;
    struct plan *plan;
    struct tensor *inputs, *outputs;
    int threads;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "engine_bench: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
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
    bench->inputs = calloc((size_t)model_n_inputs(bench->model), sizeof(*bench->inputs));
    bench->outputs = calloc((size_t)model_n_outputs(bench->model), sizeof(*bench->outputs));
    if (bench->runner == NULL || bench->weights == NULL || bench->inputs == NULL || bench->outputs == NULL)
        fail(path, "out of memory");
}

static void set_input(struct bench *bench, int index, const char *path, char *dims)
{
    struct tensor *input = &bench->inputs[index];
    size_t bytes;
    FILE *file;

    input->dtype = model_input(bench->model, index)->dtype;
    input->shape.rank = 0;
    for (char *dim = strtok(dims, ","); dim != NULL; dim = strtok(NULL, ",")) {
        if (input->shape.rank == SHAPE_RANK_MAX)
            fail(path, "too many dimensions");
        input->shape.dims[input->shape.rank++] = strtoll(dim, NULL, 10);
    }
    if (!shape_check(&input->shape, dtype_size(input->dtype), &bytes))
        fail(path, "bad shape");
    free(input->data);
    input->data = aligned_alloc(64, (bytes + 64) / 64 * 64);
    file = fopen(path, "rb");
    if (input->data == NULL || file == NULL || fread(input->data, 1, bytes, file) != bytes)
        fail(path, "could not be read");
    fclose(file);
    plan_unref(bench->plan);
    bench->plan = NULL;
}

/* The plan for the inputs as they are now. */
static void make_plan(struct bench *bench)
{
    int count = model_n_inputs(bench->model);
    struct shape *shapes = calloc((size_t)count, sizeof(*shapes));
    struct engine_error err = {0};

    for (int i = 0; i < count && shapes != NULL; i++)
        shapes[i] = bench->inputs[i].shape;
    bench->plan = shapes != NULL ? model_plan(bench->model, shapes, bench->threads, &err) : NULL;
    if (bench->plan == NULL)
        fail("plan", err.text);
    free(shapes);
}

static void run(void *arg)
{
    struct bench *bench = arg;
    struct engine_error err = {0};

    if (bench->plan == NULL)
        make_plan(bench);
    if (runner_run(bench->runner, bench->plan, bench->weights, bench->inputs, bench->outputs, &err) !=
        ENGINE_OK)
        fail("run", err.text);
}

static void write_outputs(struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "wb");

    run(bench);
    for (int i = 0; i < model_n_outputs(bench->model); i++) {
        size_t bytes = tensor_bytes(&bench->outputs[i]);

        if (file == NULL || fwrite(bench->outputs[i].data, 1, bytes, file) != bytes)
            fail(path, "could not be written");
    }
    if (fclose(file) != 0)
        fail(path, "could not be written");
    puts("ok");
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
    double best = 0, end = timing_now() + seconds;

    while (timing_now() < end) {
        double start = timing_now(), flops = 0, rate;

#if defined(__x86_64__)
        if (strcmp(engine_isa(), "avx512") == 0)
            flops = peak_avx512(1000000);
        else if (strcmp(engine_isa(), "avx2") == 0)
            flops = peak_avx2(1000000);
#endif
        rate = flops / (timing_now() - start) * 1e-9;
        if (rate > best)
            best = rate;
        if (flops == 0)
            break;
    }
    return best;
}

/* Sums of a task's share; volatile, so that the reads are not dropped. */
struct reading {
    const uint64_t *items;
    size_t count;
    int tasks;
    volatile uint64_t sums[64];
};

#if defined(__x86_64__)
__attribute__((target_clones("avx2", "default")))
#endif
static void read_share(void *arg, int task, int thread)
{
    typedef uint64_t lanes __attribute__((vector_size(32), aligned(8)));
    struct reading *reading = arg;
    size_t from = reading->count * (size_t)task / (size_t)reading->tasks;
    size_t to = reading->count * (size_t)(task + 1) / (size_t)reading->tasks;
    lanes sums[4] = {{0}};

    (void)thread;
    for (; from + 16 <= to; from += 16)
        _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++)
            sums[i] += *(const lanes *)(reading->items + from + 4 * i);
    sums[0] ^= sums[1] ^ sums[2] ^ sums[3];
    reading->sums[task] = sums[0][0] ^ sums[0][1] ^ sums[0][2] ^ sums[0][3];
}

static double read_rate(struct bench *bench, size_t bytes, double seconds)
{
    struct reading reading = {.count = bytes / 8, .tasks = bench->threads};
    double best = 0, end = timing_now() + seconds;
    uint64_t *items;

    bytes = (bytes + 4095) / 4096 * 4096;
    reading.items = items = bytes > 0 ? aligned_alloc(4096, bytes) : NULL;
    if (items == NULL || bench->threads > 64)
        fail("read", "that many bytes, or threads, are too many");
    memset(items, 1, bytes);
    while (timing_now() < end || best == 0) {
        double start = timing_now(), rate;

        pool_run(bench->pool, reading.tasks, read_share, &reading);
        rate = (double)reading.count * 8 / (timing_now() - start) * 1e-9;
        best = rate > best ? rate : best;
    }
    free(items);
    return best;
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
        set_input(bench, atoi(words[1]), words[2], words[3]);
        puts("ok");
    } else if (strcmp(words[0], "outputs") == 0 && words[1] != NULL) {
        write_outputs(bench, words[1]);
    } else if (strcmp(words[0], "time") == 0 && words[1] != NULL) {
        timing_print(run, bench, strtod(words[1], NULL));
    } else if (strcmp(words[0], "size") == 0 && bench->plan != NULL) {
        printf("%lld %lld\n", (long long)plan_flops(bench->plan),
               (long long)model_parameter_count(bench->model));
    } else if (strcmp(words[0], "peak") == 0 && words[1] != NULL) {
        printf("%.1f\n", peak(strtod(words[1], NULL)));
    } else if (strcmp(words[0], "read") == 0 && words[2] != NULL) {
        printf("%.2f\n", read_rate(bench, strtoull(words[1], NULL, 10), strtod(words[2], NULL)));
    } else {
        fail(words[0], "not understood");
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
    for (int i = 0; i < model_n_inputs(bench.model); i++)
        free(bench.inputs[i].data);
    free(bench.inputs);
    free(bench.outputs);
    plan_unref(bench.plan);
    weights_unref(bench.weights);
    runner_destroy(bench.runner);
    pool_destroy(bench.pool);
    model_unref(bench.model);
    return EXIT_SUCCESS;
}
