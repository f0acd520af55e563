/* SPDX-License-Identifier: Apache-2.0
 * Updates that were mixed with copies of earlier examples: what is erased goes with all its copies, and
 * what a rewind or a rollback leaves out does not come back with a later update. Against a model of its own
 * that knows no checkpoints and forgets nothing. */
#include "config.h"

#include "tests/server/learning/recovery_case.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIFE_MAX = 60, COPIES_MAX = 3, IDS_MAX = 256 };

/* --- the model --- */

static struct {
    struct {
        int n_copies;
        struct journal_spot copies[COPIES_MAX];
    } rows[LIFE_MAX + 1];
    uint64_t path[LIFE_MAX + 1];         /* bit g: update g leads to it */
    bool erased[LIFE_MAX + 1][LEARNING_EXAMPLES_MAX];
} life;

static bool on(uint64_t path, uint64_t generation)
{
    return (path >> generation & 1) != 0;
}

/* Row `generation` as it was appended, or (`path` not 0) as much of it as that path still has. */
static void make_row(uint64_t generation, uint64_t path, struct toy_update *update,
                     struct journal_example examples[LEARNING_EXAMPLES_MAX + COPIES_MAX],
                     struct toy_update origins[COPIES_MAX],
                     char ids[COPIES_MAX][JOURNAL_COPY_ID_BYTES])
{
    size_t n = 0;

    toy_update_make(update, generation);
    for (; n < update->row.n_examples; n++) {
        examples[n] = update->examples[n];
        examples[n].erased = path != 0 && life.erased[generation][n];
    }
    for (int i = 0; i < life.rows[generation].n_copies; i++, n++) {
        const struct journal_spot *spot = &life.rows[generation].copies[i];

        toy_update_make(&origins[i], spot->generation);
        examples[n] = origins[i].examples[spot->ordinal];
        journal_copy_id(spot->generation, spot->ordinal, ids[i]);
        examples[n].id = ids[i];
        examples[n].erased = path != 0 && (life.erased[spot->generation][spot->ordinal] ||
                                           !on(path, spot->generation));
    }
    update->row.examples = examples;
    update->row.n_examples = n;
}

/* On `model`, as `path` has it; 0: as it was appended. `append`: to the journal, too. */
static void do_row(struct toy *model, uint64_t generation, uint64_t path, bool append)
{
    static struct toy_update update, origins[COPIES_MAX];
    struct journal_example examples[LEARNING_EXAMPLES_MAX + COPIES_MAX];
    char ids[COPIES_MAX][JOURNAL_COPY_ID_BYTES];

    make_row(generation, path, &update, examples, origins, ids);
    toy_apply(model, &update.row);
    if (!append)
        return;
    update.row.state = toy_state(model);
    ASSERT_OK(journal_append(journal, &update.row, 1, err));
}

static struct digest expected_at(uint64_t generation)
{
    uint64_t path = life.path[generation];
    struct toy model;

    toy_init(&model);
    for (uint64_t g = 1; g <= generation; g++)
        if (on(path, g))
            do_row(&model, g, path, false);
    return toy_state(&model);
}

static void assert_life(const char *after)
{
    uint64_t last = journal_last(journal);
    struct digest expected = expected_at(last), state = toy_state(&toy);

    ck_assert_msg(digest_equal(&expected, &state), "generation %llu, after %s",
                  (unsigned long long)last, after);
}

/* --- what happens in it --- */

/* Copies of examples that are on the path. */
static void mixed_update(uint64_t *seed)
{
    uint64_t next = journal_last(journal) + 1, path = life.path[next - 1];
    static struct toy_update update;

    life.rows[next].n_copies = 0;
    for (int tries = 0; tries < 8 && life.rows[next].n_copies < COPIES_MAX; tries++) {
        uint64_t origin = 1 + test_random(seed) % next;
        size_t ordinal;

        if (origin == next || !on(path, origin))
            continue;
        toy_update_make(&update, origin);
        ordinal = test_random(seed) % update.row.n_examples;
        if (!life.erased[origin][ordinal])
            life.rows[next].copies[life.rows[next].n_copies++] =
                (struct journal_spot){origin, ordinal};
    }
    life.path[next] = path | UINT64_C(1) << next;
    do_row(&toy, next, 0, true);
}

/* Back to where it was after a rebuild that could not be. */
static void stay(const struct toy *before, const struct storage_fault *fault)
{
    ck_assert_msg(fault->status == STORAGE_NOT_FOUND, "%s", fault->text);
    toy = *before;
}

static void rewind_some(uint64_t *seed)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    uint64_t last = journal_last(journal), floor = journal_floor(journal);
    uint64_t first = floor + 1 + test_random(seed) % (last - floor), end = first + test_random(seed) % 4;
    struct journal_row row = {.generation = last + 1, .kind = JOURNAL_REWIND, .first = first};
    struct recovery_goal goal = {.to = last, .skip_first = first};
    struct storage_fault fault = {0};
    struct toy before = toy;

    row.last = goal.skip_last = end < last ? end : last;
    if (recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, &fault) != STORAGE_OK) {
        stay(&before, &fault);
        return;
    }
    life.path[last + 1] = life.path[last];
    for (uint64_t g = first; g <= row.last; g++)
        life.path[last + 1] &= ~(UINT64_C(1) << g);
    row.state = toy_state(&toy);
    ASSERT_OK(journal_append(journal, &row, 1, err));
}

static void roll_back(uint64_t *seed)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    uint64_t last = journal_last(journal), floor = journal_floor(journal);
    uint64_t to = floor + test_random(seed) % (last - floor + 1);
    struct journal_row row = {.generation = last + 1, .kind = JOURNAL_ROLLBACK, .first = to};
    struct recovery_goal goal = {.to = to};
    struct storage_fault fault = {0};
    struct toy before = toy;

    if (recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, &fault) != STORAGE_OK) {
        stay(&before, &fault);
        return;
    }
    life.path[last + 1] = life.path[to];
    row.state = toy_state(&toy);
    ASSERT_OK(journal_append(journal, &row, 1, err));
}

/* An example that is kept, wherever it was met, with all its copies. */
static void erase_one(uint64_t *seed)
{
    struct recovery_trainer trainer = toy_trainer(&toy);
    uint64_t last = journal_last(journal), floor = journal_floor(journal);
    struct journal_row row = {.generation = last + 1, .kind = JOURNAL_ERASE, .first = UINT64_MAX};
    struct recovery_goal goal = {.to = last};
    static char texts[IDS_MAX][48];
    const char *ids[IDS_MAX];
    struct journal_family family;
    struct storage_fault fault = {0};
    struct toy before = toy;
    uint64_t g = floor + 1 + test_random(seed) % (last - floor);

    if (journal_find_family(journal, g, test_random(seed) % 3, &family, &fault) != STORAGE_OK)
        return;
    ck_assert_uint_le(family.n, IDS_MAX);
    for (size_t i = 0; i < family.n; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%llu.%zu",
                 (unsigned long long)family.spots[i].generation, family.spots[i].ordinal);
        ids[i] = texts[i];
        if (family.spots[i].generation < row.first)
            row.first = family.spots[i].generation;
    }
    goal.without = ids;
    goal.n_without = family.n;
    /* What was taught by a row that is gone stays: this model knows nothing of that. */
    if (!family.whole ||
        recovery_rebuild(&dir, journal, READ_MAX, &trainer, &goal, &fault) != STORAGE_OK) {
        if (family.whole)
            stay(&before, &fault);
        free(family.spots);
        return;
    }
    row.state = toy_state(&toy);
    ASSERT_OK(journal_erase(journal, ids, family.n, &row, err));
    life.erased[family.spots[0].generation][family.spots[0].ordinal] = true;
    life.path[last + 1] = life.path[last];
    free(family.spots);
}

static void begin_life(void)
{
    memset(&life, 0, sizeof(life));
}

static void live(uint64_t seed, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        teardown();
        setup();
        begin_life();
        options.generations_min = test_random(&seed) % 3 == 0 ? 0 : 20;
        restart();
        while (journal_last(journal) < LIFE_MAX) {
            static const char *const names[] = {"rewind", "rollback", "erasure", "checkpoint",
                                                "pruning", "restart"};
            uint64_t dice = journal_last(journal) > journal_floor(journal) ? test_random(&seed) % 24 : 24;

            if (dice == 0)
                rewind_some(&seed);
            else if (dice == 1)
                roll_back(&seed);
            else if (dice == 2)
                erase_one(&seed);
            else if (dice == 3 || dice == 4)
                checkpoint();
            else if (dice == 5)
                ASSERT_OK(recovery_prune(&dir, journal, UINT64_MAX, UINT64_MAX, 0, err));
            else if (dice == 6)
                restart();
            else
                mixed_update(&seed);
            assert_life(dice == 0 ? names[0] : dice < 3 ? names[dice] : dice < 5 ? names[3]
                        : dice < 7 ? names[dice - 1] : "an update");
        }
        restart();
        assert_ready(LIFE_MAX);
        assert_life("the end");
    }
}

START_TEST(random_lives)
{
    live(test_seed(), 40 * test_scale());
}
END_TEST

/* Pruning left a rewind whose range began below the floor, and its checkpoint was taken for the floor's. */
START_TEST(a_life_that_went_wrong)
{
    live(1795374483, 5);
}
END_TEST

/* --- names and places --- */

START_TEST(names)
{
    static const struct {
        const char *id;
        bool good;
    } rows[] = {{"~5.2", true},   {"~0.0", true},  {"5.2", false},  {"~", false},
                {"~5", false},    {"~5.", false},  {"~.2", false},  {"~5.2.1", false},
                {"~5.2x", false}, {"~-5.2", false}, {"", false},    {NULL, false},
                {"~99999999999999999999.1", false}, {"~1.1048576", false}};
    struct journal_spot spot;
    char id[JOURNAL_COPY_ID_BYTES];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(journal_copy_of(rows[i].id, &spot) == rows[i].good, "'%s'", rows[i].id);
    journal_copy_id((UINT64_C(1) << 42) - 1, JOURNAL_EXAMPLES_MAX - 1, id);
    ck_assert(journal_copy_of(id, &spot));
    ck_assert_uint_eq(spot.generation, (UINT64_C(1) << 42) - 1);
    ck_assert_uint_eq(spot.ordinal, JOURNAL_EXAMPLES_MAX - 1);
}
END_TEST

static bool count_copies(void *arg, const struct journal_row *row, size_t n_erased)
{
    size_t *counts = arg;

    counts[2 * row->generation] = row->n_copies;
    counts[2 * row->generation + 1] = n_erased;
    return true;
}

START_TEST(families)
{
    static const char *const ids[] = {"1.0", "3.1"};
    struct journal_example one = {.inputs = "a", .inputs_bytes = 1, .targets = "b", .targets_bytes = 1};
    struct journal_example two[2] = {one, one}, bad = one;
    struct journal_row row = {.generation = 1, .kind = JOURNAL_FINETUNE, .examples = &one, .n_examples = 1};
    struct journal_row erasure = {.generation = 4, .kind = JOURNAL_ERASE, .first = 1};
    struct journal_family family;
    struct storage_fault fault = {0};
    size_t counts[10] = {0};

    ASSERT_OK(journal_append(journal, &row, 1, err));
    row.generation = 2;
    ASSERT_OK(journal_append(journal, &row, 1, err));
    two[1].id = "~1.0";
    row = (struct journal_row){.generation = 3, .kind = JOURNAL_FINETUNE, .examples = two, .n_examples = 2};
    ASSERT_OK(journal_append(journal, &row, 1, err));
    /* Of the example and of its copy. */
    for (int k = 0; k < 2; k++) {
        ASSERT_OK(journal_find_family(journal, k == 0 ? 1 : 3, (size_t)k, &family, err));
        ck_assert_uint_eq(family.n, 2);
        ck_assert(family.whole && family.spots[0].generation == 1 && family.spots[1].generation == 3 &&
                  family.spots[1].ordinal == 1);
        free(family.spots);
    }
    ASSERT_OK(journal_find_family(journal, 3, 0, &family, err));
    ck_assert_uint_eq(family.n, 1);
    free(family.spots);
    ck_assert_int_eq(journal_find_family(journal, 3, 2, &family, &fault), STORAGE_NOT_FOUND);
    /* A copy is of an earlier example, and no other id looks like one. */
    for (int k = 0; k < 3; k++) {
        bad.id = k == 0 ? "~4.0" : k == 1 ? "~5.0" : "~mine";
        row = (struct journal_row){.generation = 4, .kind = JOURNAL_FINETUNE, .examples = &bad,
                                   .n_examples = 1};
        ck_assert_int_eq(journal_append(journal, &row, 1, &fault), STORAGE_OUT_OF_ORDER);
    }
    ASSERT_OK(journal_erase(journal, ids, 2, &erasure, err));
    ASSERT_OK(journal_lineage(journal, 0, 10, count_copies, counts, err));
    ck_assert_uint_eq(counts[2 * 3], 1);       /* the row has a copy, ... */
    ck_assert_uint_eq(counts[2 * 3 + 1], 0);   /* and lost none of its own */
    ck_assert_uint_eq(counts[2 * 1], 0);
    ck_assert_uint_eq(counts[2 * 1 + 1], 1);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("copies");
    TCase *tc = tcase_create("copies");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300 * test_scale());
    tcase_add_test(tc, names);
    tcase_add_test(tc, families);
    tcase_add_test(tc, a_life_that_went_wrong);
    tcase_add_test(tc, random_lives);
    suite_add_tcase(suite, tc);
    return suite;
}
