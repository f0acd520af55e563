/* SPDX-License-Identifier: Apache-2.0
 * inferd: options, then the daemon; or one of the subcommands that need the engine and no daemon. */
#include "config.h"

#include "server/daemon.h"
#include "server/options.h"
#include "server/subcommand.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

extern char **environ;

int main(int argc, char **argv)
{
    struct daemon_input input = {argc, argv, environ};
    struct options options;
    struct options_error err = {0};
    int code = EX_OK;

    if (subcommand_run(argc, argv, &code))
        return code;
    switch (options_parse(&options, argc, argv, environ, &err)) {
    case OPTIONS_HELP:
        options_print_help(stdout);
        break;
    case OPTIONS_MAN:
        options_print_man(stdout);
        break;
    case OPTIONS_VERSION:
        puts(PACKAGE_STRING);
        break;
    case OPTIONS_BAD:
        fprintf(stderr, "inferd: %s\n", err.text);
        code = EX_USAGE;
        break;
    case OPTIONS_UNREADABLE:
        fprintf(stderr, "inferd: %s\n", err.text);
        code = EX_NOINPUT;
        break;
    case OPTIONS_RUN:
        if (options.model != NULL || options.model_repository != NULL || options.state_dir != NULL) {
            code = daemon_run(&options, &input);
            break;
        }
        fprintf(stderr, "inferd: nothing to serve: name a model file, --model-repository DIR or "
                        "--state-dir DIR; --help tells more\n");
        code = EX_USAGE;
    }
    options_finish(&options);
    return code;
}
