/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/subcommand.h"

#include "engine/engine.h"
#include "server/create.h"
#include "server/repair_command.h"
#include "server/training/train.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct subcommand {
    const char *name;
    const char *usage;
    int (*run)(const struct subcommand *self, int argc, char **argv);
};

static int usage(const struct subcommand *self)
{
    fprintf(stderr, "usage: inferd %s\n", self->usage);
    return EX_USAGE;
}

/* 0 if the model can be served, 1 if it is one that cannot, 65 if it is none. */
static int run_inspect(const struct subcommand *self, int argc, char **argv)
{
    struct engine_error err = {0};
    bool loads = false;

    if (argc != 1 || argv[0][0] == '-')
        return usage(self);
    if (engine_start(&err) != ENGINE_OK ||
        describe_model(argv[0], stdout, &loads, &err) != ENGINE_OK) {
        fprintf(stderr, "inferd: %s: %s\n", argv[0], err.text);
        return err.status == ENGINE_IO ? EX_NOINPUT : EX_DATAERR;
    }
    return loads ? EX_OK : 1;
}

static int run_ops(const struct subcommand *self, int argc, char **argv)
{
    bool markdown = argc == 1 && strcmp(argv[0], "--markdown") == 0;

    if (argc > 0 && !markdown)
        return usage(self);
    describe_ops(stdout, markdown);
    return EX_OK;
}

static int run_create(const struct subcommand *self, int argc, char **argv)
{
    (void)self;
    return create_run(argc, argv);
}

static int run_repair(const struct subcommand *self, int argc, char **argv)
{
    (void)self;
    return repair_run(argc, argv);
}

static int run_train(const struct subcommand *self, int argc, char **argv)
{
    (void)self;
    return train_run_command(argc, argv);
}

static const struct subcommand subcommands[] = {
    {"create", "create --help", run_create},
    {"inspect", "inspect MODEL.onnx", run_inspect},
    {"ops", "ops [--markdown]", run_ops},
    {"repair", "repair --help", run_repair},
    {"train", "train --help", run_train},
};

bool subcommand_run(int argc, char **argv, int *ret_code)
{
    for (size_t k = 0; argc > 1 && k < sizeof(subcommands) / sizeof(subcommands[0]); k++) {
        if (strcmp(argv[1], subcommands[k].name) != 0)
            continue;
        *ret_code = subcommands[k].run(&subcommands[k], argc - 2, argv + 2);
        return true;
    }
    return false;
}
