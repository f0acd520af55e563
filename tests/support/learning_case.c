/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/support/learning_case.h"

#include "tests/support/run_suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void toy_init(struct toy *toy)
{
    memset(toy, 0, sizeof(*toy));
    memset(toy->weights, 7, sizeof(toy->weights));
    toy->tensors[0] = (struct named_tensor){.name = "layer.weight", .dtype = DTYPE_F32,
                                            .shape = {2, {4, 2}}, .bytes = DIGEST_BYTES};
    toy->tensors[1] = (struct named_tensor){.name = "optimiser.moment \"1\"", .dtype = DTYPE_U8,
                                            .shape = {1, {DIGEST_BYTES}}, .bytes = DIGEST_BYTES};
    toy->tensors[2] = (struct named_tensor){.name = "optimiser.steps", .dtype = DTYPE_I64,
                                            .shape = {0, {0}}, .bytes = sizeof(int64_t)};
}

static void point(struct toy *toy)
{
    toy->tensors[0].data = toy->weights;
    toy->tensors[1].data = toy->moments;
    toy->tensors[2].data = &toy->steps;
}

struct digest toy_state(struct toy *toy)
{
    point(toy);
    return checkpoint_state(toy->tensors, 3);
}

struct digest toy_base(void)
{
    return digest_of("toy model", 9);
}

void toy_apply(struct toy *toy, const struct journal_row *row)
{
    for (size_t i = 0; i < row->n_examples; i++) {
        const struct journal_example *example = &row->examples[i];
        struct digester digester;
        struct digest digest;

        if (example->erased)
            continue;
        digest_start(&digester, "toy");
        digest_raw(&digester, toy->weights, DIGEST_BYTES);
        digest_number(&digester, row->seed);
        digest_text(&digester, row->settings);
        digest_bytes(&digester, example->inputs, example->inputs_bytes);
        digest_bytes(&digester, example->targets, example->targets_bytes);
        digest = digest_finish(&digester);
        for (int k = 0; k < DIGEST_BYTES; k++)
            toy->moments[k] = (unsigned char)(toy->moments[k] * 3 + digest.bytes[k]);
        memcpy(toy->weights, digest.bytes, DIGEST_BYTES);
    }
    toy->steps++;
}

static enum storage_status load_base(void *self, struct storage_fault *fault)
{
    struct toy *toy = self;
    uint64_t fail_at = toy->fail_at;

    (void)fault;
    toy_init(toy);
    toy->fail_at = fail_at;
    return STORAGE_OK;
}

static enum storage_status load(void *self, const struct checkpoint *checkpoint,
                                struct storage_fault *fault)
{
    struct toy *toy = self;
    void *targets[] = {toy->weights, toy->moments, &toy->steps};

    for (int i = 0; i < 3; i++) {
        const struct named_tensor *tensor =
            safetensors_find(&checkpoint->tensors, toy->tensors[i].name);

        if (tensor == NULL || tensor->bytes != toy->tensors[i].bytes)
            return storage_fault_set(fault, STORAGE_DAMAGED, NULL, 0, "no tensor '%s'",
                                     toy->tensors[i].name);
        memcpy(targets[i], tensor->data, tensor->bytes);
    }
    return STORAGE_OK;
}

static enum storage_status apply(void *self, const struct journal_row *row,
                                 struct storage_fault *fault)
{
    struct toy *toy = self;

    if (toy->fail_at == row->generation)
        return storage_fault_set(fault, STORAGE_DAMAGED, NULL, row->generation, "the toy refuses");
    toy_apply(toy, row);
    return STORAGE_OK;
}

static struct digest state(void *self)
{
    return toy_state(self);
}

struct recovery_trainer toy_trainer(struct toy *toy)
{
    return (struct recovery_trainer){toy, load_base, load, apply, state, NULL, NULL};
}

void toy_update_make(struct toy_update *update, uint64_t generation)
{
    uint64_t random = generation * 1000003;
    struct journal_row *row = &update->row;

    memset(update, 0, sizeof(*update));
    row->generation = generation;
    row->kind = generation % 3 == 0 ? JOURNAL_FEEDBACK : JOURNAL_FINETUNE;
    row->time_ms = 1700000000000 + (int64_t)generation * 1000;
    row->seed = test_random(&random);
    row->principal = generation % 2 == 0 ? "alice" : "bob";
    snprintf(update->settings, sizeof(update->settings), "{\"learning_rate\":0.%llu}",
             (unsigned long long)generation);
    row->settings = update->settings;
    row->n_examples = 1 + generation % LEARNING_EXAMPLES_MAX;
    row->examples = update->examples;
    for (size_t i = 0; i < row->n_examples; i++) {
        struct journal_example *example = &update->examples[i];

        example->inputs = update->bytes[i][0];
        example->inputs_bytes = 8 + test_random(&random) % (generation % 4 == 1 ? 1500 : 60);
        example->targets = update->bytes[i][1];
        example->targets_bytes = 4;
        for (size_t k = 0; k < example->inputs_bytes; k++)
            update->bytes[i][0][k] = (unsigned char)test_random(&random);
        memcpy(update->bytes[i][1], &random, 4);
        if (generation % 2 == 1) {
            snprintf(update->ids[i], sizeof(update->ids[i]), "p%llu-%zu",
                     (unsigned long long)generation, i);
            example->id = update->ids[i];
        }
    }
    if (generation % 2 == 0) {
        snprintf(update->key, sizeof(update->key), "key-%llu", (unsigned long long)generation);
        snprintf(update->answer, sizeof(update->answer), "{\"generation\":%llu}",
                 (unsigned long long)generation);
        row->key = update->key;
        row->body = digest_of(update->key, strlen(update->key));
        row->answer = update->answer;
        row->answer_bytes = strlen(update->answer);
    }
}

void toy_update_step(struct toy *toy, struct toy_update *update)
{
    toy_apply(toy, &update->row);
    update->row.state = toy_state(toy);
}

struct digest toy_oracle(uint64_t generation)
{
    struct toy_update update;
    struct toy toy;

    toy_init(&toy);
    for (uint64_t g = 1; g <= generation; g++) {
        toy_update_make(&update, g);
        toy_update_step(&toy, &update);
    }
    return toy_state(&toy);
}

void learning_directory_make(char path[64])
{
    snprintf(path, 64, "%s/inferd-learning-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

void learning_directory_remove(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void copy_file(const char *from, const char *to)
{
    char chunk[1 << 14];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n;

    ck_assert_msg(in >= 0 && out >= 0, "cannot copy %s", from);
    while ((n = read(in, chunk, sizeof(chunk))) > 0)
        ck_assert_int_eq(storage_write_all(out, chunk, (size_t)n), 0);
    close(in);
    close(out);
}

void learning_directory_copy(const char *from, const char *to)
{
    DIR *listing = opendir(from);
    struct dirent *entry;

    ck_assert_msg(listing != NULL && mkdir(to, 0700) == 0, "cannot copy %s", from);
    while ((entry = readdir(listing)) != NULL) {
        char source[512], target[512];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
        snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
        if (entry->d_type == DT_DIR)
            learning_directory_copy(source, target);
        else
            copy_file(source, target);
    }
    closedir(listing);
}

void learning_tamper(const struct storage_dir *dir, const char *sql)
{
    char path[256];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/journal.db", dir->path);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(db));
    sqlite3_close(db);
}

void learning_damage(const struct storage_dir *dir, const char *name)
{
    int fd = openat(dir->fd, name, O_RDWR | O_CLOEXEC);
    unsigned char byte;
    off_t at = lseek(fd, 0, SEEK_END) - 20;

    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

struct journal_options toy_options(void)
{
    return (struct journal_options){.base = toy_base()};
}

enum storage_status toy_checkpoint(const struct storage_dir *dir, struct journal *journal,
                                   struct toy *toy, struct storage_fault *fault)
{
    struct checkpoint_note note = {
        .generation = journal_last(journal),
        .time_ms = 1700000000000,
        .base = toy_base(),
        .trainer = "{\"optimiser\":\"toy\", \"sha256\":\"\xc3\xa9\"}",
    };
    enum storage_status status;

    memcpy(note.identity, journal_identity(journal), sizeof(note.identity));
    status = journal_chain(journal, note.generation, &note.chain, fault);
    point(toy);
    return status == STORAGE_OK ? checkpoint_write(dir, &note, toy->tensors, 3, NULL, fault) : status;
}

void toy_train(struct toy *toy, uint64_t generation)
{
    uint64_t fail_at = toy->fail_at;

    toy_init(toy);
    toy->fail_at = fail_at;
    memset(toy->weights, (int)(100 + generation), sizeof(toy->weights));
    toy->steps = 1000;
}

enum storage_status toy_adopt(const struct storage_dir *dir, struct journal *journal, struct toy *toy,
                              uint64_t since, struct storage_fault *fault)
{
    struct recovery_trainer trainer = toy_trainer(toy);
    struct journal_row row = {.generation = journal_last(journal) + 1, .kind = JOURNAL_TRAIN,
                              .first = since};
    struct checkpoint_note note = {.generation = row.generation, .base = toy_base(), .trainer = ""};
    enum storage_status status;

    toy_train(toy, row.generation);
    status = recovery_reapply(dir, journal, &trainer, since, fault);
    memcpy(note.identity, journal_identity(journal), sizeof(note.identity));
    if (status == STORAGE_OK)
        status = journal_chain(journal, row.generation - 1, &note.chain, fault);
    row.state = toy_state(toy);
    if (status == STORAGE_OK)
        status = trained_write(dir, &note, toy->tensors, 3, fault);
    return status == STORAGE_OK ? journal_append(journal, &row, 1, fault) : status;
}
