/* SPDX-License-Identifier: Apache-2.0
 * Help and man page, both from the option table. */
#include "server/options.h"
#include "server/options_table.h"

#include <string.h>

enum { HELP_INDENT = 8, HELP_WIDTH = 92 };

/* What may be given, beyond the help text: "Default 64M; 1 to 1099511627776." */
static void print_range(FILE *file, const struct option_def *def)
{
    if (def->initial != NULL)
        fprintf(file, "Default %s", def->initial);
    if (def->choices != NULL)
        fprintf(file, "; one of %s", def->choices);
    else if (def->type == OPTION_INT || def->type == OPTION_BYTES)
        fprintf(file, "; %lld to %lld", (long long)def->min, (long long)def->max);
    if (def->initial != NULL)
        fputs(".\n", file);
}

/* Breaks text at blanks. */
static void print_wrapped(FILE *file, const char *text)
{
    int column = 0;

    while (*text != '\0') {
        int length = (int)strcspn(text, " ");

        if (column == 0)
            column = fprintf(file, "%*s", HELP_INDENT, "");
        else if (column + 1 + length > HELP_WIDTH)
            column = fprintf(file, "\n%*s", HELP_INDENT, "") - 1;
        else
            column += fprintf(file, " ");
        column += fprintf(file, "%.*s", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

void options_print_help(FILE *file)
{
    const struct option_def *def;

    fputs("Usage: inferd [OPTION...] MODEL.onnx\n"
          "       inferd [OPTION...] --model-repository DIR\n"
          "       inferd inspect MODEL.onnx\n"
          "       inferd ops [--markdown]\n\n"
          "Serves ONNX models over HTTP. An option NAME may also be given as INFERD_NAME in the\n"
          "environment (upper case, _ for -) or as a line \"NAME = value\" in the file of --config.\n"
          "The command line wins over the environment, and that over the file.\n\n",
          file);
    for (def = option_table; def->name != NULL; def++) {
        fprintf(file, "  --%s=%s\n", def->name, def->argument);
        print_wrapped(file, def->help);
        if (def->initial != NULL) {
            fprintf(file, "%*s", HELP_INDENT, "");
            print_range(file, def);
        }
    }
    fputs("  --help\n        this text\n  --help-man\n        the same list for man(7)\n"
          "  --version\n        the version\n",
          file);
}

/* A hyphen as man(7) wants it. */
static void print_escaped(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == '\\')
            fputc('\\', file);
        fputc(*text, file);
    }
}

void options_print_man(FILE *file)
{
    const struct option_def *def;

    for (def = option_table; def->name != NULL; def++) {
        fputs(".TP\n.BI \\-\\-", file);
        print_escaped(file, def->name);
        fprintf(file, "= %s\n", def->argument);
        print_escaped(file, def->help);
        fputs(".\n", file);
        print_range(file, def);
    }
    fputs(".TP\n.B \\-\\-help\nPrint the list of options and exit.\n"
          ".TP\n.B \\-\\-version\nPrint the version and exit.\n",
          file);
}
