/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernels/recurrent_grad.h"

#include <string.h>

/* g *= f'(clip(x)), y = f(clip(x)). f grows, so what the bounds gave is known by its value. */
static void back(const struct gate_function *f, float clip, int64_t n, const float *y, float *g)
{
    float bounds[2] = {-clip, clip};

    f->slope((size_t)n, f->alpha, f->beta, y, g);
    if (clip <= 0)
        return;
    f->apply(2, f->alpha, f->beta, bounds, bounds);
    for (int64_t i = 0; i < n; i++)
        if (y[i] <= bounds[0] || y[i] >= bounds[1])
            g[i] = 0;
}

void cell_rnn_back(const struct cell *cell, const float *gates, float *dstate, float *dgates)
{
    size_t bytes = (size_t)cell->hidden * sizeof(float);

    memcpy(dgates, dstate, bytes);
    back(&cell->f, cell->clip, cell->hidden, gates, dgates);
    memset(dstate, 0, bytes);
}

void cell_lstm_back(const struct cell *cell, const float *gates, const float *memory_before,
                    float *dstate, float *dmemory, float *scratch, float *dgates)
{
    int64_t n = cell->hidden;
    const float *p = cell->peepholes;
    const float *in = gates, *out = gates + n, *forget = gates + 2 * n, *candidate = gates + 3 * n;
    float *d_in = dgates, *d_out = dgates + n, *d_forget = dgates + 2 * n, *d_candidate = dgates + 3 * n;
    float *shown = scratch, *part = scratch + n;

    for (int64_t i = 0; i < n; i++)
        shown[i] = forget[i] * memory_before[i] + in[i] * candidate[i];
    cell->h.apply((size_t)n, cell->h.alpha, cell->h.beta, shown, shown);
    for (int64_t i = 0; i < n; i++) {
        d_out[i] = dstate[i] * shown[i];
        part[i] = dstate[i] * out[i];
        dstate[i] = 0;
    }
    back(&cell->f, cell->clip, n, out, d_out);
    cell->h.slope((size_t)n, cell->h.alpha, cell->h.beta, shown, part);
    for (int64_t i = 0; i < n; i++)
        dmemory[i] += part[i] + (p != NULL ? d_out[i] * p[n + i] : 0);
    for (int64_t i = 0; i < n; i++) {
        d_in[i] = dmemory[i] * candidate[i];
        d_forget[i] = dmemory[i] * memory_before[i];
        d_candidate[i] = dmemory[i] * in[i];
        dmemory[i] *= forget[i];
    }
    if (cell->input_forget)
        for (int64_t i = 0; i < n; i++) {
            d_in[i] -= d_forget[i];
            d_forget[i] = 0;
        }
    else
        back(&cell->f, cell->clip, n, forget, d_forget);
    back(&cell->f, cell->clip, n, in, d_in);
    back(&cell->g, cell->clip, n, candidate, d_candidate);
    if (p != NULL)
        for (int64_t i = 0; i < n; i++)
            dmemory[i] += d_in[i] * p[i] + d_forget[i] * p[2 * n + i];
}

void cell_lstm_peepholes_back(const struct cell *cell, const float *gates, const float *memory_before,
                              const float *dgates, float *scratch, float *dpeepholes)
{
    int64_t n = cell->hidden;

    for (int64_t i = 0; i < n; i++)
        scratch[i] = gates[2 * n + i] * memory_before[i] + gates[i] * gates[3 * n + i];
    for (int64_t i = 0; i < n; i++) {
        dpeepholes[i] += dgates[i] * memory_before[i];
        dpeepholes[n + i] += dgates[n + i] * scratch[i];
        dpeepholes[2 * n + i] += dgates[2 * n + i] * memory_before[i];
    }
}

void cell_gru_state_back(const struct cell *cell, const float *gates, const float *before, float *dstate,
                         float *dgates)
{
    int64_t n = cell->hidden;
    const float *z = gates, *candidate = gates + 2 * n;

    for (int64_t i = 0; i < n; i++) {
        dgates[i] = dstate[i] * (before[i] - candidate[i]);
        dgates[2 * n + i] = dstate[i] * (1 - z[i]);
        dstate[i] *= z[i];
    }
    back(&cell->f, cell->clip, n, z, dgates);
    back(&cell->g, cell->clip, n, candidate, dgates + 2 * n);
}

void cell_gru_reset_back(const struct cell *cell, const float *gates, const float *before,
                         const float *dreset, float *dstate, float *dgates)
{
    int64_t n = cell->hidden;
    const float *r = gates + n;

    for (int64_t i = 0; i < n; i++) {
        dgates[n + i] = dreset[i] * before[i];
        dstate[i] += dreset[i] * r[i];
    }
    back(&cell->f, cell->clip, n, r, dgates + n);
}

void cell_gru_back(const struct cell *cell, const float *gates, const float *product,
                   const float *before, float *dstate, float *dgates, float *dproduct)
{
    int64_t n = cell->hidden;
    const float *r = gates + n, *d = dgates + 2 * n;

    cell_gru_state_back(cell, gates, before, dstate, dgates);
    for (int64_t i = 0; i < n; i++) {
        dgates[n + i] = d[i] * product[i];
        dproduct[i] = d[i] * r[i];
    }
    back(&cell->f, cell->clip, n, r, dgates + n);
}
