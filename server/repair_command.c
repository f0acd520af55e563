/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/repair_command.h"

#include "proto/text.h"
#include "server/learning/repair.h"
#include "server/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const size_t checkpoint_bytes_max = SIZE_MAX / 4;

struct repair_options {
    bool help, apply, json;
    const char *state_dir, *model;
    bool has_to;
    int64_t to;                     /* a served generation */
};

/* What is said, and what came of it. */
struct outcome {
    struct text text;
    int n_models, n_left;           /* looked at; still to be repaired */
    bool failed;
};

static void help(FILE *out)
{
    fputs("usage: inferd repair --state-dir DIR [--model NAME] [--apply] [--to GENERATION] [--json]\n\n"
          "Looks at what models have learnt in DIR, while no inferd runs on it: names what is damaged and\n"
          "says what can be kept. With --apply each damaged model is made consistent at the newest\n"
          "generation that holds, so that learning goes on from there; what does not hold is moved into\n"
          "a directory beside it, nothing is deleted.\n\n"
          "  --state-dir DIR    the daemon's ($INFERD_STATE_DIR)\n"
          "  --model NAME       only this model's\n"
          "  --apply            do it\n"
          "  --to GENERATION    keep nothing newer (with --model; where the daemon's log says that a\n"
          "                     generation cannot be rebuilt, the one before it)\n"
          "  --json             one JSON object\n\n"
          "Exits with 0 if nothing is damaged or all is repaired, 1 if there is something to repair.\n",
          out);
}

static bool parse(struct repair_options *options, int argc, char **argv)
{
    char *end;

    options->state_dir = getenv("INFERD_STATE_DIR");
    for (int i = 0; i < argc; i++) {
        const char **value = NULL, *to = NULL;

        if (strcmp(argv[i], "--help") == 0)
            options->help = true;
        else if (strcmp(argv[i], "--apply") == 0)
            options->apply = true;
        else if (strcmp(argv[i], "--json") == 0)
            options->json = true;
        else if (strcmp(argv[i], "--state-dir") == 0)
            value = &options->state_dir;
        else if (strcmp(argv[i], "--model") == 0)
            value = &options->model;
        else if (strcmp(argv[i], "--to") == 0)
            value = &to;
        else
            return false;
        if (value == NULL)
            continue;
        if (++i == argc)
            return false;
        *value = argv[i];
        if (to == NULL)
            continue;
        errno = 0;
        options->to = strtoll(to, &end, 10);
        options->has_to = errno == 0 && end != to && *end == '\0' && options->to >= 0;
        if (!options->has_to)
            return false;
    }
    return options->help ||
           (options->state_dir != NULL && (!options->has_to || options->model != NULL));
}

/* ---- what is said ---- */

static void say_json(struct text *out, const char *name, const struct repair *repair, bool applied)
{
    int64_t base = repair->generation_base;
    char hex[DIGEST_TEXT_BYTES + 1];

    text_puts(out, "{\"directory\":");
    text_json_string(out, name, strlen(name));
    text_printf(out, ",\"whole\":%s,\"newest\":%" PRId64 ",\"faults\":[",
                repair_is_whole(repair) ? "true" : "false", base + (int64_t)repair->newest);
    for (size_t i = 0; i < repair->n_faults; i++) {
        const struct storage_fault *fault = &repair->faults[i];

        text_printf(out, "%s{\"status\":\"%s\",\"file\":", i > 0 ? "," : "",
                    storage_status_text(fault->status));
        text_json_string(out, fault->file, strlen(fault->file));
        text_puts(out, ",\"text\":");
        text_json_string(out, fault->text, strlen(fault->text));
        text_puts(out, "}");
    }
    text_puts(out, "],\"keeps\":");
    if (repair->keeps)
        text_printf(out, "{\"generation\":%" PRId64 ",\"checkpoint\":%" PRId64 ",\"digest\":\"%s\"}",
                    base + (int64_t)repair->kept, base + (int64_t)repair->start,
                    digest_is_none(&repair->state) ? "" : digest_hex(&repair->state, hex));
    else
        text_puts(out, "null");
    text_puts(out, ",\"set_aside\":[");
    for (size_t i = 0; i < repair->n_names; i++) {
        text_puts(out, i > 0 ? "," : "");
        text_json_string(out, repair->names[i], strlen(repair->names[i]));
    }
    text_printf(out, "],\"applied\":%s,\"aside\":\"%s\"}", applied ? "true" : "false", repair->aside);
}

static void say_kept(struct text *out, const struct repair *repair)
{
    int64_t base = repair->generation_base;
    char hex[DIGEST_TEXT_BYTES + 1];

    if (!repair->keeps && repair->newest == 0) {
        text_puts(out, "  nothing has been learnt yet\n");
    } else if (!repair->keeps) {
        text_printf(out, "  nothing can be kept: learning begins anew from the model file (generation "
                         "%" PRId64 ")\n", base);
    } else {
        text_printf(out, "  can be kept: generation %" PRId64, base + (int64_t)repair->kept);
        if (repair->start > 0)
            text_printf(out, ", from the checkpoint of %" PRId64, base + (int64_t)repair->start);
        if (repair->kept > repair->start)
            text_printf(out, "%s and %" PRIu64 " updates after it",
                        repair->start > 0 ? "" : ", from the model file", repair->kept - repair->start);
        text_puts(out, "\n");
        if (!digest_is_none(&repair->state))
            text_printf(out, "  its digest: %s\n", digest_hex(&repair->state, hex));
    }
    if (repair->newest > repair->kept)
        text_printf(out, "  lost: generations %" PRId64 " to %" PRId64 "\n",
                    base + (int64_t)repair->kept + 1, base + (int64_t)repair->newest);
}

static void say(struct text *out, const char *name, const struct repair *repair, bool applied)
{
    text_printf(out, "%s: %s\n", name,
                applied ? "repaired" : repair_is_whole(repair) ? "whole" : "damaged");
    for (size_t i = 0; i < repair->n_faults; i++)
        text_printf(out, "  found: %s\n", repair->faults[i].text);
    say_kept(out, repair);
    for (size_t i = 0; i < repair->n_names; i++)
        text_printf(out, "  %s: %s\n", applied ? "set aside" : "would set aside", repair->names[i]);
    if (applied)
        text_printf(out, "  in: %s/%s\n", name, repair->aside);
}

/* ---- what is done ---- */

static void repair_model(const struct repair_options *options, const char *name,
                         struct outcome *outcome)
{
    struct repair *repair = calloc(1, sizeof(*repair));
    struct storage_fault fault = {0};
    struct storage_dir dir = {.fd = -1};
    bool applied = false, good;
    uint64_t to = UINT64_MAX;

    good = repair != NULL && storage_dir_open(&dir, options->state_dir, name, &fault) == STORAGE_OK &&
           repair_look(&dir, to, checkpoint_bytes_max, repair, &fault);
    if (good && options->has_to) {
        to = options->to > repair->generation_base ? (uint64_t)(options->to - repair->generation_base)
                                                   : 0;
        good = repair_look(&dir, to, checkpoint_bytes_max, repair, &fault);
    }
    if (good && options->apply && !repair_is_whole(repair)) {
        applied = repair_apply(&dir, repair, &fault) == STORAGE_OK;
        good = applied;
    }
    if (good) {
        if (options->json && outcome->n_models > 0)
            text_puts(&outcome->text, ",");
        (options->json ? say_json : say)(&outcome->text, name, repair, applied);
        outcome->n_models++;
        outcome->n_left += !applied && !repair_is_whole(repair);
    } else {
        fprintf(stderr, "inferd: repair: %s: %s\n", name, fault.text);
        outcome->failed = true;
    }
    storage_dir_close(&dir);
    free(repair);
}

static bool is_asked_for(const struct repair_options *options, const char *name)
{
    const char *at = strchr(name, '@');

    if (name[0] == '.' || at == NULL)
        return false;
    return options->model == NULL || (strlen(options->model) == (size_t)(at - name) &&
                                      strncmp(options->model, name, (size_t)(at - name)) == 0);
}

static bool repair_all(const struct repair_options *options, struct outcome *outcome)
{
    size_t size = strlen(options->state_dir) + sizeof("/learning");
    char *path = malloc(size);
    struct dirent **names = NULL;
    int n = -1;

    if (path != NULL) {
        snprintf(path, size, "%s/learning", options->state_dir);
        n = scandir(path, &names, NULL, alphasort);
    }
    if (n < 0 && errno != ENOENT)
        fprintf(stderr, "inferd: repair: %s: %s\n", path != NULL ? path : "learning", strerror(errno));
    free(path);
    for (int i = 0; i < n; i++) {
        if (is_asked_for(options, names[i]->d_name))
            repair_model(options, names[i]->d_name, outcome);
        free(names[i]);
    }
    free(names);
    return n >= 0 || errno == ENOENT;
}

static int run(const struct repair_options *options)
{
    struct outcome outcome = {0};
    struct problem problem = {0};
    struct state_dir lock;
    bool good;

    if (access(options->state_dir, F_OK) != 0) {
        fprintf(stderr, "inferd: repair: %s: %s\n", options->state_dir, strerror(errno));
        return EX_NOINPUT;
    }
    if (state_dir_open(&lock, options->state_dir, &problem) != STATE_DIR_OK) {
        fprintf(stderr, "inferd: repair: %s\n", problem.text);
        return problem.status == 503 ? EX_TEMPFAIL : EX_NOINPUT;
    }
    text_init(&outcome.text);
    text_puts(&outcome.text, options->json ? "{\"models\":[" : "");
    good = repair_all(options, &outcome);
    text_puts(&outcome.text, options->json ? "]}\n" : "");
    if (!options->json && outcome.n_models == 0 && good && !outcome.failed)
        text_puts(&outcome.text, "nothing has been learnt here\n");
    if (!outcome.text.failed)
        fwrite(outcome.text.data, 1, outcome.text.length, stdout);
    good = good && !outcome.failed && !outcome.text.failed;
    text_free(&outcome.text);
    state_dir_close(&lock);
    return !good ? EX_IOERR : outcome.n_left > 0 ? 1 : EX_OK;
}

int repair_run(int argc, char **argv)
{
    struct repair_options options = {0};

    if (!parse(&options, argc, argv)) {
        help(stderr);
        return EX_USAGE;
    }
    if (!options.help)
        return run(&options);
    help(stdout);
    return EX_OK;
}
