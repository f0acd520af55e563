/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/metadata_message.h"

#include <string.h>

static void put_string(struct text *text, const char *value)
{
    text_json_string(text, value, strlen(value));
}

/* Ends with a comma. */
static void put_member(struct text *text, const char *key, const char *value)
{
    text_printf(text, "\"%s\":", key);
    put_string(text, value);
    text_puts(text, ",");
}

/* Replaces a comma at the end. */
static void close_with(struct text *text, const char *closing)
{
    if (text->length > 0 && text->data[text->length - 1] == ',')
        text->length--;
    text_puts(text, closing);
}

static void put_strings(struct text *text, const char *key, const char *const *values, int n)
{
    int i;

    text_printf(text, "\"%s\":[", key);
    for (i = 0; i < n; i++) {
        put_string(text, values[i]);
        text_puts(text, ",");
    }
    close_with(text, "],");
}

void error_encode(struct text *text, const char *message)
{
    text_puts(text, "{");
    put_member(text, "error", message);
    close_with(text, "}");
}

void server_metadata_encode(struct text *text, const char *name, const char *version,
                            const char *const *extensions, int n_extensions)
{
    text_puts(text, "{");
    put_member(text, "name", name);
    put_member(text, "version", version);
    put_strings(text, "extensions", extensions, n_extensions);
    close_with(text, "}");
}

static void put_dims(struct text *text, const char *key, const struct tensor_spec *spec,
                     int first_dim)
{
    int i;

    text_printf(text, "\"%s\":[", key);
    for (i = first_dim; i < spec->rank; i++)
        text_printf(text, "%lld,", (long long)spec->dims[i]);
    close_with(text, "],");
}

static void put_tensors(struct text *text, const char *key, const struct tensor_spec *specs, int n)
{
    int i;

    text_printf(text, "\"%s\":[", key);
    for (i = 0; i < n; i++) {
        text_puts(text, "{");
        put_member(text, "name", specs[i].name);
        put_member(text, "datatype", wire_type_name(specs[i].type));
        put_dims(text, "shape", &specs[i], 0);
        close_with(text, "},");
    }
    close_with(text, "],");
}

void model_metadata_encode(struct text *text, const struct model_metadata *metadata)
{
    text_puts(text, "{");
    put_member(text, "name", metadata->name);
    put_strings(text, "versions", metadata->versions, metadata->n_versions);
    put_member(text, "platform", metadata->platform);
    put_tensors(text, "inputs", metadata->inputs, metadata->n_inputs);
    put_tensors(text, "outputs", metadata->outputs, metadata->n_outputs);
    close_with(text, "}");
}

/* "TYPE_FP32"; Triton's configuration calls BYTES a string. */
static void put_config_tensors(struct text *text, const char *key, const struct tensor_spec *specs,
                               int n, int first_dim)
{
    int i;

    text_printf(text, "\"%s\":[", key);
    for (i = 0; i < n; i++) {
        text_puts(text, "{");
        put_member(text, "name", specs[i].name);
        text_printf(text, "\"data_type\":\"TYPE_%s\",",
                    specs[i].type == WIRE_BYTES ? "STRING" : wire_type_name(specs[i].type));
        put_dims(text, "dims", &specs[i], first_dim);
        close_with(text, "},");
    }
    close_with(text, "],");
}

void model_config_encode(struct text *text, const struct model_metadata *metadata)
{
    /* With batching the configuration leaves the first dimension out. */
    int first_dim = metadata->max_batch_size > 0 ? 1 : 0;

    text_puts(text, "{");
    put_member(text, "name", metadata->name);
    put_member(text, "platform", metadata->platform);
    put_member(text, "backend", "inferd");
    text_printf(text, "\"max_batch_size\":%d,", metadata->max_batch_size);
    put_config_tensors(text, "input", metadata->inputs, metadata->n_inputs, first_dim);
    put_config_tensors(text, "output", metadata->outputs, metadata->n_outputs, first_dim);
    if (metadata->max_batch_size > 0)
        text_puts(text, "\"dynamic_batching\":{},");
    text_puts(text, "\"model_transaction_policy\":{\"decoupled\":false},");
    close_with(text, "}");
}

static void encode_detail(struct text *text, const struct ready_detail *detail)
{
    static const char *const words[] = {"false", "true"};

    text_printf(text, ",\"learning\":{\"read_only\":%s", words[detail->read_only]);
    if (detail->reason[0] != '\0') {
        text_puts(text, ",\"reason\":");
        text_json_string(text, detail->reason, strlen(detail->reason));
    }
    text_printf(text, ",\"loss_drifting\":%s,\"input_drifting\":%s,\"input_psi\":",
                words[detail->loss_drifting], words[detail->input_drifting]);
    text_json_double(text, detail->input_psi);
    if (detail->worst_input[0] != '\0') {
        text_puts(text, ",\"worst_input\":");
        text_json_string(text, detail->worst_input, strlen(detail->worst_input));
    }
    text_printf(text, ",\"quarantines\":%.0f,\"auto_rollbacks\":%.0f}", detail->quarantines,
                detail->auto_rollbacks);
}

void model_ready_encode(struct text *text, const char *name, bool ready,
                        const struct ready_detail *detail)
{
    text_puts(text, "{");
    put_member(text, "name", name);
    text_printf(text, "\"ready\":%s", ready ? "true" : "false");
    if (detail != NULL)
        encode_detail(text, detail);
    text_puts(text, "}");
}

void repository_index_encode(struct text *text, const struct repository_row *rows, int n_rows)
{
    int i;

    text_puts(text, "[");
    for (i = 0; i < n_rows; i++) {
        text_puts(text, "{");
        put_member(text, "name", rows[i].name);
        if (rows[i].version != NULL)
            put_member(text, "version", rows[i].version);
        if (rows[i].state != NULL)
            put_member(text, "state", rows[i].state);
        if (rows[i].reason != NULL)
            put_member(text, "reason", rows[i].reason);
        close_with(text, "},");
    }
    close_with(text, "]");
}

/* TensorFlow Serving's name of a state. */
static const char *v1_state(const char *state)
{
    static const struct {
        const char *state, *v1;
    } states[] = {
        {"READY", "AVAILABLE"},
        {"LOADING", "LOADING"},
        {"UNLOADING", "UNLOADING"},
    };
    size_t i;

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (state != NULL && strcmp(states[i].state, state) == 0)
            return states[i].v1;
    return "END";
}

void v1_status_encode(struct text *text, const char *name, bool ready,
                      const struct repository_row *rows, int n_rows)
{
    bool failed;
    int i;

    text_puts(text, "{");
    put_member(text, "name", name);
    text_printf(text, "\"ready\":%s,\"model_version_status\":[", ready ? "true" : "false");
    for (i = 0; i < n_rows; i++) {
        failed = rows[i].reason != NULL && strcmp(v1_state(rows[i].state), "END") == 0;
        text_puts(text, "{");
        put_member(text, "version", rows[i].version != NULL ? rows[i].version : "");
        put_member(text, "state", v1_state(rows[i].state));
        text_puts(text, "\"status\":{");
        put_member(text, "error_code", failed ? "FAILED_PRECONDITION" : "OK");
        put_member(text, "error_message", failed ? rows[i].reason : "");
        close_with(text, "}},");
    }
    close_with(text, "]}");
}

static void put_v1_tensors(struct text *text, const char *key, const struct tensor_spec *specs,
                           int n)
{
    int i, j;

    text_printf(text, "\"%s\":{", key);
    for (i = 0; i < n; i++) {
        put_string(text, specs[i].name);
        text_puts(text, ":{");
        put_member(text, "dtype", wire_type_tf_name(specs[i].type));
        text_puts(text, "\"tensor_shape\":{\"dim\":[");
        for (j = 0; j < specs[i].rank; j++)
            text_printf(text, "{\"size\":\"%lld\",\"name\":\"\"},", (long long)specs[i].dims[j]);
        close_with(text, "],");
        text_printf(text, "\"unknown_rank\":%s},", specs[i].rank < 0 ? "true" : "false");
        put_member(text, "name", specs[i].name);
        close_with(text, "},");
    }
    close_with(text, "},");
}

void v1_metadata_encode(struct text *text, const struct model_metadata *metadata)
{
    text_puts(text, "{\"model_spec\":{");
    put_member(text, "name", metadata->name);
    put_member(text, "signature_name", "");
    put_member(text, "version", metadata->version);
    close_with(text, "},");
    text_puts(text, "\"metadata\":{\"signature_def\":{\"signature_def\":{\"serving_default\":{");
    put_v1_tensors(text, "inputs", metadata->inputs, metadata->n_inputs);
    put_v1_tensors(text, "outputs", metadata->outputs, metadata->n_outputs);
    put_member(text, "method_name", "tensorflow/serving/predict");
    close_with(text, "}}}}}");
}
