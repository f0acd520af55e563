/* SPDX-License-Identifier: Apache-2.0
 * Every file-system call of a fixed life of a learning model fails once, and from there on, in
 * every way a disk and a kernel have: killed before it, power cut before it, EIO, ENOSPC, EINTR,
 * half of a read or write, a sync whose data is lost. The life: updates alone and in groups,
 * checkpoints with pruning, the log folded in, an erasure, a training job's outcome, a promotion and
 * a candidate that is quarantined. It begins with a recovery, so that recovery's calls fail as well,
 * from nothing and from what a crash left. After the fault: no acknowledged update lost, none twice,
 * no half one, weights equal to those of an uninterrupted life, and nothing taken back that a
 * recovery has shown. */
#include "config.h"

#include "server/learning/recovery.h"
#include "tests/support/fault_calls.h"
#include "tests/support/learning_case.h"
#include "tests/support/run_suite.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_MAX = 1 << 20, LAST = 24, ERASURE = 11, JOB = 12, ADOPTION = 15, PROMOTION = 19,
       QUARANTINE = 23, VIOLATION = 2, PATH_BYTES = 96 };

static const char erased_id[] = "p7-0";

/* ---- the life ---- */

enum act { UPDATE, GROUP, CHECKPOINT, TIDY, ERASE, ADOPT, MARK, BACK };

static const struct {
    enum act act;
    uint64_t to;        /* the generation it leads to */
} life[] = {
    {UPDATE, 1}, {UPDATE, 2},     {GROUP, 5},  {CHECKPOINT, 5}, {UPDATE, 6},  {CHECKPOINT, 6},
    {TIDY, 6},   {UPDATE, 7},     {UPDATE, 8}, {CHECKPOINT, 8}, {GROUP, 10},  {ERASE, ERASURE},
    {TIDY, ERASURE}, {CHECKPOINT, ERASURE}, {UPDATE, JOB}, {CHECKPOINT, JOB}, {GROUP, 14},
    {ADOPT, ADOPTION}, {UPDATE, 16}, {CHECKPOINT, 16}, {UPDATE, 17}, {UPDATE, 18},
    {MARK, PROMOTION}, {GROUP, 22}, {CHECKPOINT, 22}, {BACK, QUARANTINE}, {UPDATE, LAST},
};

static struct digest oracle[LAST + 1];

/* From the definition of the life, without any file. */
static void make_oracle(void)
{
    struct toy_update update;
    struct toy toy, promoted = {0};

    toy_init(&toy);
    oracle[0] = toy_state(&toy);
    for (uint64_t g = 1; g <= LAST; g++) {
        if (g == ERASURE) {
            toy_init(&toy);
            for (uint64_t h = 1; h < ERASURE; h++) {
                toy_update_make(&update, h);
                update.examples[0].erased = h == 7;
                toy_apply(&toy, &update.row);
            }
        } else if (g == ADOPTION) {
            toy_train(&toy, ADOPTION);
            for (uint64_t h = JOB + 1; h < ADOPTION; h++) {
                toy_update_make(&update, h);
                toy_apply(&toy, &update.row);
            }
        } else if (g == PROMOTION) {
            promoted = toy;
        } else if (g == QUARANTINE) {
            toy = promoted;
        } else {
            toy_update_make(&update, g);
            toy_apply(&toy, &update.row);
        }
        oracle[g] = toy_state(&toy);
    }
}

/* What a life is lived with. `tell` hears of generations acknowledged or shown. */
struct body {
    struct storage_dir dir;
    struct journal *journal;
    struct toy toy;
    int tell_fd;            /* -1: nobody */
    const char *broken;     /* a promise that was not kept */
};

static void tell(const struct body *body, uint64_t generation)
{
    if (body->tell_fd >= 0)
        syscall(SYS_write, body->tell_fd, &generation, sizeof(generation));
}

static bool recovered(struct body *body, const char *root, struct recovery *found)
{
    struct recovery_trainer trainer = toy_trainer(&body->toy);
    struct journal_options options = toy_options();
    struct digest state;

    toy_init(&body->toy);
    if (storage_dir_open(&body->dir, root, "m", NULL) != STORAGE_OK)
        return false;
    recover(&body->dir, &options, READ_MAX, &trainer, found);
    body->journal = found->journal;
    if (found->mode == RECOVERY_FAILED)
        return false;
    state = toy_state(&body->toy);
    if (found->generation > LAST || !digest_equal(&state, &oracle[found->generation]))
        body->broken = "recovery came to other weights";
    if (found->mode == RECOVERY_READY)
        tell(body, found->generation);      /* served from here on */
    return found->mode == RECOVERY_READY;
}

/* One refused change latches: the next must be refused, too. */
static bool stop_latched(struct body *body)
{
    struct toy_update update;

    toy_update_make(&update, journal_last(body->journal) + 1);
    update.row.key = NULL;
    if (journal_append(body->journal, &update.row, 1, NULL) == STORAGE_OK)
        body->broken = "an append went through after one that failed";
    return false;
}

static bool append(struct body *body, uint64_t to)
{
    static struct toy_update updates[4];
    struct journal_row rows[4];
    uint64_t last = journal_last(body->journal);
    struct toy before = body->toy;
    size_t n = 0;

    for (uint64_t g = last + 1; g <= to; g++, n++) {
        toy_update_make(&updates[n], g);
        toy_update_step(&body->toy, &updates[n]);
        rows[n] = updates[n].row;
    }
    if (n == 0)
        return true;
    if (journal_append(body->journal, rows, n, NULL) == STORAGE_OK) {
        tell(body, to);
        return true;
    }
    body->toy = before;
    return stop_latched(body);
}

static bool erase(struct body *body)
{
    static const char *const ids[] = {erased_id};
    struct recovery_trainer trainer = toy_trainer(&body->toy);
    struct recovery_goal goal = {.to = ERASURE - 1, .without = ids, .n_without = 1};
    struct journal_row row = {.generation = ERASURE, .kind = JOURNAL_ERASE, .first = 7};

    if (journal_last(body->journal) >= ERASURE)
        return true;
    if (recovery_rebuild(&body->dir, body->journal, READ_MAX, &trainer, &goal, NULL) != STORAGE_OK)
        return false;
    row.state = toy_state(&body->toy);
    if (journal_erase(body->journal, ids, 1, &row, NULL) != STORAGE_OK &&
        journal_last(body->journal) < ERASURE)
        return stop_latched(body);
    tell(body, ERASURE);
    return true;
}

static bool adopt(struct body *body)
{
    struct toy before = body->toy;

    if (journal_last(body->journal) >= ADOPTION)
        return true;
    if (toy_adopt(&body->dir, body->journal, &body->toy, JOB, NULL) == STORAGE_OK) {
        tell(body, ADOPTION);
        return true;
    }
    /* A file that could not be written latches nothing, but no row has come of it. */
    body->toy = before;
    return journal_state(body->journal, NULL) == STORAGE_OK ? false : stop_latched(body);
}

static bool append_row(struct body *body, const struct journal_row *row)
{
    if (journal_append(body->journal, row, 1, NULL) != STORAGE_OK)
        return stop_latched(body);
    tell(body, row->generation);
    return true;
}

/* What has been learnt until then serves. */
static bool promote(struct body *body)
{
    const struct journal_row row = {.generation = PROMOTION, .kind = JOURNAL_PROMOTE, .settings = "{}",
                                    .first = PROMOTION - 1, .state = toy_state(&body->toy)};

    return journal_last(body->journal) >= PROMOTION || append_row(body, &row);
}

/* What has been learnt since does not: back to what was promoted. */
static bool quarantine(struct body *body)
{
    struct recovery_trainer trainer = toy_trainer(&body->toy);
    struct recovery_goal goal = {.to = PROMOTION - 1};
    struct journal_row row = {.generation = QUARANTINE, .kind = JOURNAL_ROLLBACK,
                              .settings = "{\"quarantine\":{}}", .first = PROMOTION - 1};

    if (journal_last(body->journal) >= QUARANTINE)
        return true;
    if (recovery_rebuild(&body->dir, body->journal, READ_MAX, &trainer, &goal, NULL) != STORAGE_OK)
        return false;
    row.state = toy_state(&body->toy);
    if (!digest_equal(&row.state, &oracle[PROMOTION]))
        body->broken = "what was promoted is another";
    return append_row(body, &row);
}

/* With what serves held, while that is not the newest. */
static enum storage_status prune(struct body *body)
{
    uint64_t last = journal_last(body->journal);
    uint64_t serving = last >= PROMOTION && last < QUARANTINE ? PROMOTION - 1 : UINT64_MAX;

    return recovery_prune(&body->dir, body->journal, serving, serving, 0, NULL);
}

/* Lives from where the journal stands to the end; false when a fault has stopped it. */
static bool live(struct body *body)
{
    for (size_t i = 0; i < sizeof(life) / sizeof(life[0]); i++) {
        uint64_t last = journal_last(body->journal);
        bool goes_on = true;

        if (life[i].act == UPDATE || life[i].act == GROUP)
            goes_on = append(body, life[i].to);
        else if (life[i].act == ERASE)
            goes_on = erase(body);
        else if (life[i].act == ADOPT)
            goes_on = adopt(body);
        else if (life[i].act == MARK)
            goes_on = promote(body);
        else if (life[i].act == BACK)
            goes_on = quarantine(body);
        else if (last == life[i].to && life[i].act == TIDY)
            goes_on = journal_tidy(body->journal, true, NULL) == STORAGE_OK;
        /* A checkpoint that fails costs nothing; its pruning may latch, which the next append says. */
        else if (last == life[i].to && toy_checkpoint(&body->dir, body->journal, &body->toy, NULL) ==
                                           STORAGE_OK)
            prune(body);
        if (!goes_on)
            return false;
    }
    return true;
}

static void depart(struct body *body)
{
    journal_close(body->journal);
    storage_dir_close(&body->dir);
    body->journal = NULL;
}

/* ---- one case ---- */

struct outcome {
    uint64_t told;          /* the newest generation acknowledged or shown */
    bool struck, finished;
    int status;
};

static char work[64];

/* In a process of its own: recover, live, and after a fault recover as a restart would, then let the
 * power go. Never returns. */
static void child(const char *root, const char *image, const struct fault_plan *plan, int tell_fd)
{
    struct body body = {.tell_fd = tell_fd};
    struct recovery found;
    bool finished;

    fault_calls_begin(root, image, plan);
    finished = recovered(&body, root, &found) && live(&body);
    if (body.broken == NULL && plan->kind != FAULT_NONE && fault_calls_struck()) {
        depart(&body);
        fault_calls_relent();
        if (!recovered(&body, root, &found))
            body.broken = found.n_faults > 0 ? found.faults[0].text : "no recovery after the fault";
    }
    if (body.broken != NULL) {
        fprintf(stderr, "%s\n", body.broken);
        _exit(VIOLATION);
    }
    syscall(SYS_write, tell_fd, &(uint64_t){finished ? UINT64_MAX : UINT64_MAX - 1}, 8);
    syscall(SYS_write, tell_fd, &(uint64_t){(uint64_t)fault_calls_seen() | UINT64_C(1) << 63}, 8);
    if (plan->kind == FAULT_NONE)
        _exit(0);
    fault_calls_cut();
}

static struct outcome run_child(const char *root, const char *image, const struct fault_plan *plan,
                                long *ret_seen)
{
    struct outcome outcome = {0};
    uint64_t heard;
    int pipe_fds[2];
    pid_t pid;

    ck_assert_int_eq(pipe(pipe_fds), 0);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        close(pipe_fds[0]);
        child(root, image, plan, pipe_fds[1]);
    }
    close(pipe_fds[1]);
    while (read(pipe_fds[0], &heard, sizeof(heard)) == sizeof(heard)) {
        if (heard >= UINT64_MAX - 1)
            outcome.finished = heard == UINT64_MAX;
        else if (heard >> 63 != 0)
            *ret_seen = (long)(heard & ~(UINT64_C(1) << 63));
        else if (heard > outcome.told)
            outcome.told = heard;
    }
    close(pipe_fds[0]);
    ck_assert_int_eq(waitpid(pid, &outcome.status, 0), pid);
    return outcome;
}

/* Without faults: what was promised is there, and life goes on to the right end. */
static void verify(const char *root, const struct outcome *outcome, const char *what)
{
    struct body body = {.tell_fd = -1};
    struct recovery found;
    struct journal_reply reply;
    uint64_t generation;

    ck_assert_msg(recovered(&body, root, &found), "%s: %s", what,
                  found.n_faults > 0 ? found.faults[0].text : "no recovery");
    ck_assert_msg(body.broken == NULL, "%s: %s", what, body.broken);
    ck_assert_msg(found.n_faults == 0, "%s: %s", what, found.faults[0].text);
    generation = found.generation;
    ck_assert_msg(generation >= outcome->told, "%s: generation %llu was promised, %llu is there", what,
                  (unsigned long long)outcome->told, (unsigned long long)generation);
    for (uint64_t g = 2; g <= LAST; g += 2) {
        struct toy_update update;
        enum storage_status status;

        toy_update_make(&update, g);
        status = journal_find_reply(body.journal, update.key, &update.row.body, &reply, NULL);
        ck_assert_msg(status == (g <= generation ? STORAGE_OK : STORAGE_NOT_FOUND),
                      "%s: the key of %llu at generation %llu", what, (unsigned long long)g,
                      (unsigned long long)generation);
        if (status == STORAGE_OK)
            free(reply.answer);
    }
    ck_assert_msg(live(&body) && body.broken == NULL, "%s: life does not go on", what);
    depart(&body);
    ck_assert_msg(recovered(&body, root, &found) && found.generation == LAST && body.broken == NULL,
                  "%s: the end is another", what);
    depart(&body);
}

/* A case from `start` (NULL: from nothing). Returns false once the fault no longer comes. */
static bool run_case(const char *start, const struct fault_plan *plan)
{
    char root[PATH_BYTES], image[PATH_BYTES], what[160];
    struct outcome outcome;
    bool killed, cut;
    long seen = 0;

    snprintf(root, sizeof(root), "%s/root", work);
    snprintf(image, sizeof(image), "%s/image", work);
    snprintf(what, sizeof(what), "%s, %s at call %ld%s, seed %llu",
             start == NULL ? "from nothing" : "from a crash", fault_kind_names[plan->kind], plan->at,
             plan->on ? " and on" : "", (unsigned long long)plan->seed);
    if (start != NULL)
        learning_directory_copy(start, root);
    else
        ck_assert_int_eq(mkdir(root, 0700), 0);
    outcome = run_child(root, image, plan, &seen);
    killed = WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGKILL;
    ck_assert_msg(killed || (plan->kind == FAULT_NONE && outcome.status == 0),
                  "%s: the process ended with status %x", what, outcome.status);
    cut = access(image, F_OK) == 0;
    ck_assert_msg(cut || plan->kind == FAULT_KILL || plan->kind == FAULT_NONE, "%s: no image", what);
    /* What the kernel still has, as after a kill; and what the disk has, as after a power cut. */
    if (plan->kind != FAULT_POWER)
        verify(root, &outcome, what);
    if (cut)
        verify(image, &outcome, what);
    learning_directory_remove(root);
    learning_directory_remove(image);
    return seen == 0 || seen >= plan->at;
}

/* ---- the enumeration ---- */

static void setup(void)
{
    make_oracle();
    learning_directory_make(work);
}

static void teardown(void)
{
    learning_directory_remove(work);
}

/* The life as far as `generation`, then a process that ended without closing anything. */
static void make_start(char start[PATH_BYTES], uint64_t generation)
{
    struct body body = {.tell_fd = -1};
    struct recovery found;
    char open_root[PATH_BYTES];

    snprintf(start, PATH_BYTES, "%s/start", work);
    snprintf(open_root, sizeof(open_root), "%s/open", work);
    ck_assert_int_eq(mkdir(open_root, 0700), 0);
    ck_assert(recovered(&body, open_root, &found));
    for (size_t i = 0; life[i].to <= generation; i++) {
        if (life[i].act == UPDATE || life[i].act == GROUP)
            ck_assert(append(&body, life[i].to));
        else if (life[i].act == ERASE)
            ck_assert(erase(&body));
        else if (life[i].act == ADOPT)
            ck_assert(adopt(&body));
        else if (life[i].act == MARK)
            ck_assert(promote(&body));
        else if (life[i].act == BACK)
            ck_assert(quarantine(&body));
        else if (life[i].act == CHECKPOINT) {
            ASSERT_OK(toy_checkpoint(&body.dir, body.journal, &body.toy, err));
            ck_assert_int_eq(prune(&body), STORAGE_OK);
        }
    }
    learning_directory_copy(open_root, start);
    depart(&body);
    learning_directory_remove(open_root);
}

/* Every K that is `turn` modulo `stride`; INFERD_TEST_SCALE 8 leaves none out. */
static void every_call(const char *start, enum fault_kind kind, bool on, int stride)
{
    int step = stride > test_scale() ? stride / test_scale() : 1;
    long k = 1;

    while (run_case(start, &(struct fault_plan){kind, k, on, (uint64_t)k * 7919 + (uint64_t)on}))
        k += step;
    printf("%s %s%s: %ld calls\n", start == NULL ? "from nothing" : "from a crash",
           fault_kind_names[kind], on ? " and on" : "", k - 1);
}

static const struct {
    enum fault_kind kind;
    bool on;
    int stride;         /* the default's share: 1 tries every call */
} enumerations[] = {
    {FAULT_KILL, false, 2},  {FAULT_POWER, false, 1}, {FAULT_SYNC_LOSS, false, 1},
    {FAULT_SYNC_LOSS, true, 1}, {FAULT_EIO, false, 2},   {FAULT_EIO, true, 5},
    {FAULT_ENOSPC, false, 3},   {FAULT_ENOSPC, true, 5}, {FAULT_EINTR, false, 4},
    {FAULT_SHORT, false, 4},    {FAULT_SHORT, true, 8},
};

enum { ENUMERATIONS = sizeof(enumerations) / sizeof(enumerations[0]), SILENT = 4 };

START_TEST(a_life_with_one_fault)
{
    every_call(NULL, enumerations[_i].kind, enumerations[_i].on, enumerations[_i].stride);
}
END_TEST

START_TEST(a_recovery_with_one_fault)
{
    char start[PATH_BYTES];

    make_start(start, 10);
    every_call(start, enumerations[_i].kind, enumerations[_i].on, enumerations[_i].stride);
}
END_TEST

/* The same power cuts with other parts of the unsynced left. */
START_TEST(power_cuts_leave_anything)
{
    uint64_t seed = test_seed();
    long calls = 0;

    for (int i = 0; i < 150 * test_scale(); i++) {
        struct fault_plan plan = {FAULT_POWER, 1 + (long)(test_random(&seed) % 900), false,
                                  test_random(&seed)};

        calls += run_case(NULL, &plan);
    }
    ck_assert_int_gt(calls, 0);
}
END_TEST

START_TEST(without_a_fault_all_is_well)
{
    ck_assert(run_case(NULL, &(struct fault_plan){.kind = FAULT_NONE}));
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("storage faults");
    TCase *plain = tcase_create("plain");
    TCase *silent = tcase_create("silent");     /* kill, power, lost syncs */
    TCase *errors = tcase_create("errors");
    TCase *cases[] = {plain, silent, errors};

    for (int i = 0; i < 3; i++) {
        tcase_add_checked_fixture(cases[i], setup, teardown);
        tcase_set_timeout(cases[i], 600 * test_scale());
        suite_add_tcase(suite, cases[i]);
    }
    tcase_add_test(plain, without_a_fault_all_is_well);
    tcase_add_loop_test(silent, a_life_with_one_fault, 0, SILENT);
    tcase_add_loop_test(silent, a_recovery_with_one_fault, 0, SILENT);
    tcase_add_test(silent, power_cuts_leave_anything);
    tcase_add_loop_test(errors, a_life_with_one_fault, SILENT, ENUMERATIONS);
    tcase_add_loop_test(errors, a_recovery_with_one_fault, SILENT, ENUMERATIONS);
    return suite;
}
