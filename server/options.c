/* SPDX-License-Identifier: Apache-2.0 */
#include "server/options.h"

#include "server/options_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_LINE_MAX = 4096, CONFIG_LINES_MAX = 10000, ENV_NAME_MAX = 64 };

/* Every string of the options, so that options_finish() can free them. */
struct memory {
    struct memory *next;
    char text[];
};

static void set_error(struct options_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void set_error(struct options_error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
}

static const char *keep(struct options *options, const char *text, size_t length)
{
    struct memory *memory = malloc(sizeof(*memory) + length + 1);

    if (memory == NULL)
        return NULL;
    memcpy(memory->text, text, length);
    memory->text[length] = '\0';
    memory->next = options->memory;
    options->memory = memory;
    return memory->text;
}

static void *field_of(struct options *options, const struct option_def *def)
{
    return (char *)options + def->offset;
}

static const struct option_def *find_option(const char *name, size_t length)
{
    const struct option_def *def;

    for (def = option_table; def->name != NULL; def++)
        if (strlen(def->name) == length && memcmp(def->name, name, length) == 0)
            return def;
    return NULL;
}

/* A whole number, and for OPTION_BYTES one K, M or G after it. */
static bool parse_number(const struct option_def *def, const char *text, int64_t *ret_value)
{
    int base = def->type == OPTION_OCTAL ? 8 : 10, shift = 0;
    long long value;
    char *end;

    if (!isdigit((unsigned char)text[text[0] == '-']))
        return false;
    errno = 0;
    value = strtoll(text, &end, base);
    if (errno != 0)
        return false;
    if (def->type == OPTION_BYTES && *end != '\0') {
        const char *units = "KMG", *unit = strchr(units, toupper((unsigned char)*end));

        if (unit == NULL)
            return false;
        shift = 10 * (int)(unit - units + 1);
        end++;
    }
    if (*end != '\0' || value > INT64_MAX >> shift || value < INT64_MIN >> shift)
        return false;
    *ret_value = (int64_t)((uint64_t)value << shift);
    return *ret_value >= def->min && *ret_value <= def->max;
}

static bool parse_bool(const char *text, bool *ret_value)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"yes", true}, {"true", true},   {"on", true},   {"1", true},
                 {"no", false}, {"false", false}, {"off", false}, {"0", false}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i].text) == 0) {
            *ret_value = words[i].value;
            return true;
        }
    return false;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);

    for (const char *at = choices; at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, text, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return length > 0;
    }
    return false;
}

/* Appends the addresses of "a, b c". */
static bool add_to_list(struct options *options, const char *text, struct options_error *err)
{
    static const char separators[] = ", \t";

    for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
        size_t length = strcspn(text, separators);
        const char *kept;

        if (options->n_listen == OPTIONS_LISTEN_MAX) {
            set_error(err, "listen: more than %d addresses", OPTIONS_LISTEN_MAX);
            return false;
        }
        kept = keep(options, text, length);
        if (kept == NULL) {
            set_error(err, "out of memory");
            return false;
        }
        options->listen[options->n_listen++] = kept;
        text += length;
    }
    return true;
}

/* Says what was given and what was expected. */
static bool refuse(const struct option_def *def, const char *text, struct options_error *err)
{
    switch (def->type) {
    case OPTION_BOOL:
        set_error(err, "%s: '%.100s' is neither yes nor no", def->name, text);
        break;
    case OPTION_CHOICE:
        set_error(err, "%s: '%.100s' is not one of %s", def->name, text, def->choices);
        break;
    case OPTION_OCTAL:
        set_error(err, "%s: '%.100s' is not an octal mode from 0 to 0%llo", def->name, text,
                  (unsigned long long)def->max);
        break;
    default:
        set_error(err, "%s: '%.100s' is not a whole number from %lld to %lld%s", def->name, text,
                  (long long)def->min, (long long)def->max,
                  def->type == OPTION_BYTES ? " (K, M, G allowed)" : "");
    }
    return false;
}

static bool set_option(struct options *options, const struct option_def *def, const char *text,
                       struct options_error *err)
{
    void *field = field_of(options, def);
    int64_t number;

    switch (def->type) {
    case OPTION_LIST:
        return add_to_list(options, text, err);
    case OPTION_BOOL:
        return parse_bool(text, field) || refuse(def, text, err);
    case OPTION_CHOICE:
        if (!is_choice(def->choices, text))
            return refuse(def, text, err);
        /* fall through */
    case OPTION_STRING:
        *(const char **)field = keep(options, text, strlen(text));
        if (*(const char **)field == NULL) {
            set_error(err, "out of memory");
            return false;
        }
        return true;
    default:
        if (!parse_number(def, text, &number))
            return refuse(def, text, err);
        *(int64_t *)field = number;
        return true;
    }
}

/* One "name = value" line; comments and empty lines are fine. Cuts the line in place. */
static bool set_from_line(struct options *options, char *line, bool *list_seen,
                          struct options_error *err)
{
    const struct option_def *def;
    char *name = line + strspn(line, " \t"), *value, *end;

    if (*name == '\0' || *name == '#' || *name == ';')
        return true;
    value = strchr(name, '=');
    if (value == NULL) {
        set_error(err, "'%.100s' is not a \"name = value\" line", name);
        return false;
    }
    for (end = value; end > name && isspace((unsigned char)end[-1]); end--)
        ;
    value++;
    value += strspn(value, " \t");
    def = find_option(name, (size_t)(end - name));
    if (def == NULL || strcmp(def->name, "config") == 0) {
        set_error(err, "no setting is named '%.*s'", (int)(end - name > 100 ? 100 : end - name),
                  name);
        return false;
    }
    if (def->type == OPTION_LIST && !*list_seen) {
        options->n_listen = 0;
        *list_seen = true;
    }
    return set_option(options, def, value, err);
}

static enum options_action read_config(struct options *options, const char *path,
                                       struct options_error *err)
{
    FILE *file = fopen(path, "re");
    char line[CONFIG_LINE_MAX], text[sizeof(err->text)];
    bool list_seen = false, good = true;
    int number = 0;

    if (file == NULL) {
        set_error(err, "config: cannot read '%.200s': %s", path, strerror(errno));
        return OPTIONS_UNREADABLE;
    }
    while (good && fgets(line, sizeof(line), file) != NULL) {
        size_t length = strlen(line);

        number++;
        if (length + 1 == sizeof(line) || number > CONFIG_LINES_MAX) {
            set_error(err, "%s", number > CONFIG_LINES_MAX ? "too many lines" : "line is too long");
            good = false;
            break;
        }
        while (length > 0 && isspace((unsigned char)line[length - 1]))
            line[--length] = '\0';
        good = set_from_line(options, line, &list_seen, err);
    }
    if (good && ferror(file)) {
        set_error(err, "config: cannot read '%.200s': %s", path, strerror(errno));
        fclose(file);
        return OPTIONS_UNREADABLE;
    }
    fclose(file);
    if (good)
        return OPTIONS_RUN;
    memcpy(text, err->text, sizeof(text));
    set_error(err, "%.150s:%d: %.300s", path, number, text);
    return OPTIONS_BAD;
}

/* "body-bytes-max" to "INFERD_BODY_BYTES_MAX". */
static void environment_name(const struct option_def *def, char *name)
{
    size_t used = strlen("INFERD_");

    memcpy(name, "INFERD_", used);
    for (const char *from = def->name; *from != '\0' && used + 1 < ENV_NAME_MAX; from++)
        name[used++] = *from == '-' ? '_' : (char)toupper((unsigned char)*from);
    name[used] = '\0';
}

static const char *find_in_environment(char *const environment[], const struct option_def *def)
{
    char name[ENV_NAME_MAX];
    size_t length;

    environment_name(def, name);
    length = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

static bool read_environment(struct options *options, char *const environment[],
                             struct options_error *err)
{
    const struct option_def *def;

    for (def = option_table; def->name != NULL; def++) {
        const char *value = find_in_environment(environment, def);
        char text[sizeof(err->text)];

        if (value == NULL)
            continue;
        if (def->type == OPTION_LIST)
            options->n_listen = 0;
        if (!set_option(options, def, value, err)) {
            memcpy(text, err->text, sizeof(text));
            set_error(err, "environment: %.450s", text);
            return false;
        }
    }
    return true;
}

/* One argument of the command line; *index moves past its value. */
static enum options_action read_argument(struct options *options, int argc, char *const argv[],
                                         int *index, bool *list_seen, struct options_error *err)
{
    const char *name = argv[*index] + 2, *equals = strchr(name, '='), *value;
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option_def *def = find_option(name, length);

    if (def == NULL) {
        set_error(err, "unknown option '--%.*s'; --help lists them", (int)(length > 100 ? 100 : length),
                  name);
        return OPTIONS_BAD;
    }
    if (equals != NULL) {
        value = equals + 1;
    } else if (def->type == OPTION_BOOL) {
        value = "yes";
    } else if (*index + 1 < argc) {
        value = argv[++*index];
    } else {
        set_error(err, "%s: expects %s after it", def->name, def->argument);
        return OPTIONS_BAD;
    }
    if (def->type == OPTION_LIST && !*list_seen) {
        options->n_listen = 0;
        *list_seen = true;
    }
    return set_option(options, def, value, err) ? OPTIONS_RUN : OPTIONS_BAD;
}

static enum options_action read_arguments(struct options *options, int argc, char *const argv[],
                                          struct options_error *err)
{
    bool list_seen = false, only_files = false;

    options->model = NULL;
    for (int i = 1; i < argc; i++) {
        enum options_action action = OPTIONS_RUN;

        if (!only_files && strcmp(argv[i], "--help") == 0)
            return OPTIONS_HELP;
        if (!only_files && strcmp(argv[i], "--version") == 0)
            return OPTIONS_VERSION;
        if (!only_files && strcmp(argv[i], "--help-man") == 0)
            return OPTIONS_MAN;
        if (!only_files && strcmp(argv[i], "--") == 0) {
            only_files = true;
        } else if (!only_files && strncmp(argv[i], "--", 2) == 0) {
            action = read_argument(options, argc, argv, &i, &list_seen, err);
        } else if (!only_files && argv[i][0] == '-') {
            set_error(err, "unknown option '%.100s'; --help lists them", argv[i]);
            action = OPTIONS_BAD;
        } else if (options->model != NULL) {
            set_error(err, "one model file at most, but '%.100s' and '%.100s' are given; "
                      "--model-repository serves several", options->model, argv[i]);
            action = OPTIONS_BAD;
        } else {
            options->model = keep(options, argv[i], strlen(argv[i]));
            if (options->model == NULL) {
                set_error(err, "out of memory");
                action = OPTIONS_BAD;
            }
        }
        if (action != OPTIONS_RUN)
            return action;
    }
    return OPTIONS_RUN;
}

/* The file that the command line or else the environment names. */
static enum options_action find_config(struct options *options, int argc, char *const argv[],
                                       char *const environment[], struct options_error *err)
{
    struct options first = {0};
    enum options_action action = read_arguments(&first, argc, argv, err);
    const char *path = first.config;

    if (path == NULL)
        path = find_in_environment(environment, find_option("config", strlen("config")));
    if (path != NULL && path[0] != '\0')
        options->config = keep(options, path, strlen(path));
    options_finish(&first);
    return action;
}

void options_defaults(struct options *options)
{
    struct options_error err;
    const struct option_def *def;

    memset(options, 0, sizeof(*options));
    for (def = option_table; def->name != NULL; def++)
        if (def->initial != NULL)
            set_option(options, def, def->initial, &err);
}

enum options_action options_parse(struct options *options, int argc, char *const argv[],
                                  char *const environment[], struct options_error *err)
{
    enum options_action action;

    options_defaults(options);
    action = find_config(options, argc, argv, environment, err);
    if (action == OPTIONS_RUN && options->config != NULL)
        action = read_config(options, options->config, err);
    if (action != OPTIONS_RUN)
        return action;
    if (!read_environment(options, environment, err))
        return OPTIONS_BAD;
    return read_arguments(options, argc, argv, err);
}

void options_finish(struct options *options)
{
    struct memory *memory = options->memory;

    while (memory != NULL) {
        struct memory *next = memory->next;

        free(memory);
        memory = next;
    }
    memset(options, 0, sizeof(*options));
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_value(const struct options *a, const struct options *b,
                       const struct option_def *def)
{
    const void *at_a = (const char *)a + def->offset, *at_b = (const char *)b + def->offset;

    switch (def->type) {
    case OPTION_LIST:
        for (int i = 0; i < a->n_listen && i < b->n_listen; i++)
            if (!same_text(a->listen[i], b->listen[i]))
                return false;
        return a->n_listen == b->n_listen;
    case OPTION_BOOL:
        return *(const bool *)at_a == *(const bool *)at_b;
    case OPTION_STRING:
    case OPTION_CHOICE:
        return same_text(*(const char *const *)at_a, *(const char *const *)at_b);
    default:
        return *(const int64_t *)at_a == *(const int64_t *)at_b;
    }
}

const char *options_difference(const struct options *a, const struct options *b, size_t *index,
                               bool *ret_live)
{
    while (option_table[*index].name != NULL) {
        const struct option_def *def = &option_table[(*index)++];

        if (!same_value(a, b, def)) {
            *ret_live = def->live;
            return def->name;
        }
    }
    return NULL;
}

int options_network_threads(const struct options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (options->network_threads > 0)
        return (int)options->network_threads;
    if (cores < 4)
        return cores < 2 ? 1 : 2;
    return cores / 2 < 64 ? (int)(cores / 2) : 64;
}
