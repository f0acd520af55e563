/* SPDX-License-Identifier: Apache-2.0 */
#include "server/learning/recovery.h"

#include "server/learning/replay.h"

#include <inttypes.h>
#include <string.h>

/* What a recovery keeps at hand. */
struct work {
    struct recovery *ret;
    uint64_t damaged[RECOVERY_FAULTS_MAX];      /* checkpoints to be set aside */
    size_t n_damaged;
};

static void add_fault(struct recovery *ret, const struct storage_fault *fault)
{
    if (ret->n_faults < RECOVERY_FAULTS_MAX)
        ret->faults[ret->n_faults++] = *fault;
}

static void on_damage(void *arg, const struct storage_fault *fault, uint64_t checkpoint)
{
    struct work *work = arg;

    for (size_t i = 0; i < work->n_damaged; i++)
        if (work->damaged[i] == checkpoint)
            return;
    add_fault(work->ret, fault);
    /* What could not be read just now may be whole. */
    if (fault->status == STORAGE_DAMAGED && work->n_damaged < RECOVERY_FAULTS_MAX)
        work->damaged[work->n_damaged++] = checkpoint;
}

static bool machine_refused(enum storage_status status)
{
    return status == STORAGE_NO_MEMORY || status == STORAGE_BUSY;
}

/* What can be served without a journal: the newest checkpoint that holds by itself and began from
 * this model file, else the model file. */
static void serve_files(const struct storage_dir *dir, const struct digest *base, size_t bytes_max,
                        const struct recovery_trainer *trainer, struct recovery *ret)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    struct storage_fault fault = {0};
    struct checkpoint checkpoint;
    size_t n = 0;

    ret->mode = RECOVERY_READ_ONLY;
    if (checkpoint_list(dir, generations, &n, &fault) != STORAGE_OK)
        add_fault(ret, &fault);
    for (size_t i = 0; i < n; i++) {
        struct storage_fault damage = {0};
        struct digest state;
        bool ours;

        if (checkpoint_read(dir, generations[i], bytes_max, &checkpoint, &damage) != STORAGE_OK) {
            add_fault(ret, &damage);
            continue;
        }
        ours = digest_equal(&checkpoint.note.base, base) &&
               (trainer->serves == NULL || trainer->serves(trainer->self, &checkpoint)) &&
               trainer->load(trainer->self, &checkpoint, &damage) == STORAGE_OK;
        state = trainer->state(trainer->self);
        ours = ours && digest_equal(&state, &checkpoint.note.state);
        checkpoint_finish(&checkpoint);
        if (ours) {
            ret->generation = ret->checkpoint = generations[i];
            return;
        }
        if (damage.status != STORAGE_OK)
            add_fault(ret, &damage);
    }
    ret->generation = ret->checkpoint = 0;
    memset(&fault, 0, sizeof(fault));
    if (trainer->load_base(trainer->self, &fault) != STORAGE_OK) {
        add_fault(ret, &fault);
        ret->mode = RECOVERY_FAILED;
    }
}

/* Start and walk; the path is that of `generation`. */
static enum storage_status rebuild(struct replay *replay, uint64_t generation, uint64_t *ret_good,
                                   struct storage_fault *fault)
{
    struct history path;
    uint64_t from = 0;
    enum storage_status status = history_to(&replay->jumps, generation, &path, fault);

    if (status != STORAGE_OK)
        return status;
    *ret_good = 0;
    replay->applied = 0;
    status = replay_start(replay, &path, &from, fault);
    if (status == STORAGE_OK)
        status = replay_walk(replay, &path, from, ret_good, fault);
    history_finish(&path);
    return status;
}

/* A checkpoint is written after its row is committed: one that the journal does not reach is proof that
 * committed rows are lost, even if the witness lags. */
static enum storage_status check_end(const struct storage_dir *dir, uint64_t last,
                                     struct storage_fault *fault)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    size_t n = 0;
    enum storage_status status = checkpoint_list(dir, generations, &n, fault);

    if (status == STORAGE_OK && n > 0 && generations[0] > last)
        return storage_fault_set(fault, STORAGE_DAMAGED, journal_file, last + 1,
                                 "%s ends at generation %" PRIu64 ", but there is a checkpoint of %"
                                 PRIu64 ": committed rows are lost", journal_file, last,
                                 generations[0]);
    return status;
}

static void recover_open(struct work *work, struct replay *replay, size_t bytes_max)
{
    struct recovery *ret = work->ret;
    struct storage_fault fault = {0}, again = {0};
    uint64_t last = journal_last(replay->journal), good = 0;
    enum storage_status status = check_end(replay->dir, last, &fault);

    if (status == STORAGE_DAMAGED) {
        add_fault(ret, &fault);
        serve_files(replay->dir, &replay->base, bytes_max, replay->trainer, ret);
        return;
    }
    if (status == STORAGE_OK && replay->trainer->begin != NULL)
        status = replay->trainer->begin(replay->trainer->self, replay->journal, &fault);
    if (status == STORAGE_OK)
        status = history_collect(replay->journal, &replay->jumps, &fault);
    if (status == STORAGE_OK)
        status = rebuild(replay, last, &good, &fault);
    if (status == STORAGE_OK) {
        ret->mode = RECOVERY_READY;
        ret->generation = last;
    } else if (machine_refused(status)) {
        ret->mode = RECOVERY_FAILED;
        add_fault(ret, &fault);
    } else {
        /* The trainer stands somewhere past the last good generation: back to that. */
        add_fault(ret, &fault);
        ret->mode = RECOVERY_READ_ONLY;
        if (replay->trainer->serves == NULL &&
            rebuild(replay, good, &ret->generation, &again) == STORAGE_OK)
            ret->generation = good;
        else
            serve_files(replay->dir, &replay->base, bytes_max, replay->trainer, ret);
    }
    ret->checkpoint = replay->started_from;
    ret->replayed = replay->applied;
    history_jumps_finish(&replay->jumps);
}

/* What training jobs came to cannot be made again: damage is told, and the files stay where they are. */
static void inspect_trained(struct work *work, struct replay *replay)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    struct storage_fault fault = {0};
    size_t n = 0;

    if (trained_list(replay->dir, generations, &n, &fault) != STORAGE_OK)
        add_fault(work->ret, &fault);
    for (size_t i = 0; i < n; i++) {
        struct storage_fault damage = {0};
        struct checkpoint trained;

        if (trained_read(replay->dir, generations[i], replay->checkpoint_bytes_max, &trained, &damage) ==
            STORAGE_OK)
            checkpoint_finish(&trained);
        else
            add_fault(work->ret, &damage);
    }
}

/* The checkpoints that were not needed are the next recovery's: damage is told while the other one still
 * holds. */
static void inspect(struct work *work, struct replay *replay)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    struct storage_fault fault = {0};
    size_t n = 0;

    if (checkpoint_list(replay->dir, generations, &n, &fault) != STORAGE_OK)
        add_fault(work->ret, &fault);
    for (size_t i = 0; i < n; i++) {
        struct storage_fault damage = {0};
        struct checkpoint checkpoint;

        if (generations[i] == replay->started_from)
            continue;
        if (checkpoint_read(replay->dir, generations[i], replay->checkpoint_bytes_max, &checkpoint,
                            &damage) == STORAGE_OK)
            checkpoint_finish(&checkpoint);
        else
            on_damage(work, &damage, generations[i]);
    }
    inspect_trained(work, replay);
}

/* Under its old name a damaged file would count as one of the two kept. */
static void set_aside(struct work *work, const struct storage_dir *dir)
{
    for (size_t i = 0; i < work->n_damaged; i++) {
        struct storage_fault fault = {0};

        if (checkpoint_set_aside(dir, work->damaged[i], &fault) != STORAGE_OK)
            add_fault(work->ret, &fault);
    }
}

void recover(const struct storage_dir *dir, const struct journal_options *options,
             size_t checkpoint_bytes_max, const struct recovery_trainer *trainer,
             struct recovery *ret)
{
    struct work work = {.ret = ret};
    struct storage_fault fault = {0};
    struct replay replay = {
        .dir = dir,
        .trainer = trainer,
        .checkpoint_bytes_max = checkpoint_bytes_max,
        .base = options->base,
        .report = on_damage,
        .arg = &work,
    };
    enum storage_status status;

    memset(ret, 0, sizeof(*ret));
    status = journal_open(dir, options, &ret->journal, &fault);
    if (status != STORAGE_OK) {
        add_fault(ret, &fault);
        if (machine_refused(status))
            ret->mode = RECOVERY_FAILED;
        else
            serve_files(dir, &options->base, checkpoint_bytes_max, trainer, ret);
        return;
    }
    replay.journal = ret->journal;
    recover_open(&work, &replay, checkpoint_bytes_max);
    if (ret->mode == RECOVERY_READY) {
        inspect(&work, &replay);
        set_aside(&work, dir);
        return;
    }
    journal_close(ret->journal);
    ret->journal = NULL;
}

/* ---- while it runs ---- */

/* The oldest generation among the examples to be left out. */
static enum storage_status find_without(struct replay *replay, struct storage_fault *fault)
{
    replay->without_from = UINT64_MAX;
    for (size_t i = 0; i < replay->n_without; i++) {
        uint64_t generation;
        size_t ordinal;
        enum storage_status status = journal_find_example(replay->journal, replay->without[i],
                                                          &generation, &ordinal, fault);

        if (status != STORAGE_OK)
            return status;
        if (generation < replay->without_from)
            replay->without_from = generation;
    }
    return STORAGE_OK;
}

enum storage_status recovery_rebuild(const struct storage_dir *dir, struct journal *journal,
                                     size_t checkpoint_bytes_max,
                                     const struct recovery_trainer *trainer,
                                     const struct recovery_goal *goal, struct storage_fault *fault)
{
    struct replay replay = {
        .dir = dir,
        .journal = journal,
        .trainer = trainer,
        .checkpoint_bytes_max = checkpoint_bytes_max,
        .base = *journal_base(journal),
        .without = goal->without,
        .n_without = goal->n_without,
    };
    struct history path = {0};
    uint64_t from = 0, good;
    enum storage_status status = find_without(&replay, fault);

    if (status == STORAGE_OK)
        status = history_collect(journal, &replay.jumps, fault);
    if (status == STORAGE_OK)
        status = history_to(&replay.jumps, goal->to, &path, fault);
    if (status == STORAGE_OK && goal->skip_first > 0)
        status = history_skip(&path, goal->skip_first, goal->skip_last, fault);
    if (status == STORAGE_OK)
        status = replay_start(&replay, &path, &from, fault);
    if (status == STORAGE_OK)
        status = replay_walk(&replay, &path, from, &good, fault);
    history_finish(&path);
    history_jumps_finish(&replay.jumps);
    return status;
}

enum storage_status recovery_reapply(const struct storage_dir *dir, struct journal *journal,
                                     const struct recovery_trainer *trainer, uint64_t since,
                                     struct storage_fault *fault)
{
    struct replay replay = {.dir = dir, .journal = journal, .trainer = trainer,
                            .base = *journal_base(journal)};
    struct history path = {0};
    enum storage_status status = history_collect(journal, &replay.jumps, fault);

    if (status == STORAGE_OK)
        status = history_to(&replay.jumps, journal_last(journal), &path, fault);
    if (status == STORAGE_OK)
        status = replay_follow(&replay, &path, since, fault);
    history_finish(&path);
    history_jumps_finish(&replay.jumps);
    return status;
}

enum storage_status recovery_root(struct journal *journal, uint64_t *ret, struct storage_fault *fault)
{
    struct history_jumps jumps = {0};
    struct history path = {0};
    enum storage_status status = history_collect(journal, &jumps, fault);

    if (status == STORAGE_OK)
        status = history_to(&jumps, journal_last(journal), &path, fault);
    if (status == STORAGE_OK)
        *ret = path.root;
    history_finish(&path);
    history_jumps_finish(&jumps);
    return status;
}

/* Whether the checkpoint leads to a generation before the training job that `path` begins with, or
 * before the one before that, and so on: there one can still be rolled back to. */
static enum storage_status leads_before(struct replay *replay, uint64_t root, uint64_t generation,
                                        bool *ret, struct storage_fault *fault)
{
    enum storage_status status = STORAGE_OK;

    *ret = false;
    for (int lives = 0; lives < TRAINED_KEPT && status == STORAGE_OK && !*ret; lives++) {
        struct history path;

        if (root <= replay->jumps.floor)
            break;
        status = history_to(&replay->jumps, root - 1, &path, fault);
        if (status != STORAGE_OK)
            break;
        status = replay_usable(replay, &path, generation, ret, fault);
        root = path.root;
        history_finish(&path);
    }
    return status;
}

/* Of those before the newest training job the newest few stay, and the oldest, which is where the
 * journal begins. */
static enum storage_status thin_earlier(const struct storage_dir *dir, const uint64_t *earlier, size_t n,
                                        struct storage_fault *fault)
{
    enum { FEW = 6 };
    enum storage_status status = STORAGE_OK;

    for (size_t i = FEW; status == STORAGE_OK && i + 1 < n; i++)
        status = checkpoint_remove(dir, earlier[i], fault);
    return status;
}

/* The checkpoints that lead to the state now, and those that lead to before what a training job has
 * replaced; newest first. */
struct usable {
    uint64_t now[CHECKPOINT_LISTED_MAX], earlier[CHECKPOINT_LISTED_MAX];
    size_t n, n_earlier;
};

static enum storage_status keep_usable(struct replay *replay, const struct history *path,
                                       struct usable *ret, struct storage_fault *fault)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    size_t n = 0;
    enum storage_status status = checkpoint_list(replay->dir, generations, &n, fault);

    for (size_t i = 0; status == STORAGE_OK && i < n; i++) {
        bool leads = false, before = false;

        status = replay_usable(replay, path, generations[i], &leads, fault);
        if (status == STORAGE_OK && !leads)
            status = leads_before(replay, path->root, generations[i], &before, fault);
        if (status == STORAGE_OK && leads)
            ret->now[ret->n++] = generations[i];
        else if (status == STORAGE_OK && before)
            ret->earlier[ret->n_earlier++] = generations[i];
        else if (status == STORAGE_OK)
            status = checkpoint_remove(replay->dir, generations[i], fault);
    }
    return status == STORAGE_OK ? thin_earlier(replay->dir, ret->earlier, ret->n_earlier, fault)
                                : status;
}

/* What training jobs came to, as long as a row can begin from it. */
static enum storage_status keep_trained(struct replay *replay, const struct history *path,
                                        uint64_t floor, struct storage_fault *fault)
{
    uint64_t generations[CHECKPOINT_LISTED_MAX];
    size_t n = 0, kept = 0;
    enum storage_status status = trained_list(replay->dir, generations, &n, fault);

    for (size_t i = 0; status == STORAGE_OK && i < n; i++) {
        const struct history_jump *jump = history_jump_at(&replay->jumps, generations[i]);
        bool wanted = generations[i] > floor && jump != NULL && jump->kind == JOURNAL_TRAIN &&
                      !replay_outlived(replay, generations[i], generations[i]);

        if (wanted && (generations[i] == path->root || kept < TRAINED_KEPT))
            kept++;
        else
            status = trained_remove(replay->dir, generations[i], fault);
    }
    return status;
}

/* A rewind that is kept left out rows up to `floor`: without them nobody could tell its path from that of
 * the floor itself. */
static bool cuts_rewind(const struct history_jumps *jumps, uint64_t floor)
{
    for (size_t i = 0; i < jumps->n; i++) {
        const struct history_jump *jump = &jumps->items[i];

        if (jump->kind == JOURNAL_REWIND && jump->first <= floor && jump->generation > floor)
            return true;
    }
    return false;
}

/* The newest of them that retention and the rule of two leave to be the floor: rows after it can be gone
 * back to from there. Older ones are removed, and when there are many, every other one in between.
 * 0: none may be yet. */
static enum storage_status keep_from_anchor(const struct replay *replay, uint64_t retained,
                                            uint64_t serving, const uint64_t *usable, size_t n,
                                            uint64_t *ret_anchor,
                                            struct storage_fault *fault)
{
    enum { MANY = 16 };
    enum storage_status status = STORAGE_OK;
    size_t anchor = CHECKPOINT_KEPT - 1;

    while (anchor < n &&
           (usable[anchor] > retained || cuts_rewind(&replay->jumps, usable[anchor])))
        anchor++;
    *ret_anchor = anchor < n ? usable[anchor] : 0;
    for (size_t i = CHECKPOINT_KEPT; status == STORAGE_OK && i < n; i++) {
        bool serves = usable[i] >= serving && (i + 1 == n || usable[i + 1] < serving);

        if (i > anchor || (i < anchor && n > MANY && i % 2 == 1 && !serves))
            status = checkpoint_remove(replay->dir, usable[i], fault);
    }
    return status;
}

enum storage_status recovery_prune(const struct storage_dir *dir, struct journal *journal,
                                   uint64_t hold, uint64_t serving, int64_t now_ms,
                                   struct storage_fault *fault)
{
    struct replay replay = {.dir = dir, .journal = journal};
    struct history path = {0};
    uint64_t retained = 0, anchor = 0;
    struct usable usable = {0};
    enum storage_status status = history_collect(journal, &replay.jumps, fault);

    if (status == STORAGE_OK)
        status = history_to(&replay.jumps, journal_last(journal), &path, fault);
    if (status == STORAGE_OK)
        status = keep_usable(&replay, &path, &usable, fault);
    if (status == STORAGE_OK)
        status = journal_prunable(journal, now_ms, &retained, fault);
    if (status == STORAGE_OK)
        status = keep_from_anchor(&replay, retained < hold ? retained : hold, serving, usable.now,
                                  usable.n, &anchor, fault);
    /* Before the floor to come nothing can be gone back to. */
    for (size_t i = 0; status == STORAGE_OK && i < usable.n_earlier; i++)
        if (usable.earlier[i] < anchor)
            status = checkpoint_remove(dir, usable.earlier[i], fault);
    if (status == STORAGE_OK)
        status = storage_dir_sync(dir, fault);
    if (status == STORAGE_OK)
        status = journal_prune(journal, anchor, now_ms, NULL, fault);
    /* After the rows: while a row is there, what it begins from is. */
    if (status == STORAGE_OK)
        status = keep_trained(&replay, &path, journal_floor(journal), fault);
    if (status == STORAGE_OK)
        status = checkpoint_keep(dir, CHECKPOINT_LISTED_MAX, fault);
    history_finish(&path);
    history_jumps_finish(&replay.jumps);
    return status;
}
