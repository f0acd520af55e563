/* SPDX-License-Identifier: Apache-2.0
 * Predictions that wait for labels: what goes in comes out alike, the bounds hold, a restart keeps what
 * was accepted, and a file that does not hold is set aside. */
#include "server/learning/prediction_log.h"

#include "server/learning/prediction_record.h"
#include "server/observe/learning_stats.h"
#include "tests/support/learning_case.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char directory[64];

static void setup(void)
{
    learning_directory_make(directory);
}

static void teardown(void)
{
    learning_directory_remove(directory);
}

/* Two rows of `width` numbers that follow from `number`, and their two outputs. */
static struct tap_sample *sample_of(const char *id, float number, int width)
{
    static float in[1 << 16];
    float out[2] = {number + 1, number + 2};
    int64_t codes[2] = {(int64_t)number, -1};
    struct tensor inputs[2] = {{.dtype = DTYPE_F32, .shape = {2, {2, width}}, .data = in},
                               {.dtype = DTYPE_I64, .shape = {1, {2}}, .data = codes}};
    struct tensor output = {.dtype = DTYPE_F32, .shape = {2, {2, 1}}, .data = out};
    const struct tap_prediction prediction = {.generation = 3, .rows = 2, .id = id,
                                              .inputs = inputs, .n_inputs = 2,
                                              .outputs = &output, .n_outputs = 1};

    for (int i = 0; i < 2 * width; i++)
        in[i] = number * (float)(i + 1);
    return tap_sample_create(&prediction, SIZE_MAX / 2);
}

static void check_sample(const struct tap_sample *sample, float number, int width)
{
    ck_assert_ptr_nonnull(sample);
    ck_assert_int_eq(sample->n_inputs, 2);
    ck_assert_int_eq(sample->n_outputs, 1);
    ck_assert_int_eq(sample->rows, 2);
    ck_assert_int_eq(sample->generation, 3);
    ck_assert_int_eq(sample->inputs[0].shape.rank, 2);
    ck_assert_int_eq(sample->inputs[0].shape.dims[1], width);
    ck_assert_int_eq(sample->inputs[1].dtype, DTYPE_I64);
    ck_assert_int_eq(((int64_t *)sample->inputs[1].data)[0], (int64_t)number);
    for (int i = 0; i < 2 * width; i++)
        ck_assert_float_eq(((float *)sample->inputs[0].data)[i], number * (float)(i + 1));
    ck_assert_float_eq(((float *)sample->outputs[0].data)[1], number + 2);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- the record --- */

START_TEST(records_come_back_and_cuts_are_seen)
{
    struct tap_sample *sample = sample_of("a", 5, 7), *back;
    size_t size = prediction_record_bytes(sample);
    unsigned char *bytes = malloc(size);

    prediction_record_write(sample, bytes);
    back = prediction_record_read(bytes, size, "a", 3, 44);
    check_sample(back, 5, 7);
    ck_assert_int_eq(back->time_ms, 44);
    ck_assert_str_eq(back->id, "a");
    tap_sample_unref(back);
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *part = malloc(cut + 1);       /* a heap block of its own, for sanitizers */

        memcpy(part, bytes, cut);
        ck_assert_msg(prediction_record_read(part, cut, "a", 3, 44) == NULL, "cut at %zu", cut);
        free(part);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {    /* whatever it says, it is not read beyond */
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        tap_sample_unref(prediction_record_read(bytes, size, "a", 3, 44));
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(bytes);
    tap_sample_unref(sample);
}
END_TEST

/* --- the store --- */

struct place {
    struct storage_dir dir;
    struct prediction_store *store;
};

static void open_store(struct place *place, int64_t ttl_ms, uint64_t bytes_max)
{
    const struct prediction_store_options options = {ttl_ms, bytes_max};

    memset(place, 0, sizeof(*place));
    ASSERT_OK(storage_dir_open(&place->dir, directory, "m@1.predictions", err));
    ASSERT_OK(prediction_store_open(&place->dir, &options, &place->store, err));
}

static void close_store(struct place *place)
{
    prediction_store_close(place->store);
    storage_dir_close(&place->dir);
}

static void add(struct place *place, const char *id, float number, int width)
{
    struct tap_sample *sample = sample_of(id, number, width);

    ASSERT_OK(prediction_store_add(place->store, sample, err));
    tap_sample_unref(sample);
}

static enum storage_status find(struct place *place, const char *id, int64_t at_ms,
                                struct prediction_found *ret)
{
    struct storage_fault fault = {0};

    return prediction_store_find(place->store, id, at_ms, ret, &fault);
}

START_TEST(what_is_committed_is_found_after_a_restart)
{
    struct prediction_found found;
    struct place place;
    struct stat info;
    uint64_t nonce;

    open_store(&place, 1000000, 1 << 20);
    add(&place, "a", 1, 3);
    add(&place, "b", 2, 3000);
    add(&place, "a", 9, 4);              /* the newest of an id */
    ASSERT_OK(prediction_store_commit(place.store, err));
    add(&place, "c", 3, 3);              /* not committed */
    close_store(&place);
    open_store(&place, 1000000, 1 << 20);
    ck_assert_int_eq(find(&place, "a", now_ms(), &found), STORAGE_OK);
    check_sample(found.sample, 9, 4);
    nonce = found.nonce;
    tap_sample_unref(found.sample);
    ck_assert_int_eq(find(&place, "b", now_ms(), &found), STORAGE_OK);
    check_sample(found.sample, 2, 3000);
    ck_assert(found.nonce != nonce);
    tap_sample_unref(found.sample);
    ck_assert_int_eq(find(&place, "c", now_ms(), &found), STORAGE_NOT_FOUND);
    ck_assert_int_eq(find(&place, "", now_ms(), &found), STORAGE_NOT_FOUND);
    ck_assert_int_eq(fstatat(place.dir.fd, prediction_file, &info, 0), 0);
    ck_assert_int_eq(info.st_mode & 0777, 0600);
    close_store(&place);
}
END_TEST

START_TEST(settled_ids_stay_without_content)
{
    struct prediction_found found;
    struct place place;
    uint64_t nonce;

    open_store(&place, 1000000, 1 << 20);
    add(&place, "a", 1, 3);
    ASSERT_OK(prediction_store_commit(place.store, err));
    find(&place, "a", now_ms(), &found);
    tap_sample_unref(found.sample);
    nonce = found.nonce;
    ASSERT_OK(prediction_store_settle(place.store, "a", nonce + 1, err));    /* another one's label */
    ck_assert_int_eq(find(&place, "a", now_ms(), &found), STORAGE_OK);
    check_sample(found.sample, 1, 3);
    tap_sample_unref(found.sample);
    ASSERT_OK(prediction_store_settle(place.store, "a", nonce, err));
    ASSERT_OK(prediction_store_settle(place.store, "a", nonce, err));
    ASSERT_OK(prediction_store_settle(place.store, "none", nonce, err));
    close_store(&place);
    open_store(&place, 1000000, 1 << 20);
    ck_assert_int_eq(find(&place, "a", now_ms(), &found), STORAGE_OK);
    ck_assert_ptr_null(found.sample);
    ck_assert_uint_eq(found.nonce, nonce);
    ck_assert_int_eq(found.generation, 3);
    close_store(&place);
}
END_TEST

START_TEST(old_ones_expire)
{
    struct prediction_found found;
    struct place place;
    uint64_t kept, bytes;
    int64_t now = now_ms();
    bool more = true;

    open_store(&place, 60000, 8 << 20);
    for (int i = 0; i < 600; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%d", i);
        add(&place, id, (float)i, 3);
    }
    ck_assert_int_eq(find(&place, "7", now + 50000, &found), STORAGE_OK);
    tap_sample_unref(found.sample);
    ck_assert_int_eq(find(&place, "7", now + 70000, &found), STORAGE_NOT_FOUND);
    ck_assert_ptr_null(found.sample);
    ASSERT_OK(prediction_store_expire(place.store, now + 50000, &more, err));
    ck_assert(!more);
    ASSERT_OK(prediction_store_measure(place.store, &kept, &bytes, err));
    ck_assert_uint_eq(kept, 600);
    for (int turn = 0; turn < 3; turn++) {          /* 256 at a time */
        ASSERT_OK(prediction_store_expire(place.store, now + 70000, &more, err));
        ck_assert_int_eq(more, turn < 2);
    }
    ASSERT_OK(prediction_store_measure(place.store, &kept, &bytes, err));
    ck_assert_uint_eq(kept, 0);
    close_store(&place);
}
END_TEST

START_TEST(bytes_are_bounded_and_the_oldest_go)
{
    enum { BYTES_MAX = 1 << 20, PREDICTIONS = 3000 };
    struct storage_fault fault = {0};
    struct prediction_found found;
    struct tap_sample *large;
    struct place place;
    uint64_t kept, bytes;
    struct stat info;

    open_store(&place, 100000000, BYTES_MAX);
    for (int i = 0; i < PREDICTIONS; i++) {
        struct tap_sample *sample;
        char id[16];

        snprintf(id, sizeof(id), "%d", i);
        sample = sample_of(id, (float)i, i % 7 == 0 ? 900 : 30);
        sample->time_ms = now_ms() + i;
        ASSERT_OK(prediction_store_add(place.store, sample, err));
        tap_sample_unref(sample);
        if (i % 50 == 0)
            ASSERT_OK(prediction_store_commit(place.store, err));
        if (i % 100 == 0) {
            ASSERT_OK(prediction_store_measure(place.store, &kept, &bytes, err));
            ck_assert_uint_le(bytes, BYTES_MAX);
        }
    }
    ASSERT_OK(prediction_store_commit(place.store, err));
    ASSERT_OK(prediction_store_measure(place.store, &kept, &bytes, err));
    ck_assert_uint_ge(kept, 200);                   /* most of the room is used */
    ck_assert_uint_ge(bytes, BYTES_MAX / 2);
    ck_assert_int_eq(find(&place, "0", 0, &found), STORAGE_NOT_FOUND);
    ck_assert_int_eq(find(&place, "2999", 0, &found), STORAGE_OK);
    check_sample(found.sample, 2999, 30);
    tap_sample_unref(found.sample);
    large = sample_of("large", 1, 1 << 15);         /* a quarter of the log for itself */
    ck_assert_int_eq(prediction_store_add(place.store, large, &fault), STORAGE_LIMIT);
    tap_sample_unref(large);
    ck_assert_int_eq(fstatat(place.dir.fd, prediction_file, &info, 0), 0);
    ck_assert_int_le(info.st_size, BYTES_MAX + (256 << 10));
    close_store(&place);
}
END_TEST

/* --- the log --- */

static struct learning_stats stats;

static struct prediction_log *start_log(int64_t ttl_ms)
{
    const struct prediction_log_params params = {
        .state_path = directory, .model = "m", .version = "1", .store = {ttl_ms, 8 << 20},
        .stats = &stats};
    struct prediction_log *log = prediction_log_create(&params);

    ck_assert_ptr_nonnull(log);
    return log;
}

static void log_one(struct prediction_log *log, const char *id, float number, bool expected)
{
    struct tap_sample *sample = sample_of(id, number, 3);

    ck_assert_int_eq(prediction_log_add(log, sample), expected);
    tap_sample_unref(sample);
}

struct asked {
    struct prediction_query query;       /* first */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool answered;
    struct prediction_found found;
    struct problem problem;
};

static void hear(struct prediction_query *query, const struct prediction_found *found,
                 const struct problem *problem)
{
    struct asked *asked = (struct asked *)query;

    pthread_mutex_lock(&asked->lock);
    asked->found = *found;
    asked->problem = *problem;
    asked->answered = true;
    pthread_cond_signal(&asked->wake);
    pthread_mutex_unlock(&asked->lock);
}

/* The status; the sample, if there is one, is the caller's. */
static int ask(struct prediction_log *log, const char *id, struct prediction_found *ret)
{
    struct asked asked = {.query = {id, hear}, .lock = PTHREAD_MUTEX_INITIALIZER,
                          .wake = PTHREAD_COND_INITIALIZER};
    struct problem problem = {0};

    ck_assert(prediction_log_find(log, &asked.query, &problem));
    pthread_mutex_lock(&asked.lock);
    while (!asked.answered)
        pthread_cond_wait(&asked.wake, &asked.lock);
    pthread_mutex_unlock(&asked.lock);
    *ret = asked.found;
    return asked.problem.status;
}

static void expect(struct prediction_log *log, const char *id, float number)
{
    struct prediction_found found;

    ck_assert_msg(ask(log, id, &found) == 0, "%s is not there", id);
    check_sample(found.sample, number, 3);
    tap_sample_unref(found.sample);
}

START_TEST(a_lookup_sees_all_that_was_accepted_before)
{
    struct prediction_log *log;
    struct prediction_found found;
    char id[PREDICTION_ID_BYTES_MAX + 2];

    ck_assert(!prediction_log_exists(directory, "m", "1"));
    log = start_log(1000000);
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof(id), "%d", i);
        log_one(log, id, (float)i, true);
        if (i % 50 == 0)
            expect(log, id, (float)i);
    }
    ck_assert_int_eq(ask(log, "none", &found), 404);
    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    log_one(log, id, 1, false);          /* an id of too many bytes */
    log_one(log, NULL, 1, false);
    ck_assert_int_eq(ask(log, "3", &found), 0);
    prediction_log_settle(log, "3", found.nonce);
    tap_sample_unref(found.sample);
    ck_assert_int_eq(ask(log, "3", &found), 0);
    ck_assert_ptr_null(found.sample);
    prediction_log_destroy(log);
    ck_assert(prediction_log_exists(directory, "m", "1"));
    log = start_log(1000000);            /* an orderly stop loses nothing */
    expect(log, "499", 499);
    expect(log, "0", 0);
    prediction_log_destroy(log);
}
END_TEST

START_TEST(time_removes_what_is_too_old)
{
    struct prediction_log *log;
    struct prediction_found found;
    double kept = -1;

    memset(&stats, 0, sizeof(stats));
    log = start_log(300);
    log_one(log, "a", 1, true);
    expect(log, "a", 1);
    ck_assert_double_eq(stats.numbers[LEARNING_LOGGED], 1);
    for (int i = 0; i < 100 && kept != 0; i++) {    /* without being asked for */
        usleep(50000);
        kept = i > 30 ? stats.numbers[LEARNING_LOG_PREDICTIONS] : -1;
    }
    ck_assert_double_eq(kept, 0);
    ck_assert_int_eq(ask(log, "a", &found), 404);
    prediction_log_destroy(log);
}
END_TEST

static void damage(const char *how)
{
    char path[256], zeros[4096] = {0};
    int fd;

    snprintf(path, sizeof(path), "%s/learning/m@1.predictions/%s", directory, prediction_file);
    if (strcmp(how, "a link") == 0) {
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(symlink("/dev/null", path), 0);
        return;
    }
    fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    if (strcmp(how, "no database") == 0) {
        ck_assert_int_eq(pwrite(fd, "not a database at all", 21, 0), 21);
    } else if (strcmp(how, "cut") == 0) {
        ck_assert_int_eq(ftruncate(fd, 5000), 0);
    } else if (strcmp(how, "another's tables") == 0) {
        ck_assert_int_eq(pwrite(fd, "xxxx", 4, 68), 4);     /* application_id */
    } else {
        struct stat info;

        ck_assert_int_eq(fstat(fd, &info), 0);
        for (off_t at = 4096; at < info.st_size; at += 4096)    /* all but the schema */
            ck_assert_int_eq(pwrite(fd, zeros, sizeof(zeros), at), (ssize_t)sizeof(zeros));
    }
    close(fd);
}

START_TEST(damage_sets_the_file_aside)
{
    static const char *const ways[] = {"no database", "cut", "another's tables", "zeroed pages",
                                       "a link"};
    const char *how = ways[_i];
    struct prediction_log *log = start_log(1000000);
    struct prediction_found found;
    char path[256];
    int status;

    for (int i = 0; i < 200; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%d", i);
        log_one(log, id, (float)i, true);
    }
    prediction_log_destroy(log);
    damage(how);
    log = start_log(1000000);
    status = ask(log, "7", &found);
    ck_assert_msg(status == 404, "%s: %d", how, status);
    log_one(log, "new", 5, true);        /* and goes on in a new one */
    expect(log, "new", 5);
    prediction_log_destroy(log);
    snprintf(path, sizeof(path), "%s/learning/m@1.predictions/%s", directory,
             prediction_file_damaged);
    ck_assert_msg(faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0, "%s: not set aside", how);
}
END_TEST

START_TEST(where_nothing_can_be_written_nothing_is_accepted)
{
    const struct prediction_log_params params = {
        .state_path = "/proc/nowhere", .model = "m", .version = "1", .store = {1000, 8 << 20}};
    struct prediction_log *log = prediction_log_create(&params);
    struct prediction_found found;

    ck_assert_ptr_nonnull(log);
    ck_assert_int_eq(ask(log, "a", &found), 503);
    log_one(log, "a", 1, false);
    prediction_log_destroy(log);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("prediction_log");
    TCase *tc = tcase_create("prediction_log");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, records_come_back_and_cuts_are_seen);
    tcase_add_test(tc, what_is_committed_is_found_after_a_restart);
    tcase_add_test(tc, settled_ids_stay_without_content);
    tcase_add_test(tc, old_ones_expire);
    tcase_add_test(tc, bytes_are_bounded_and_the_oldest_go);
    tcase_add_test(tc, a_lookup_sees_all_that_was_accepted_before);
    tcase_add_test(tc, time_removes_what_is_too_old);
    tcase_add_loop_test(tc, damage_sets_the_file_aside, 0, 5);
    tcase_add_test(tc, where_nothing_can_be_written_nothing_is_accepted);
    suite_add_tcase(suite, tc);
    return suite;
}
