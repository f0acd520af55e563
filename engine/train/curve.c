/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/train/curve.h"

#include "engine/train/curve_text.h"
#include "engine/train/labels.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_COLUMNS_MAX = 16 };

int curve_text_open(struct curve_text *text)
{
    *text = (struct curve_text){0};
    text->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    text->out = open_memstream(&text->data, &text->length);
    if (text->out == NULL || text->c_locale == (locale_t)0) {
        if (text->out != NULL)
            fclose(text->out);
        if (text->c_locale != (locale_t)0)
            freelocale(text->c_locale);
        free(text->data);
        return false;
    }
    text->before = uselocale(text->c_locale);
    return true;
}

char *curve_text_close(struct curve_text *text, size_t *ret_length)
{
    bool failed = ferror(text->out) != 0;

    failed |= fclose(text->out) != 0;
    uselocale(text->before);
    freelocale(text->c_locale);
    if (failed) {
        free(text->data);
        return NULL;
    }
    *ret_length = text->length;
    return text->data;
}

static void write_cell(FILE *out, double value)
{
    fputc(',', out);
    if (!isnan(value))
        fprintf(out, "%.9g", value);
}

char *curve_csv(const struct curve *curve, size_t *ret_length)
{
    const char *metric = curve->metric != NULL ? curve->metric : "metric";
    struct curve_text text;

    if (!curve_text_open(&text))
        return NULL;
    fprintf(text.out, "epoch,train_loss,validation_loss,train_%s,validation_%s,learning_rate,seconds\n",
            metric, metric);
    for (int64_t i = 0; i < curve->n_points; i++) {
        const struct curve_point *point = &curve->points[i];

        fprintf(text.out, "%lld", (long long)point->epoch);
        write_cell(text.out, point->train_loss);
        write_cell(text.out, point->validation_loss);
        write_cell(text.out, point->train_metric);
        write_cell(text.out, point->validation_metric);
        write_cell(text.out, point->learning_rate);
        write_cell(text.out, point->seconds);
        fputc('\n', text.out);
    }
    return curve_text_close(&text, ret_length);
}

/* Columns that a UTF-8 text takes: its code points. */
static int columns_of(const char *text)
{
    int columns = 0;

    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

static void write_right(FILE *out, const char *text, int columns)
{
    int used = columns_of(text);

    for (int i = used; i < columns; i++)
        fputc(' ', out);
    for (int n = 0; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
        if (n > columns)
            break;
        fputc(*text, out);
    }
}

static const char *class_name(const struct labels *labels, int class_id, char *number, size_t size)
{
    if (labels != NULL && class_id < labels_count(labels))
        return labels_name(labels, class_id);
    snprintf(number, size, "%d", class_id);
    return number;
}

char *confusion_text(const double *confusion, int classes, const struct labels *labels,
                     size_t *ret_length)
{
    struct curve_text text;
    char number[32];
    int width = 6, cell;

    if (!curve_text_open(&text))
        return NULL;
    for (int c = 0; c < classes; c++) {
        int columns = columns_of(class_name(labels, c, number, sizeof(number)));

        width = columns > width ? columns : width;
    }
    for (int64_t i = 0; i < (int64_t)classes * classes; i++) {
        cell = snprintf(number, sizeof(number), "%.6g", confusion[i]);
        width = cell > width ? cell : width;
    }
    width = width < NAME_COLUMNS_MAX ? width : NAME_COLUMNS_MAX;
    write_right(text.out, "", width);
    for (int c = 0; c < classes; c++) {
        fputc(' ', text.out);
        write_right(text.out, class_name(labels, c, number, sizeof(number)), width);
    }
    fprintf(text.out, "  recall\n");
    for (int row = 0; row < classes; row++) {
        const double *counts = confusion + (int64_t)row * classes;
        double sum = 0;

        write_right(text.out, class_name(labels, row, number, sizeof(number)), width);
        for (int c = 0; c < classes; c++) {
            sum += counts[c];
            snprintf(number, sizeof(number), "%.6g", counts[c]);
            fputc(' ', text.out);
            write_right(text.out, number, width);
        }
        if (sum > 0)
            fprintf(text.out, "  %.4f\n", counts[row] / sum);
        else
            fprintf(text.out, "  -\n");
    }
    return curve_text_close(&text, ret_length);
}
