/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "proto/learn_message.h"

#include <math.h>
#include <string.h>

/* In no string, whose quotes are escaped. */
static const char parameters_key[] = "\"parameters\":{";

static void encode_string(struct text *text, const char *key, const char *value)
{
    text_printf(text, "\"%s\":", key);
    text_json_string(text, value, strlen(value));
    text_puts(text, ",");
}

static void encode_metrics(struct text *text, const struct learn_metric *metrics, int count)
{
    text_puts(text, "\"metrics\":{");
    for (int i = 0; i < count; i++) {
        text_puts(text, i > 0 ? "," : "");
        text_json_string(text, metrics[i].name, strlen(metrics[i].name));
        text_puts(text, ":");
        text_json_finite(text, metrics[i].value);
    }
    text_puts(text, "}");
}

static void encode_made(struct text *text, const struct learn_made *made)
{
    text_printf(text, ",\"prediction\":{\"generation\":%lld,\"time_ms\":%lld,",
                (long long)made->generation, (long long)made->time_ms);
    if (!isnan(made->loss)) {
        text_puts(text, "\"loss\":");
        text_json_finite(text, made->loss);
        text_puts(text, ",");
    }
    encode_metrics(text, made->metrics, made->n_metrics);
    text_puts(text, "}");
}

void learn_response_encode(const struct learn_response *response, struct text *text)
{
    text_puts(text, "{");
    encode_string(text, "model_name", response->model_name);
    encode_string(text, "model_version", response->model_version);
    if (response->id != NULL)
        encode_string(text, "id", response->id);
    text_puts(text, parameters_key);
    text_printf(text, "\"generation\":%lld", (long long)response->generation);
    if (response->durable >= 0)
        text_printf(text, ",\"durable\":%s", response->durable ? "true" : "false");
    if (response->partly)
        text_puts(text, ",\"complete\":false");
    if (response->hidden)
        text_puts(text, ",\"published\":false");
    text_puts(text, "},");
    if (!isnan(response->loss)) {
        text_puts(text, "\"loss\":");
        text_json_finite(text, response->loss);
        text_puts(text, ",");
    }
    encode_metrics(text, response->metrics, response->n_metrics);
    text_printf(text, ",\"examples\":%lld", (long long)response->examples);
    if (response->made != NULL)
        encode_made(text, response->made);
    text_puts(text, "}");
}

void learn_response_replay(const char *body, size_t bytes, struct text *text)
{
    const char *at = memmem(body, bytes, parameters_key, strlen(parameters_key));
    size_t before = at != NULL ? (size_t)(at - body) + strlen(parameters_key) : 0;

    text_append(text, body, before);
    if (at != NULL)
        text_puts(text, "\"replayed\":true,");
    text_append(text, body + before, bytes - before);
}
