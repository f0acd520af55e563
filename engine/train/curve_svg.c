/* SPDX-License-Identifier: Apache-2.0
 * The learning curve as a picture: two panels over one axis of epochs. */
#include "config.h"

#include "engine/train/curve.h"
#include "engine/train/curve_text.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { WIDTH = 720, LEFT = 72, RIGHT = 24, TOP = 44, PANEL = 200, GAP = 44, BOTTOM = 46, TICKS = 5 };

/* A line: one number of each point. */
struct series {
    size_t member; /* offset in struct curve_point */
    const char *name, *class;
};

struct panel {
    const char *title;
    struct series series[2];
    int top;
    double low, high;   /* of the axis; logarithms if `logarithmic` */
    bool logarithmic;
};

static double value_of(const struct curve_point *point, const struct series *series)
{
    double value;

    memcpy(&value, (const char *)point + series->member, sizeof(value));
    return value;
}

/* A step of 1, 2 or 5 times a power of ten that cuts `span` into about TICKS parts (Heckbert, "Nice
 * numbers for graph labels", 1990). */
static double nice_step(double span)
{
    double raw = span / TICKS, power = pow(10, floor(log10(raw))), part = raw / power;

    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

/* The range of what is drawn; false if there is nothing. */
static bool find_range(const struct curve *curve, struct panel *panel)
{
    double low = INFINITY, high = -INFINITY, step;

    for (int64_t i = 0; i < curve->n_points; i++)
        for (int s = 0; s < 2; s++) {
            double value = value_of(&curve->points[i], &panel->series[s]);

            if (isfinite(value)) {
                low = value < low ? value : low;
                high = value > high ? value : high;
            }
        }
    if (!(low <= high))
        return false;
    panel->logarithmic = panel->logarithmic && low > 0 && high / low > 100;
    if (panel->logarithmic) {
        panel->low = floor(log10(low));
        panel->high = ceil(log10(high));
        return true;
    }
    if (high - low <= 1e-12 * fmax(fabs(low), fabs(high))) {
        step = fmax(fabs(low), 1) / 10;
        low -= step;
        high += step;
    }
    step = nice_step(high - low);
    panel->low = floor(low / step + 1e-9) * step;
    panel->high = ceil(high / step - 1e-9) * step;
    return true;
}

static double x_of(const struct curve *curve, int64_t epoch)
{
    double first = (double)curve->points[0].epoch;
    double last = (double)curve->points[curve->n_points - 1].epoch;

    return LEFT + (WIDTH - LEFT - RIGHT) * (last > first ? ((double)epoch - first) / (last - first) : 0.5);
}

static double y_of(const struct panel *panel, double value)
{
    double at = panel->logarithmic ? log10(value) : value;

    return panel->top + PANEL * (panel->high - at) / (panel->high - panel->low);
}

static void escape(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else if ((unsigned char)*text >= 0x20)
            fputc(*text, out);
    }
}

static void draw_axes(FILE *out, const struct panel *panel)
{
    double step = panel->logarithmic ? ceil((panel->high - panel->low) / TICKS)
                                     : nice_step(panel->high - panel->low);
    int ticks = (int)floor((panel->high - panel->low) / step + 1e-6);

    for (int i = 0; i <= ticks; i++) {
        double at = panel->low + i * step;
        double value = panel->logarithmic ? pow(10, at) : at;
        double y = y_of(panel, value);

        if (fabs(value) < step * 1e-9 && !panel->logarithmic)
            value = 0;
        fprintf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n", LEFT,
                WIDTH - RIGHT, y, y);
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", LEFT - 8, y + 4,
                value);
    }
    fprintf(out, "<text class=\"name\" x=\"%d\" y=\"%d\">", LEFT, panel->top - 12);
    escape(out, panel->title);
    fprintf(out, "%s</text>\n", panel->logarithmic ? " (logarithmic)" : "");
}

/* Epochs below the lower panel. */
static void draw_epochs(FILE *out, const struct curve *curve, int bottom)
{
    int64_t first = curve->points[0].epoch, last = curve->points[curve->n_points - 1].epoch;
    int64_t step = last > first ? (int64_t)fmax(1, nice_step((double)(last - first) / 2)) : 1;

    for (int64_t epoch = (first + step - 1) / step * step; epoch <= last; epoch += step)
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%lld</text>\n",
                x_of(curve, epoch), bottom + 18, (long long)epoch);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">epoch</text>\n",
            LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 38);
}

/* Lines break where nothing was measured; a point without neighbours is a dot. */
static void draw_series(FILE *out, const struct curve *curve, const struct panel *panel,
                        const struct series *series)
{
    bool open = false;

    for (int64_t i = 0; i < curve->n_points; i++) {
        double value = value_of(&curve->points[i], series);
        bool good = isfinite(value);
        bool next = i + 1 < curve->n_points &&
                    isfinite(value_of(&curve->points[i + 1], series));

        if (good && !open && !next) {
            fprintf(out, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                    series->class, x_of(curve, curve->points[i].epoch), y_of(panel, value));
            continue;
        }
        if (good && !open)
            fprintf(out, "<polyline class=\"line %s\" points=\"", series->class);
        if (good)
            fprintf(out, "%s%.1f,%.1f", open ? " " : "", x_of(curve, curve->points[i].epoch),
                    y_of(panel, value));
        open = good;
        if (open && !next) {
            fputs("\"/>\n", out);
            open = false;
        }
    }
}

static void draw_legend(FILE *out, const struct panel *panel)
{
    int x = WIDTH - RIGHT - 190;

    for (int s = 0; s < 2; s++, x += 90) {
        fprintf(out, "<line class=\"line %s\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n",
                panel->series[s].class, x, x + 18, panel->top - 16, panel->top - 16);
        fprintf(out, "<text x=\"%d\" y=\"%d\">%s</text>\n", x + 24, panel->top - 12,
                panel->series[s].name);
    }
}

static void begin(FILE *out, const struct curve *curve, int height)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" role=\"img\">\n<title>",
            WIDTH, height, WIDTH, height);
    escape(out, curve->title != NULL ? curve->title : "learning curve");
    fputs("</title>\n<style>\n"
          "svg { background: #fff; color: #1f2328; font: 12px sans-serif; }\n"
          "text { fill: currentColor; }\n"
          ".name { font-weight: bold; }\n"
          ".grid { stroke: currentColor; stroke-opacity: 0.15; }\n"
          ".best { stroke: currentColor; stroke-opacity: 0.6; stroke-dasharray: 4 4; }\n"
          ".line { fill: none; stroke-width: 2; stroke-linejoin: round; }\n"
          ".dot { stroke: none; }\n"
          ".train { stroke: #0969da; } .dot.train { fill: #0969da; }\n"
          ".validation { stroke: #bc4c00; } .dot.validation { fill: #bc4c00; }\n"
          "@media (prefers-color-scheme: dark) {\n"
          "  svg { background: #0d1117; color: #e6edf3; }\n"
          "  .train { stroke: #58a6ff; } .dot.train { fill: #58a6ff; }\n"
          "  .validation { stroke: #f0883e; } .dot.validation { fill: #f0883e; }\n"
          "}\n</style>\n",
          out);
    fprintf(out, "<rect width=\"%d\" height=\"%d\" fill=\"none\"/>\n", WIDTH, height);
}

char *curve_svg(const struct curve *curve, size_t *ret_length)
{
    struct panel panels[2] = {
        {"loss",
         {{offsetof(struct curve_point, train_loss), "training", "train"},
          {offsetof(struct curve_point, validation_loss), "validation", "validation"}},
         TOP, 0, 0, true},
        {curve->metric,
         {{offsetof(struct curve_point, train_metric), "training", "train"},
          {offsetof(struct curve_point, validation_metric), "validation", "validation"}},
         TOP, 0, 0, false},
    };
    int n_panels = 0, bottom = TOP;
    struct curve_text text;

    for (int p = 0; p < 2; p++) {
        if (panels[p].title == NULL || !find_range(curve, &panels[p]))
            continue;
        panels[n_panels] = panels[p];
        panels[n_panels].top = TOP + n_panels * (PANEL + GAP);
        bottom = panels[n_panels++].top + PANEL;
    }
    if (!curve_text_open(&text))
        return NULL;
    begin(text.out, curve, bottom + BOTTOM);
    for (int p = 0; p < n_panels; p++) {
        draw_axes(text.out, &panels[p]);
        draw_legend(text.out, &panels[p]);
        for (int s = 0; s < 2; s++)
            draw_series(text.out, curve, &panels[p], &panels[p].series[s]);
    }
    if (n_panels > 0) {
        draw_epochs(text.out, curve, bottom);
        if (curve->best_epoch >= curve->points[0].epoch &&
            curve->best_epoch <= curve->points[curve->n_points - 1].epoch)
            fprintf(text.out, "<line class=\"best\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n",
                    x_of(curve, curve->best_epoch), x_of(curve, curve->best_epoch), TOP, bottom);
    } else {
        fprintf(text.out, "<text x=\"%d\" y=\"%d\">nothing was measured</text>\n", LEFT, TOP);
    }
    fputs("</svg>\n", text.out);
    return curve_text_close(&text, ret_length);
}
