/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "proto/data/table.h"
#include "proto/half.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CELLS_MAX = 4096 };

/* All rows as text, "1,2.5,word\n", read `step` at a time: numbers as %.17g, elements between blanks. */
static char *dump(struct table *table, int64_t step, struct problem *problem)
{
    void *columns[16];
    char *out = calloc(1, 65536), *p = out;
    int64_t rows;

    ck_assert_int_le(table->n_columns, 16);
    for (int c = 0; c < table->n_columns; c++)
        columns[c] = calloc((size_t)(step * table->columns[c].elements) + 1, 16);
    while ((rows = table_next(table, step, columns, problem)) > 0)
        for (int64_t r = 0; r < rows; r++) {
            for (int c = 0; c < table->n_columns; c++) {
                const struct table_column *column = &table->columns[c];

                for (int64_t e = 0; e < column->elements; e++) {
                    int64_t i = r * column->elements + e;
                    const struct wire_bytes *bytes = columns[c];

                    if (e > 0 || c > 0)
                        *p++ = e > 0 ? ' ' : ',';
                    switch (column->type) {
                    case WIRE_BYTES:
                        memcpy(p, bytes[i].data, bytes[i].length);
                        p += bytes[i].length;
                        break;
                    case WIRE_FP64: p += sprintf(p, "%.17g", ((double *)columns[c])[i]); break;
                    case WIRE_FP32: p += sprintf(p, "%.9g", (double)((float *)columns[c])[i]); break;
                    case WIRE_INT64: p += sprintf(p, "%lld", (long long)((int64_t *)columns[c])[i]); break;
                    case WIRE_INT32: p += sprintf(p, "%d", ((int32_t *)columns[c])[i]); break;
                    case WIRE_INT16: p += sprintf(p, "%d", ((int16_t *)columns[c])[i]); break;
                    case WIRE_INT8: p += sprintf(p, "%d", ((int8_t *)columns[c])[i]); break;
                    case WIRE_UINT8: p += sprintf(p, "%d", ((uint8_t *)columns[c])[i]); break;
                    default: ck_abort_msg("type %d", (int)column->type);
                    }
                }
            }
            *p++ = '\n';
            ck_assert_int_lt(p - out, 60000);
        }
    for (int c = 0; c < table->n_columns; c++)
        free(columns[c]);
    if (rows < 0) {
        free(out);
        return NULL;
    }
    return out;
}

static struct table *open_text(const char *text, size_t length, const struct table_options *options,
                               struct problem *problem)
{
    struct storage storage = {.memory = text, .fd = -1, .length = length};

    return table_open(&storage, options, problem);
}

static const struct {
    const char *what, *file, *header, *rows;
    struct table_options options;
} texts[] = {
    {"header by words over numbers", "a,b\n1,2.5\n3,4\n", "a,b", "1,2.5\n3,4\n", {0}},
    {"no header", "1,2\n3,4\n", "1,2", "1,2\n3,4\n", {0}},
    {"no header, classes in words", "5.5,3.5,setosa\n4.75,3,setosa\n7,3.25,versicolor\n", "1,2,3",
     "5.5,3.5,setosa\n4.75,3,setosa\n7,3.25,versicolor\n", {0}},
    {"header over words alone", "name,town\nann,ulm\n", "name,town", "ann,ulm\n", {0}},
    {"header given", "1,2\n3,4\n", "1,2", "3,4\n", {.header = TABLE_HEADER_YES}},
    {"no header given", "a,b\n1,2\n", "1,2", "a,b\n1,2\n", {.header = TABLE_HEADER_NO}},
    {"CR LF, no end of the last line", "a,b\r\n1,2\r\n3,4", "a,b", "1,2\n3,4\n", {0}},
    {"empty lines and a byte order mark", "\xef\xbb\xbfx,y\n\n1,2\n\r\n\n3,4\n\n", "x,y", "1,2\n3,4\n", {0}},
    {"quotes", "\"a, b\",\"say \"\"hi\"\"\"\n1,\"x\ny\"\n2,\"\"\"\"\n", "a, b,say \"hi\"",
     "1,x\ny\n2,\"\n", {0}},
    {"quoted numbers", "a,b\n\"1\",\"2.5\"\n", "a,b", "1,2.5\n", {0}},
    {"semicolons", "a;b\n1;2\n", "a,b", "1,2\n", {0}},
    {"tabs, commas inside", "a\tb\n1\tx,y\n", "a,b", "1,x,y\n", {0}},
    {"bar given", "1|2,5\n", "1,2", "1,2,5\n", {.delimiter = '|'}},
    {"one column", "7\n8\n", "1", "7\n8\n", {0}},
    {"numbers as people write them", "x\n+1\n.5\n2.\n-0.\n007\n 1e3 \n1E-2\n", "x",
     "1\n0.5\n2\n-0\n7\n1000\n0.01\n", {0}},
    {"integers of 64 bits", "x\n9223372036854775807\n-9223372036854775808\n", "x",
     "9223372036854775807\n-9223372036854775808\n", {0}},
    {"integers beyond", "x\n9223372036854775808\n", "x", "9.2233720368547758e+18\n", {0}},
    {"hexadecimal is text", "x,y\n0x10,1\n", "x,y", "0x10,1\n", {0}},
    {"missing rows skipped", "a,b\n1,2\n,3\n4,NA\n5,6\n", "a,b", "1,2\n5,6\n",
     {.missing = TABLE_MISSING_ROW_SKIPPED}},
    {"unnamed column", ",b\n1,2\n", "1,b", "1,2\n", {0}},
    {"JSON Lines",
     "{\"x\":1,\"y\":[1,2.5],\"z\":\"w\"}\n{\"z\":\"\\u00e4\",\"y\":[3,4],\"x\":-2}\n", "x,y,z",
     "1,1 2.5,w\n-2,3 4,\xc3\xa4\n", {0}},
    {"JSON Lines, a fraction later on", "{\"x\":1}\n\n{\"x\":2.5}", "x", "1\n2.5\n", {0}},
    {"JSON Lines, nested and boolean",
     "{\"x\":[[1,2],[3,4]],\"y\":true}\n{\"x\":[[5,6],[7,8]],\"y\":false}\n",
     "x,y", "1 2 3 4,1\n5 6 7 8,0\n", {0}},
    {"JSON Lines, null skipped", "{\"x\":1}\n{\"x\":null}\n{}\n{\"x\":4}\n", "x", "1\n4\n",
     {.missing = TABLE_MISSING_ROW_SKIPPED}},
};

START_TEST(text_files_are_read)
{
    char names[256] = "";

    for (int64_t step = 1; step < 100; step += 50) {
        struct problem problem = {0};
        struct table *table = open_text(texts[_i].file, strlen(texts[_i].file), &texts[_i].options,
                                        &problem);
        int64_t lines = 0;
        char *got;

        ck_assert_msg(table != NULL, "%s: %s", texts[_i].what, problem.text);
        names[0] = '\0';
        for (int c = 0; c < table->n_columns; c++)
            snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", c > 0 ? "," : "",
                     table->columns[c].name);
        ck_assert_str_eq(names, texts[_i].header);
        for (int round = 0; round < 2; round++) {
            got = dump(table, step, &problem);
            ck_assert_msg(got != NULL, "%s: %s", texts[_i].what, problem.text);
            ck_assert_msg(strcmp(got, texts[_i].rows) == 0, "%s:\n%s", texts[_i].what, got);
            free(got);
            ck_assert(table_rewind(table, &problem));
        }
        for (const char *p = texts[_i].file; step == 1 && *p != '\0'; p++)
            lines += *p == '\n';
        ck_assert_int_ge(table->n_rows, 1);
        table_destroy(table);
    }
}
END_TEST

static const struct {
    const char *text, *file;
    struct table_options options;
} refused[] = {
    {"it is empty", "", {0}},
    {"it is empty", "\n\n", {0}},
    {"line 3 has 3 cells; 2 are expected", "a,b\n1,2\n1,2,3\n", {0}},
    {"line 2 has 1 cells; 2 are expected", "a,b\n1\n", {0}},
    {"line 5 has 1 cells", "a,b\n1,\"x\n\ny\"\n3\n", {0}},
    {"line 2, column 'b': ''; a value is expected", "a,b\n1,\n2,3\n", {0}},
    {"line 3, column 'a': 'NA'; a value is expected", "a,b\n1,2\nNA,3\n", {0}},
    {"line 2: a quote is opened and never closed", "a,b\n1,\"2\n3,4\n", {0}},
    {"line 2, column 2: text follows a closing quote", "a,b\n1,\"2\"x\n", {0}},
    {"line 2, column 2: a quote stands inside", "a,b\n1,2\"x\"\n", {0}},
    {"line 2, column 'b': UTF-8 is expected", "a,b\n1,\xff\n", {0}},
    {"line 2, column 1: a byte that no text has", "a,b\n\x1f,2\n", {0}},
    {"line 2, column 1: a byte that no text has", "a,b\n\"x\001\",2\n", {0}},
    {"line 1: column 'a' is there twice", "a,a\n1,2\n", {0}},
    {"line 2 is longer than 100000 bytes", NULL, {.record_bytes_max = 100000}},
    {"more than 3 columns", "1,2,3,4\n", {.columns_max = 3}},
    {"it has 4 rows; at most 3 are allowed", "1\n2\n3\n4\n", {.rows_max = 3}},
    {"the delimiter must be", "1\n", {.delimiter = 'e'}},
    {"line 2, byte", "{\"x\":1}\n{\"x\":}\n", {0}},
    {"line 2, byte", "{\"x\":1}\n{\"x\":1}{\"x\":2}\n", {0}},
    {"line 1, byte", "{\"x\":1,\"x\":2}\n", {0}},
    {"line 2: an object is expected", "{\"x\":1}\n[1]\n", {0}},
    {"line 2: key 'x': a value is expected", "{\"x\":1}\n{\"y\":1}\n", {0}},
    {"line 2: it has keys that the first line has not", "{\"x\":1}\n{\"x\":1,\"y\":1}\n", {0}},
    {"line 2: key 'x': a number is expected", "{\"x\":1}\n{\"x\":\"w\"}\n", {0}},
    {"line 2: key 'x': a text is expected", "{\"x\":\"w\"}\n{\"x\":1}\n", {0}},
    {"line 2: key 'x': an array of another shape", "{\"x\":[1,2]}\n{\"x\":[1]}\n", {0}},
    {"line 2: key 'x': an array of another shape", "{\"x\":[1,2]}\n{\"x\":1}\n", {0}},
    {"line 1: key 'x': an array of another shape", "{\"x\":[[1,2],[3]]}\n", {0}},
    {"line 1: key 'x': an array is empty", "{\"x\":[]}\n", {0}},
    {"line 1: key 'x': a number is expected in an array", "{\"x\":[\"w\"]}\n", {0}},
    {"line 1: key 'x': arrays are nested too deep", "{\"x\":[[[[[[[[1]]]]]]]]}\n", {0}},
    {"line 1: the object is empty", "{}\n", {0}},
    {"line 1: key 'x': a number, a text or", "{\"x\":null}\n", {0}},
    {"line 1: key 'x': a number, a text or", "{\"x\":{}}\n", {0}},
};

START_TEST(bad_text_files_are_refused_by_line_and_column)
{
    struct problem problem = {0};
    const char *file = refused[_i].file;
    char *long_file = NULL, *got = NULL;
    struct table *table;

    if (file == NULL) {
        long_file = calloc(1, 300000);
        memset(long_file, 'x', 299999);
        memcpy(long_file, "a\n", 2);
        file = long_file;
    }
    table = open_text(file, strlen(file), &refused[_i].options, &problem);
    if (table != NULL)
        got = dump(table, 10, &problem);
    ck_assert_msg(got == NULL, "%s: taken", refused[_i].text);
    ck_assert_msg(strstr(problem.text, refused[_i].text) != NULL, "'%s' for '%s'", problem.text,
                  refused[_i].text);
    ck_assert_int_ge(problem.status, 400);
    table_destroy(table);
    free(long_file);
}
END_TEST

static const struct {
    const char *name;
    enum table_format format;
    const char *columns; /* name:type:rank, ... */
    const char *rows;
    struct table_options options;
} files[] = {
    {"f4.npy", TABLE_NPY, ":FP32:2",
     "-5 -2 1 4 7 10\n13 16 19 22 25 28\n31 34 37 40 43 46\n49 52 55 58 61 64\n67 70 73 76 79 82\n", {0}},
    {"fortran.npy", TABLE_NPY, ":FP64:2",
     "-5 -2 1 4 7 10\n13 16 19 22 25 28\n31 34 37 40 43 46\n49 52 55 58 61 64\n67 70 73 76 79 82\n", {0}},
    {"i2.npy", TABLE_NPY, ":INT16:0", "-5\n-2\n1\n4\n7\n10\n13\n", {0}},
    {"words.npy", TABLE_NPY, ":BYTES:0", "ant\n\nb\xc3\xa4r\ncat\n", {0}},
    {"f4.npy.gz", TABLE_NPY, ":FP32:2",
     "-5 -2 1 4 7 10\n13 16 19 22 25 28\n31 34 37 40 43 46\n49 52 55 58 61 64\n67 70 73 76 79 82\n", {0}},
    {"stored.npz", TABLE_NPZ, "x:FP32:1 y:INT64:0 z:INT8:1",
     "-5 -2 1,-5,-5 -2\n4 7 10,-2,1 4\n13 16 19,1,7 10\n22 25 28,4,13 16\n", {0}},
    {"deflated.npz", TABLE_NPZ, "x:FP32:1 y:INT64:0 z:INT8:1",
     "-5 -2 1,-5,-5 -2\n4 7 10,-2,1 4\n13 16 19,1,7 10\n22 25 28,4,13 16\n", {0}},
    {"deflated.npz", TABLE_NPZ, "y:INT64:0", "-5\n-2\n1\n4\n",
     {.names = (const char *const[]){"y"}, .n_names = 1}},
    {"u1.idx", TABLE_IDX, ":UINT8:2", "251 254 1 4\n7 10 13 16\n19 22 25 28\n31 34 37 40\n", {0}},
    {"i4.idx", TABLE_IDX, ":INT32:0", "-5\n-2\n1\n4\n7\n10\n", {0}},
    {"f8.idx", TABLE_IDX, ":FP64:1", "-5 -2\n1 4\n7 10\n", {0}},
    {"members.idx.gz", TABLE_IDX, ":UINT8:2", "251 254 1 4\n7 10 13 16\n19 22 25 28\n31 34 37 40\n", {0}},
    {"iris.csv.gz", TABLE_CSV, "a:FP64:0 b:INT64:0 kind:BYTES:0", "1.5,2,x\n-2,3,y\n", {0}},
};

static char *read_file(const char *name, size_t *ret_length)
{
    char path[512];
    char *bytes = malloc(1 << 20);
    FILE *file;

    snprintf(path, sizeof(path), TABLES_DIR "/%s", name);
    file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    *ret_length = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void check_columns(const struct table *table, const char *expected)
{
    char got[256] = "";

    for (int c = 0; c < table->n_columns; c++)
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s:%s:%d", c > 0 ? " " : "",
                 table->columns[c].name, wire_type_name(table->columns[c].type),
                 table->columns[c].rank);
    ck_assert_str_eq(got, expected);
}

/* From memory and from a file, by one row and by several, twice. */
START_TEST(array_files_are_read)
{
    size_t length;
    char *bytes = read_file(files[_i].name, &length), path[512];
    int fd;

    snprintf(path, sizeof(path), TABLES_DIR "/%s", files[_i].name);
    fd = open(path, O_RDONLY);
    for (int64_t step = 1; step < 8; step += 3) {
        struct storage storage = {
            .memory = step == 1 ? bytes : NULL, .fd = fd, .length = length};
        struct problem problem = {0};
        struct table *table = table_open(&storage, &files[_i].options, &problem);

        ck_assert_msg(table != NULL, "%s: %s", files[_i].name, problem.text);
        ck_assert_int_eq(table->format, files[_i].format);
        check_columns(table, files[_i].columns);
        for (int round = 0; round < 2; round++) {
            char *got = dump(table, step, &problem);

            ck_assert_msg(got != NULL, "%s: %s", files[_i].name, problem.text);
            ck_assert_str_eq(got, files[_i].rows);
            free(got);
            ck_assert(table_rewind(table, &problem));
        }
        table_destroy(table);
    }
    close(fd);
    free(bytes);
}
END_TEST

/* Reads all that can be read; true if that was everything. */
static bool read_through(const char *bytes, size_t length, struct problem *problem)
{
    char *copy = malloc(length > 0 ? length : 1), *got = NULL;
    struct table_options options = {.rows_max = 1000, .columns_max = 8, .record_bytes_max = 4096,
                                    .unpacked_bytes_max = 65536, .rearranged_bytes_max = 65536};
    struct table *table;
    int64_t bytes_of_rows = 0;

    memcpy(copy, bytes, length);
    table = open_text(copy, length, &options, problem);
    for (int c = 0; table != NULL && c < table->n_columns; c++)
        bytes_of_rows += table->columns[c].elements < CELLS_MAX ? table->columns[c].elements : CELLS_MAX;
    if (table != NULL && bytes_of_rows < CELLS_MAX && table->n_rows < 100 &&
        table->columns[0].type != WIRE_UINT64)
        got = dump(table, 3, problem);
    table_destroy(table);
    free(copy);
    free(got);
    return got != NULL;
}

START_TEST(array_files_cut_at_every_byte_are_refused)
{
    size_t length;
    char *bytes = read_file(files[_i].name, &length);

    for (size_t cut = 0; cut < length; cut++) {
        struct problem problem = {0};

        /* "P" and "PK" are words in a CSV file. */
        if (files[_i].format == TABLE_NPZ && cut > 0 && cut < 3)
            continue;
        ck_assert_msg(!read_through(bytes, cut, &problem), "%s cut at %zu of %zu", files[_i].name,
                      cut, length);
        ck_assert_msg(problem.status >= 400 && problem.text[0] != '\0', "%s cut at %zu",
                      files[_i].name, cut);
    }
    free(bytes);
}
END_TEST

START_TEST(text_files_cut_at_every_byte_do_no_harm)
{
    for (size_t cut = 0; cut < strlen(texts[_i].file); cut++) {
        struct problem problem = {0};

        if (!read_through(texts[_i].file, cut, &problem))
            ck_assert_int_ge(problem.status, 400);
    }
}
END_TEST

START_TEST(changed_array_files_are_refused_or_read)
{
    uint64_t state = test_seed();
    size_t length, at;
    char *bytes = read_file(files[_i].name, &length);

    for (int i = 0; i < 300 * test_scale(); i++) {
        struct problem problem = {0};
        char kept;

        at = test_random(&state) % length;
        kept = bytes[at];
        bytes[at] = (char)test_random(&state);
        /* Types that the dump does not know are not dumped. */
        if (strstr(files[_i].name, ".npy") == NULL || strstr(files[_i].name, ".gz") != NULL) {
            struct storage storage = {.memory = bytes, .fd = -1, .length = length};
            struct table *table = table_open(&storage, NULL, &problem);

            if (table != NULL) {
                void *none[65536] = {NULL};

                while (table->n_columns < 65536 && table_next(table, 1000, none, &problem) > 0)
                    ;
                table_destroy(table);
            } else {
                ck_assert_int_ge(problem.status, 400);
            }
        }
        bytes[at] = kept;
    }
    free(bytes);
}
END_TEST

START_TEST(zip_checksums_are_checked)
{
    size_t length;
    char *bytes = read_file("stored.npz", &length), *place;
    struct problem problem = {0};

    /* A byte of the data of x: 1.0f is 00 00 80 3f. */
    place = memmem(bytes, length, "\0\0\x80\x3f", 4);
    ck_assert_ptr_nonnull(place);
    place[2] ^= 1;
    ck_assert(!read_through(bytes, length, &problem));
    ck_assert_msg(strstr(problem.text, "its checksum is wrong") != NULL, "%s", problem.text);
    free(bytes);
}
END_TEST

START_TEST(limits_of_packed_files)
{
    struct table_options options = {.unpacked_bytes_max = 100};
    struct table_options turned = {.rearranged_bytes_max = 100};
    struct table_options names = {.names = (const char *const[]){"y", "w"}, .n_names = 2};
    size_t length;
    char *bytes = read_file("f4.npy.gz", &length);
    struct problem problem = {0};

    ck_assert_ptr_null(open_text(bytes, length, &options, &problem));
    ck_assert_msg(strstr(problem.text, "more than the 100 bytes") != NULL, "%s", problem.text);
    free(bytes);
    bytes = read_file("fortran.npy", &length);
    problem = (struct problem){0};
    ck_assert_ptr_null(open_text(bytes, length, &turned, &problem));
    ck_assert_msg(strstr(problem.text, "ascontiguousarray") != NULL, "%s", problem.text);
    free(bytes);
    bytes = read_file("stored.npz", &length);
    problem = (struct problem){0};
    ck_assert_ptr_null(open_text(bytes, length, &names, &problem));
    ck_assert_msg(strstr(problem.text, "no array 'w'") != NULL, "%s", problem.text);
    free(bytes);
}
END_TEST

struct patience {
    int left;
    bool ended;
};

static bool is_over(const void *arg)
{
    struct patience *patience = (struct patience *)(uintptr_t)arg;

    patience->ended = patience->left == 0;
    patience->left -= patience->left > 0;
    return patience->ended;
}

/* At whichever read that is. */
START_TEST(reading_ends_when_it_is_told_to)
{
    size_t length;
    char *bytes = read_file(files[_i].name, &length);
    int n = 0;

    for (struct patience patience = {.ended = true}; patience.ended; n++) {
        struct storage storage = {
            .memory = bytes, .fd = -1, .length = length, .stopped = is_over, .arg = &patience};
        struct problem problem = {0};
        struct table *table;
        char *got = NULL;

        patience = (struct patience){.left = n};
        table = table_open(&storage, &files[_i].options, &problem);
        if (table != NULL)
            got = dump(table, 2, &problem);
        ck_assert_msg((got == NULL) == patience.ended, "%s, read %d", files[_i].name, n);
        ck_assert_int_eq(problem.status, patience.ended ? 499 : 0);
        free(got);
        table_destroy(table);
    }
    ck_assert_int_gt(n, 1);
    free(bytes);
}
END_TEST

/* Blocks end early by text, and long records cross many reads. */
START_TEST(long_rows_are_whole)
{
    enum { ROWS = 40, WIDTH = 70001 };
    char *file = malloc((size_t)ROWS * (WIDTH + 8) + 16), *p = file;
    struct problem problem = {0};
    struct wire_bytes words[ROWS];
    int64_t numbers[ROWS], rows, row = 0;
    void *columns[] = {numbers, words};
    struct table *table;

    p += sprintf(p, "n,word\n");
    for (int r = 0; r < ROWS; r++) {
        p += sprintf(p, "%d,", r);
        memset(p, 'a' + r % 26, WIDTH);
        p += WIDTH;
        *p++ = '\n';
    }
    table = open_text(file, (size_t)(p - file), NULL, &problem);
    ck_assert_msg(table != NULL, "%s", problem.text);
    ck_assert_int_eq(table->n_rows, ROWS);
    while ((rows = table_next(table, ROWS, columns, &problem)) > 0) {
        ck_assert_int_lt(rows, ROWS);
        for (int64_t r = 0; r < rows; r++, row++) {
            ck_assert_int_eq(numbers[r], row);
            ck_assert_uint_eq(words[r].length, WIDTH);
            ck_assert(words[r].data[0] == 'a' + row % 26 && words[r].data[WIDTH - 1] == 'a' + row % 26);
        }
    }
    ck_assert_int_eq(row, ROWS);
    table_destroy(table);
    table_destroy(NULL);
    free(file);
}
END_TEST

START_TEST(text_is_read_as_windows)
{
    static const struct {
        const char *text, *rows;
        int64_t window, count;
    } cases[] = {
        {"abcdefg", "97 98 99,98 99 100\n100 101 102,101 102 103\n", 3, 2},
        {"abcdefgh", "97 98 99,98 99 100\n100 101 102,101 102 103\n", 3, 2},
        {"{\"a\"", "123 34 97,34 97 34\n", 3, 1},
        {"PK\3\4!", "80 75 3 4,75 3 4 33\n", 4, 1},
        {"ab", "97,98\n", 1, 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct table_options options = {.text_window = cases[i].window};
        struct problem problem = {0};
        struct table *table = open_text(cases[i].text, strlen(cases[i].text), &options, &problem);
        char *rows;

        ck_assert_msg(table != NULL, "case %zu: %s", i, problem.text);
        ck_assert_int_eq(table->n_rows, cases[i].count);
        ck_assert_int_eq(table_find(table, "tokens"), 0);
        ck_assert_int_eq(table_find(table, "next"), 1);
        for (int turn = 0; turn < 2; turn++) {
            rows = dump(table, 1 + turn, &problem);
            ck_assert_str_eq(rows, cases[i].rows);
            free(rows);
            ck_assert(table_rewind(table, &problem));
        }
        table_destroy(table);
    }
}
END_TEST

START_TEST(text_shorter_than_a_window_is_refused)
{
    struct table_options options = {.text_window = 4};
    struct problem problem = {0};

    ck_assert_ptr_null(open_text("abcd", 4, &options, &problem));
    ck_assert_str_eq(problem.text, "the text has 4 bytes; a window of 4 and the byte behind it are expected");
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("table");
    TCase *tc = tcase_create("text"), *arrays = tcase_create("arrays");

    tcase_add_loop_test(tc, text_files_are_read, 0, sizeof(texts) / sizeof(texts[0]));
    tcase_add_loop_test(tc, bad_text_files_are_refused_by_line_and_column, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_loop_test(tc, text_files_cut_at_every_byte_do_no_harm, 0,
                        sizeof(texts) / sizeof(texts[0]));
    tcase_add_test(tc, long_rows_are_whole);
    tcase_add_test(tc, text_is_read_as_windows);
    tcase_add_test(tc, text_shorter_than_a_window_is_refused);
    suite_add_tcase(suite, tc);
    tcase_set_timeout(arrays, 60);
    tcase_add_loop_test(arrays, array_files_are_read, 0, sizeof(files) / sizeof(files[0]));
    tcase_add_loop_test(arrays, reading_ends_when_it_is_told_to, 0, sizeof(files) / sizeof(files[0]));
    tcase_add_loop_test(arrays, array_files_cut_at_every_byte_are_refused, 0,
                        sizeof(files) / sizeof(files[0]));
    tcase_add_loop_test(arrays, changed_array_files_are_refused_or_read, 0,
                        sizeof(files) / sizeof(files[0]));
    tcase_add_test(arrays, zip_checksums_are_checked);
    tcase_add_test(arrays, limits_of_packed_files);
    suite_add_tcase(suite, arrays);
    return suite;
}
