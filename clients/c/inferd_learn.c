/* SPDX-License-Identifier: Apache-2.0
 * What changes or measures a model: bodies of learning requests, each one POST. */
#include "clients/c/inferd_client.h"

#include <string.h>

bool inferd_client_learn(struct inferd_client *client, const char *model, const char *version,
                         const struct learn_request *request, enum learn_form form,
                         const struct inferd_update *update, json_t **ret_answer,
                         struct inferd_error *err)
{
    static const char *const suffixes[] = {[LEARN_FINETUNE] = "/finetune",
                                           [LEARN_FEEDBACK] = "/feedback",
                                           [LEARN_EVALUATE] = "/evaluate"};
    struct text body;
    bool good;

    text_init(&body);
    learn_request_encode(request, &body);
    good = inferd_client_post(client, model, version, suffixes[form], &body, update, ret_answer, err);
    text_free(&body);
    return good;
}

bool inferd_client_move(struct inferd_client *client, const char *model, const char *version,
                        enum inferd_move move, const struct rollback_target *target,
                        const struct inferd_update *update, json_t **ret_answer,
                        struct inferd_error *err)
{
    static const char *const suffixes[] = {
        [INFERD_ROLLBACK] = "/rollback", [INFERD_PROMOTE] = "/promote", [INFERD_LABEL] = "/label"};
    struct text body;
    bool good;

    text_init(&body);
    text_puts(&body, "{");
    if (target->generation >= 0)
        text_printf(&body, "\"generation\":%lld", (long long)target->generation);
    if (target->time_ms >= 0)
        text_printf(&body, "%s\"time_ms\":%lld", body.length > 1 ? "," : "",
                    (long long)target->time_ms);
    if (target->label[0] != '\0') {
        text_puts(&body, body.length > 1 ? ",\"label\":" : "\"label\":");
        text_json_string(&body, target->label, strlen(target->label));
    }
    text_puts(&body, "}");
    good = inferd_client_post(client, model, version, suffixes[move], &body, update, ret_answer, err);
    text_free(&body);
    return good;
}

bool inferd_client_rewind(struct inferd_client *client, const char *model, const char *version,
                          int64_t first, int64_t last, const struct inferd_update *update,
                          json_t **ret_answer, struct inferd_error *err)
{
    struct text body;
    bool good;

    text_init(&body);
    text_printf(&body, "{\"first\":%lld,\"last\":%lld}", (long long)first, (long long)last);
    good = inferd_client_post(client, model, version, "/rewind", &body, update, ret_answer, err);
    text_free(&body);
    return good;
}

bool inferd_client_erase(struct inferd_client *client, const char *model, const char *version,
                         const struct learn_place *places, size_t n_places,
                         const struct inferd_update *update, json_t **ret_answer,
                         struct inferd_error *err)
{
    struct text body;
    bool good;

    text_init(&body);
    text_puts(&body, "{\"examples\":[");
    for (size_t i = 0; i < n_places; i++)
        text_printf(&body, "%s{\"generation\":%lld,\"row\":%lld}", i > 0 ? "," : "",
                    (long long)places[i].generation, (long long)places[i].row);
    text_puts(&body, "]}");
    good = inferd_client_post(client, model, version, "/erase", &body, update, ret_answer, err);
    text_free(&body);
    return good;
}
