/* SPDX-License-Identifier: Apache-2.0 */
#include "clients/ctl/ctl.h"
#include "clients/ctl/input.h"
#include "proto/tensor_print.h"

#include <stdio.h>

enum { ROWS_MAX = 64, CELLS_MAX = 16 };

/* Rows of dimension 0, the rest of each on one line; long ones are cut. */
static void print_table(const struct wire_tensor *tensor)
{
    int64_t rows = tensor->rank > 1 ? tensor->dims[0] : 1;
    int64_t cells = rows > 0 ? tensor->count / rows : 0;
    int64_t row, i;
    struct text text;
    int d;

    printf("%s %s [", tensor->name, wire_type_name(tensor->type));
    for (d = 0; d < tensor->rank; d++)
        printf("%s%lld", d > 0 ? "," : "", (long long)tensor->dims[d]);
    puts("]");
    for (row = 0; row < rows && row < ROWS_MAX; row++) {
        putchar(' ');
        for (i = 0; i < cells && i < CELLS_MAX; i++) {
            text_init(&text);
            tensor_print_nested(&text, tensor, tensor->rank, row * cells + i, false,
                                NON_FINITE_TOKEN);
            printf(" %.*s", (int)text.length, text.data != NULL ? text.data : "");
            text_free(&text);
        }
        puts(cells > CELLS_MAX ? " ..." : "");
    }
    if (rows > ROWS_MAX)
        puts("  ...");
}

static void print_answer(const struct ctl *ctl, struct infer_response *response)
{
    int64_t header_length;
    struct text text;
    int i;

    if (ctl->json) {
        text_init(&text);
        response->binary = NULL;
        response->non_finite = NON_FINITE_NULL;
        if (response->model_name == NULL)
            response->model_name = ctl->model;
        infer_response_encode(response, &text, &header_length);
        printf("%.*s\n", (int)text.length, text.data);
        text_free(&text);
        return;
    }
    for (i = 0; i < response->n_outputs; i++)
        print_table(&response->outputs[i]);
    if (response->logged != 0)
        printf("id %s%s\n", response->id != NULL ? response->id : "",
               response->logged > 0 ? "" : ", NOT logged");
}

enum ctl_exit ctl_predict(struct ctl *ctl)
{
    struct message_memory *memory = message_memory_create();
    struct infer_request request;
    struct inferd_answer answer;
    struct inferd_model model;
    struct inferd_error err;
    struct problem problem = {0};
    enum ctl_exit result = CTL_OK;

    if (memory == NULL)
        return ctl_usage("out of memory");
    if (!inferd_model_fetch(ctl->client, ctl->model, ctl->version, &model, &err)) {
        message_memory_destroy(memory);
        return ctl_fail(&err);
    }
    if (!inputs_read(ctl, &model, memory, &request, &problem)) {
        inferd_model_finish(&model);
        message_memory_destroy(memory);
        return ctl_usage("%s", problem.text);
    }
    request.id = ctl->id;
    request.log = ctl->log;
    if (!inferd_client_predict(ctl->client, ctl->model, ctl->version, &request, ctl->binary,
                                      &answer, &err)) {
        result = ctl_fail(&err);
    } else {
        print_answer(ctl, &answer.response);
        inferd_answer_finish(&answer);
    }
    inferd_model_finish(&model);
    message_memory_destroy(memory);
    return result;
}
