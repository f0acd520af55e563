/* SPDX-License-Identifier: Apache-2.0 */
#include "clients/c/inferd_model.h"
#include "clients/ctl/ctl.h"

#include <stdio.h>

static const char *member(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

enum ctl_exit ctl_models(struct ctl *ctl)
{
    struct inferd_error err;
    json_t *models, *row;
    size_t i;

    if (!inferd_client_models(ctl->client, &models, &err))
        return ctl_fail(&err);
    if (ctl->json)
        return ctl_print_json(models);
    printf("%-24s %-8s %-12s %s\n", "NAME", "VERSION", "STATE", "REASON");
    json_array_foreach (models, i, row)
        printf("%-24s %-8s %-12s %s\n", member(row, "name"), member(row, "version"),
               member(row, "state"), member(row, "reason"));
    json_decref(models);
    return CTL_OK;
}

static void print_specs(const char *title, const struct tensor_spec *specs, int n)
{
    int i, d;

    for (i = 0; i < n; i++) {
        printf("%-8s %-24s %-8s [", i == 0 ? title : "", specs[i].name,
               wire_type_name(specs[i].type));
        for (d = 0; d < specs[i].rank; d++)
            printf("%s%lld", d > 0 ? "," : "", (long long)specs[i].dims[d]);
        puts("]");
    }
}

enum ctl_exit ctl_model(struct ctl *ctl)
{
    struct inferd_model model;
    struct inferd_error err;
    json_t *versions, *version;
    size_t i;

    if (!inferd_model_fetch(ctl->client, ctl->model, ctl->version, &model, &err))
        return ctl_fail(&err);
    if (ctl->json) {
        ctl_print_json(json_incref(model.metadata));
    } else {
        printf("%-8s %s (%s), versions", "model", member(model.metadata, "name"),
               member(model.metadata, "platform"));
        versions = json_object_get(model.metadata, "versions");
        json_array_foreach (versions, i, version)
            printf(" %s", json_string_value(version) != NULL ? json_string_value(version) : "?");
        putchar('\n');
        print_specs("inputs", model.inputs, model.n_inputs);
        print_specs("outputs", model.outputs, model.n_outputs);
    }
    inferd_model_finish(&model);
    return CTL_OK;
}

enum ctl_exit ctl_ready(struct ctl *ctl)
{
    struct inferd_error err;
    bool ready = false;
    bool good = ctl->model == NULL ? inferd_client_ready(ctl->client, &ready, &err)
                                   : inferd_client_model_ready(ctl->client, ctl->model,
                                                               ctl->version, &ready, &err);

    if (!good)
        return ctl_fail(&err);
    puts(ready ? "ready" : "not ready");
    return ready ? CTL_OK : CTL_REFUSED;
}

enum ctl_exit ctl_load(struct ctl *ctl)
{
    struct inferd_error err;

    if (ctl->version != NULL)
        return ctl_usage("a model is loaded with all its versions: leave out '/%s'", ctl->version);
    return inferd_client_load(ctl->client, ctl->model, &err) ? CTL_OK : ctl_fail(&err);
}

enum ctl_exit ctl_unload(struct ctl *ctl)
{
    struct inferd_error err;

    if (ctl->version != NULL)
        return ctl_usage("a model is unloaded with all its versions: leave out '/%s'",
                         ctl->version);
    return inferd_client_unload(ctl->client, ctl->model, &err) ? CTL_OK : ctl_fail(&err);
}

enum ctl_exit ctl_stats(struct ctl *ctl)
{
    struct inferd_error err;
    json_t *stats;

    if (!inferd_client_stats(ctl->client, ctl->model, ctl->version, &stats, &err))
        return ctl_fail(&err);
    return ctl_print_json(stats);
}

enum ctl_exit ctl_metrics(struct ctl *ctl)
{
    struct inferd_error err;
    struct text text;
    bool good;

    text_init(&text);
    good = inferd_client_metrics(ctl->client, &text, &err);
    if (good)
        fwrite(text.data, 1, text.length, stdout);
    text_free(&text);
    return good ? CTL_OK : ctl_fail(&err);
}
