/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/training/train_curve.h"

#include "proto/text.h"
#include "server/whole_file.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { WIDTH = 720, HEIGHT = 400, LEFT = 64, RIGHT = 64, TOP = 40, BOTTOM = 48, TICKS = 5 };

static bool save(const char *path, struct text *text, struct problem *problem)
{
    bool ok = !text->failed;

    if (!ok)
        problem_set(problem, 500, "no_memory", "out of memory while drawing %s", path);
    ok = ok && whole_file_write(path, &(struct whole_part){text->data, text->length}, 1, problem);
    text_free(text);
    return ok;
}

static void put_number(struct text *text, double number)
{
    if (isfinite(number))
        text_printf(text, ",%.9g", number);
    else
        text_puts(text, ",");
}

bool train_curve_csv(const char *path, const struct train_point *points, int64_t n, const char *metric,
                     struct problem *problem)
{
    struct text text;
    bool shows = strcmp(metric, "loss") != 0;

    text_init(&text);
    text_printf(&text, "epoch,rate,loss,validation_loss%s%s\n", shows ? "," : "", shows ? metric : "");
    for (int64_t i = 0; i < n; i++) {
        text_printf(&text, "%.0f", points[i].epoch);
        put_number(&text, points[i].rate);
        put_number(&text, points[i].loss);
        put_number(&text, points[i].validation_loss);
        if (shows)
            put_number(&text, points[i].metric);
        text_puts(&text, "\n");
    }
    return save(path, &text, problem);
}

/* A range of numbers on the vertical axis. */
struct scale {
    double least, most;
};

static void widen(struct scale *scale, double number)
{
    if (!isfinite(number))
        return;
    if (number < scale->least)
        scale->least = number;
    if (number > scale->most)
        scale->most = number;
}

static double across(int64_t i, int64_t n)
{
    return LEFT + (n > 1 ? (double)i / (double)(n - 1) : 0.5) * (WIDTH - LEFT - RIGHT);
}

static double up(const struct scale *scale, double number)
{
    double range = scale->most - scale->least;

    return HEIGHT - BOTTOM -
           (range > 0.0 ? (number - scale->least) / range : 0.5) * (HEIGHT - TOP - BOTTOM);
}

/* The member at `offset` of each point as a line with its name; what was not measured is left out. */
static void draw_line(struct text *text, const struct train_point *points, int64_t n, size_t offset,
                      const struct scale *scale, const char *colour, const char *name, int place)
{
    int drawn = 0;

    text_printf(text, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour);
    for (int64_t i = 0; i < n; i++) {
        double number;

        memcpy(&number, (const char *)&points[i] + offset, sizeof(number));
        if (!isfinite(number))
            continue;
        text_printf(text, "%.1f,%.1f ", across(i, n), up(scale, number));
        drawn++;
    }
    text_puts(text, "\"/>\n");
    if (drawn > 0)
        text_printf(text, "<text x=\"%d\" y=\"24\" fill=\"%s\">%s</text>\n", LEFT + 160 * place, colour,
                    name);
}

static void draw_axis(struct text *text, const struct scale *scale, bool right)
{
    for (int i = 0; i <= TICKS && scale->least <= scale->most; i++) {
        double number = scale->least + (scale->most - scale->least) * i / TICKS;
        double y = up(scale, number);

        if (!right)
            text_printf(text, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n",
                        LEFT, WIDTH - RIGHT, y, y);
        text_printf(text, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"%s\">%.4g</text>\n",
                    right ? WIDTH - RIGHT + 8 : LEFT - 8, y + 4, right ? "start" : "end", number);
    }
}

bool train_curve_svg(const char *path, const struct train_point *points, int64_t n, const char *metric,
                     struct problem *problem)
{
    struct scale losses = {INFINITY, -INFINITY}, metrics = {INFINITY, -INFINITY};
    bool shows = strcmp(metric, "loss") != 0;
    struct text text;

    for (int64_t i = 0; i < n; i++) {
        widen(&losses, points[i].loss);
        widen(&losses, points[i].validation_loss);
        if (shows)
            widen(&metrics, points[i].metric);
    }
    text_init(&text);
    text_printf(&text,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                "font-family=\"sans-serif\" font-size=\"12\">\n"
                "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
                WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_axis(&text, &losses, false);
    draw_line(&text, points, n, offsetof(struct train_point, loss), &losses, "#1f77b4", "loss", 0);
    draw_line(&text, points, n, offsetof(struct train_point, validation_loss), &losses, "#d62728",
              "validation loss", 1);
    if (shows) {
        draw_axis(&text, &metrics, true);
        draw_line(&text, points, n, offsetof(struct train_point, metric), &metrics, "#2ca02c", metric,
                  2);
    }
    for (int64_t i = 0; i < n; i += n > 10 ? (n + 9) / 10 : 1)
        text_printf(&text, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f</text>\n",
                    across(i, n), HEIGHT - BOTTOM + 18, points[i].epoch);
    text_printf(&text, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">epoch</text>\n</svg>\n", WIDTH / 2,
                HEIGHT - 8);
    return save(path, &text, problem);
}
