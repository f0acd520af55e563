/* SPDX-License-Identifier: Apache-2.0
 * storm_onnx [--seed N] [--rounds N] [--from N] [FILE|DIR...]: the ONNX harness over models with a
 * few fields changed, without a fuzzer. When a round ends the process, its number is printed; with
 * the same seed, --from that number and --rounds 1 it comes again. */
#include "tests/fuzz/mutate_onnx.h"

#include <fts.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 4096, FILE_BYTES_MAX = 64 * 1024, SECONDS_MAX = 20, ROUNDS_DEFAULT = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seed_file {
    char *path;
    uint8_t *data;
    size_t size;
};

static struct seed_file files[FILES_MAX];
static size_t n_files;
static char where[512]; /* what the signal handler prints */

static void on_signal(int number)
{
    ssize_t ignored = write(STDERR_FILENO, where, strlen(where));

    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}

static void add_file(const char *path, size_t size)
{
    FILE *file = n_files < FILES_MAX && size <= FILE_BYTES_MAX ? fopen(path, "rb") : NULL;
    struct seed_file *entry = &files[n_files];

    if (file == NULL)
        return;
    entry->path = strdup(path);
    entry->data = malloc(size + 1);
    entry->size = size;
    if (entry->path != NULL && entry->data != NULL && fread(entry->data, 1, size, file) == size)
        n_files++;
    fclose(file);
}

static int by_path(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void add_files(char **roots)
{
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_path);
    FTSENT *entry;

    while (walk != NULL && (entry = fts_read(walk)) != NULL)
        if (entry->fts_info == FTS_F && strstr(entry->fts_name, ".onnx") != NULL)
            add_file(entry->fts_path, (size_t)entry->fts_statp->st_size);
    if (walk != NULL)
        fts_close(walk);
}

/* One to three changes of one file. */
static void run_round(uint64_t seed, uint64_t round)
{
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + round;
    const struct seed_file *file = &files[round % n_files];
    struct onnx_bytes model = mutate_onnx(file->data, file->size, state);
    uint8_t *exact;

    for (uint64_t more = (state >> 7) % 3; more > 0; more--) {
        struct onnx_bytes next = mutate_onnx(model.data, model.size, state + 77 * more);

        onnx_bytes_free(&model);
        model = next;
    }
    snprintf(where, sizeof(where), "storm_onnx: seed %llu, round %llu, %.300s\n",
             (unsigned long long)seed, (unsigned long long)round, file->path);
    if (getenv("INFERD_STORM_SAVE") != NULL) {
        FILE *out = fopen(getenv("INFERD_STORM_SAVE"), "wb");

        if (out != NULL) {
            fwrite(model.data, 1, model.size, out);
            fclose(out);
        }
    }
    exact = malloc(model.size + 1);
    if (exact == NULL)
        abort();
    if (model.size > 0)
        memcpy(exact, model.data, model.size);
    alarm(SECONDS_MAX);
    LLVMFuzzerTestOneInput(exact, model.size);
    free(exact);
    onnx_bytes_free(&model);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},
        {"rounds", required_argument, NULL, 'r'},
        {"from", required_argument, NULL, 'f'},
        {0},
    };
    static const int fatal[] = {SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    const char *scale = getenv("INFERD_TEST_SCALE"), *given = getenv("INFERD_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    uint64_t rounds =
        ROUNDS_DEFAULT * (scale != NULL && atoi(scale) > 1 ? (uint64_t)atoi(scale) : 1);
    char *corpus[] = {(char *)CORPUS_DIR, NULL};
    uint64_t from = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == '?')
            return 2;
        *(option == 's' ? &seed : option == 'r' ? &rounds : &from) = strtoull(optarg, NULL, 0);
    }
    for (size_t k = 0; k < sizeof(fatal) / sizeof(fatal[0]); k++)
        signal(fatal[k], on_signal);
    printf("INFERD_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    add_files(optind < argc ? argv + optind : corpus);
    if (n_files == 0)
        return 1;
    for (uint64_t round = from; round < from + rounds; round++)
        run_round(seed, round);
    for (size_t k = 0; k < n_files; k++) {
        free(files[k].path);
        free(files[k].data);
    }
    printf("%llu passed, 0 failed\n", (unsigned long long)rounds);
    return 0;
}
