/* SPDX-License-Identifier: Apache-2.0
 * A specification in JSON to a network that runs: what shape comes out, or which words refuse it. */
#include "config.h"

#include "engine/engine.h"
#include "server/network_create.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With the input's shape, the layers, and more fields of the specification. */
static const struct {
    const char *input, *layers, *more;
    const char *shape; /* of the output, behind the batch; NULL: refused */
    const char *text;  /* that the refusal holds */
} cases[] = {
    {"[4]", "{'type':'dense','units':3}", "", "[3]", NULL},
    {"[4]", "{'type':'dense','units':3,'bias':false,'activation':'gelu'}", "", "[3]", NULL},
    {"[5,4]", "{'type':'dense','units':3,'activation':'swish'}", "", "[5,3]", NULL},
    {"[null,4]", "{'type':'dense','units':3,'activation':'leaky_relu'}", "", "[7,3]", NULL},
    {"[2,5,4]", "{'type':'dense','units':3,'activation':'softmax'}", "", "[2,5,3]", NULL},
    {"[4]", "{'type':'dense'}", "", NULL, "layers[0].units is missing: a layer of type dense needs it"},
    {"[4]", "{'type':'dense','units':0}", "", NULL, "layers[0].units (dense): expected 1 to"},
    {"[4]", "{'type':'dense','units':3.5}", "", NULL,
     "layers[0].units is a number with a fraction or exponent, expected an integer"},
    {"[4]", "{'type':'dense','units':3,'activation':'rellu'}", "", NULL,
     "layers[0].activation is 'rellu', expected none, relu, leaky_relu"},
    {"[4]", "{'type':'dense','unit':3}", "", NULL,
     "layers[0].unit is unknown: a layer of type dense has name, units, bias"},
    {"[4]", "{'type':'danse','units':3}", "", NULL, "layers[0].type is 'danse', expected dense, conv"},
    {"[4]", "7", "", NULL, "layers[0] is an integer, expected a layer"},

    {"[3,9,8]", "{'type':'conv','filters':5,'kernel':3}", "", "[5,7,6]", NULL},
    {"[3,9,8]", "{'type':'conv','filters':5,'kernel':[3,1],'stride':[2,1]}", "", "[5,4,8]", NULL},
    {"[3,9,8]", "{'type':'conv','filters':5,'kernel':3,'stride':2,'padding':'same'}", "", "[5,5,4]",
     NULL},
    {"[3,9,8]", "{'type':'conv','filters':5,'kernel':4,'padding':'same','dilation':2}", "", "[5,9,8]",
     NULL},
    {"[4,9,8]", "{'type':'conv','filters':6,'kernel':3,'pad':1,'groups':2}", "", "[6,9,8]", NULL},
    {"[3,20]", "{'type':'conv','filters':5,'kernel':5,'stride':3}", "", "[5,6]", NULL},
    {"[3,9,8]", "{'type':'conv','filters':5,'kernel':10}", "", NULL,
     "layers[0].kernel (conv): reaches over 10, the padded input has 9"},
    {"[3,9,8]", "{'type':'conv','filters':5,'kernel':[1,2,3]}", "", NULL,
     "layers[0].kernel (conv): expected one number or 2, got 3"},
    {"[3,9,8]", "{'type':'conv','filters':5,'kernel':3,'groups':2}", "", NULL,
     "layers[0].groups (conv): 2 divides not both 3 channels and 5 filters"},
    {"[3,9,8]", "{'type':'conv','filters':5,'kernel':3,'padding':'same','pad':1}", "", NULL,
     "layers[0].pad (conv): padding same has its own"},
    {"[9]", "{'type':'conv','filters':5,'kernel':3}", "", NULL,
     "layers[0] (conv): expected [channels, length] or [channels, height, width], got [9]"},
    {"[null,4]", "{'type':'conv','filters':5,'kernel':3}", "", NULL, "got [?,4]"},

    {"[3,9,8]", "{'type':'max_pool'}", "", "[3,4,4]", NULL},
    {"[3,9,8]", "{'type':'avg_pool','kernel':3,'stride':1,'padding':'same'}", "", "[3,9,8]", NULL},
    {"[3,9,8]", "{'type':'max_pool','kernel':3,'stride':2,'pad':1}", "", "[3,5,4]", NULL},
    {"[3,9,8]", "{'type':'max_pool','pad':2}", "", NULL,
     "layers[0].pad (max_pool): expected less than the window, 2"},
    {"[3,9,8]", "{'type':'global_pool'}", "", "[3]", NULL},
    {"[3,9]", "{'type':'global_pool','kind':'max'}", "", "[3]", NULL},
    {"[null,6]", "{'type':'global_pool','over':'time'}", "", "[6]", NULL},
    {"[null,6]", "{'type':'global_pool','over':'time','kind':'last'}", "", "[6]", NULL},
    {"[5,6]", "{'type':'global_pool','over':'time','kind':'first'}", "", "[6]", NULL},
    {"[5,6]", "{'type':'global_pool','over':'time','kind':'max'}", "", "[6]", NULL},
    {"[3,9,8]", "{'type':'global_pool','kind':'first'}", "", NULL,
     "layers[0].kind (global_pool): first and last are for a sequence"},

    {"[3,9,8]", "{'type':'batch_norm','activation':'relu'}", "", "[3,9,8]", NULL},
    {"[7]", "{'type':'batch_norm'}", "", "[7]", NULL},
    {"[null,7]", "{'type':'batch_norm'}", "", NULL, "layer_norm is for sequences"},
    {"[null,7]", "{'type':'layer_norm'}", "", "[7,7]", NULL},
    {"[7]", "{'type':'batch_norm','momentum':1.5}", "", NULL,
     "layers[0].momentum (batch_norm): expected 0 to 1, got 1.5"},
    {"[7]", "{'type':'dropout','rate':0.3}", "", "[7]", NULL},
    {"[7]", "{'type':'dropout','rate':1}", "", NULL, "layers[0].rate (dropout): expected 0 to 0.99"},
    {"[7]", "{'type':'activation','function':'tanh'}", "", "[7]", NULL},
    {"[7]", "{'type':'activation','function':'none'}", "", "[7]", NULL},
    {"[7]", "{'type':'activation','function':'sigmoid'}", "", "[7]", NULL},

    {"[3,9,8]", "{'type':'flatten'}", "", "[216]", NULL},
    {"[3,9,8]", "{'type':'reshape','shape':[8,-1]}", "", "[8,27]", NULL},
    {"[3,9,8]", "{'type':'reshape','shape':216}", "", "[216]", NULL},
    {"[3,9,8]", "{'type':'reshape','shape':[5,-1]}", "", NULL,
     "layers[0].shape (reshape): [5,?] does not hold the 216 numbers of [3,9,8]"},
    {"[3,9,8]", "{'type':'permute','order':[3,1,2]}", "", "[8,3,9]", NULL},
    {"[3,9,8]", "{'type':'permute','order':[3,1,1]}", "", NULL,
     "layers[0].order (permute): expected each of 1 to 3 once"},

    {"[null]", "{'type':'embedding','vocabulary':9,'units':4}", "", "[7,4]", NULL},
    {"[5]", "{'type':'embedding','vocabulary':9,'units':4},{'type':'position'}", "", "[5,4]", NULL},
    {"[null]",
     "{'type':'embedding','vocabulary':9,'units':4},{'type':'position','kind':'learnt','max_length':8}",
     "", "[7,4]", NULL},
    {"[null]", "{'type':'embedding','vocabulary':9,'units':4},{'type':'position','max_length':8}", "",
     "[7,4]", NULL},
    {"[null]", "{'type':'embedding','vocabulary':9,'units':4},{'type':'position'}", "", NULL,
     "layers[1].max_length (position): expected at least the input's length"},
    {"[null]", "{'type':'embedding','vocabulary':9,'units':3},{'type':'position','max_length':8}", "",
     NULL, "sinusoidal needs an even width"},
    {"[5,4]", "{'type':'embedding','vocabulary':9,'units':4}", "", "[5,4,4]", NULL},
    {"[5]", "{'type':'dense','units':2},{'type':'embedding','vocabulary':9,'units':4}", "", NULL,
     "layers[1] (embedding): expected token ids"},

    {"[null,3]", "{'type':'rnn','units':5}", "", "[5]", NULL},
    {"[null,3]", "{'type':'lstm','units':5,'sequences':true}", "", "[7,5]", NULL},
    {"[null,3]", "{'type':'gru','units':5,'sequences':true,'bidirectional':true}", "", "[7,10]", NULL},
    {"[null,3]", "{'type':'lstm','units':5,'bidirectional':true}", "", "[10]", NULL},
    {"[3]", "{'type':'lstm','units':5}", "", NULL,
     "layers[0] (lstm): expected a sequence [time, features], got [3]"},
    {"[3,4]", "{'type':'gru','units':5,'forget_bias':1}", "", NULL, "layers[0].forget_bias is unknown"},

    {"[null,6]", "{'type':'attention','heads':2}", "", "[7,6]", NULL},
    {"[5,6]", "{'type':'attention','heads':2,'causal':true,'dropout':0.1}", "", "[5,6]", NULL},
    {"[null,6]", "{'type':'attention','heads':4,'key_units':2,'causal':true,'bias':false}", "",
     "[7,6]", NULL},
    {"[5,6]", "{'type':'attention','heads':4}", "", NULL,
     "layers[0].heads (attention): 4 do not divide the input's width, 6"},

    {"[6]", "{'type':'residual','layers':[{'type':'dense','units':6}]}", "", "[6]", NULL},
    {"[6]", "{'type':'residual','layers':[{'type':'dense','units':4}],'activation':'relu'}", "", "[4]",
     NULL},
    {"[3,9,8]",
     "{'type':'residual','layers':[{'type':'conv','filters':5,'kernel':3,'stride':2,'pad':1},"
     "{'type':'batch_norm'}]}",
     "", "[5,5,4]", NULL},
    {"[6]", "{'type':'residual','shortcut':'identity','layers':[{'type':'dense','units':4}]}", "", NULL,
     "layers[0].shortcut (residual): identity needs equal shapes, [6] goes in and [4] comes out"},
    {"[6]", "{'type':'residual','layers':[{'type':'dense','units':4},{'type':'conv','filters':5,"
            "'kernel':3}]}",
     "", NULL, "layers[0].layers[1] (conv): expected [channels, length]"},
    {"[6]", "{'type':'residual','layers':[]}", "", NULL, "layers[0].layers: expected at least one layer"},
    {"[3,9,8]", "{'type':'residual','layers':[{'type':'flatten'}]}", "", NULL, "cannot be projected"},

    {"[4]", "{'type':'dense','units':3}", ",'task':'classification','classes':3", "[3]", NULL},
    {"[4]", "{'type':'dense','units':2}", ",'task':'classification','classes':['cat','dog']", "[2]",
     NULL},
    {"[4]", "{'type':'dense','units':3}", ",'task':'multilabel','classes':3", "[3]", NULL},
    {"[4]", "{'type':'dense','units':1}", ",'task':'binary'", "[1]", NULL},
    {"[4]", "{'type':'dense','units':1}", ",'task':'binary','classes':['no','yes']", "[1]", NULL},
    {"[4]", "{'type':'dense','units':3}", ",'task':'classification','classes':10", NULL,
     "layers[0] (dense): gives [3] for each example, the task 'classification' with 10 classes needs 10"},
    {"[4]", "{'type':'dense','units':1}", ",'task':'classification'", NULL, "needs two classes"},
    {"[4]", "{'type':'dense','units':2}", ",'task':'binary'", NULL, "needs 1"},
    {"[4]", "{'type':'dense','units':2}", ",'classes':2", NULL, "classes: a regression has none"},
    {"[4]", "{'type':'dense','units':2}", ",'task':'classification','classes':['a\\nb','c']", NULL,
     "classes[0]: expected a name of one line"},
    {"[4]", "{'type':'dense','units':2}", ",'task':'cluster'", NULL,
     "task is 'cluster', expected classification, binary, multilabel or regression"},
    {"[4]", "{'type':'dense','units':2}", ",'sead':2", NULL, "unknown field 'sead'"},
    {"[4]", "{'type':'dense','units':2}", ",'seed':-2", NULL, "seed is -2"},
    {"[]", "{'type':'dense','units':2}", "", NULL, "input.shape has 0 numbers"},
    {"[0]", "{'type':'dense','units':2}", "", NULL, "input.shape: expected dimensions of at least 1"},
    {"[4,null]", "{'type':'dense','units':2}", "", NULL, "only a sequence's length"},
    {"[4]", "{'type':'dense','units':2,'name':'a'},{'type':'dense','units':2,'name':'a'}", "", NULL,
     "two tensors would be named 'a"},
    {"[4]", "{'type':'dense','units':2,'name':'a.b'}", "", NULL, "layers[0].name (dense)"},
    {"[4]", "{'type':'dense','units':2,'name':'mine'}", "", "[2]", NULL},
    {"[16777216]", "{'type':'dense','units':16777216}", "", NULL, "takes the network past 268435456"},
};

/* ' for ", so that the table can be read. */
static char *quoted(const char *text)
{
    char *copy = strdup(text);

    for (char *at = copy; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    return copy;
}

static bool create(const char *json, struct network_file *ret, struct problem *problem)
{
    struct arena *arena = arena_create(1 << 24);
    struct layer_spec spec;
    struct network_spec network;
    bool ok = layer_spec_decode(json, strlen(json), &spec, problem);

    if (ok) {
        ok = network_resolve(&spec, arena, &network, problem) &&
             network_create(&network, 0, ret, problem);
        layer_spec_finish(&spec);
    }
    arena_destroy(arena);
    return ok;
}

static struct model *load(const struct network_file *file, bool optimise)
{
    struct model_options options = {.optimise = optimise};
    struct engine_error err = {0};
    struct model *model = model_load_bytes(file->bytes, file->size, &options, &err);

    ck_assert_msg(model != NULL, "it is written but does not load: %s", err.text);
    return model;
}

/* Answers of 2 rows; 7 stands for what is open. */
static float *run(struct model *model, struct shape *ret_shape)
{
    const struct model_io *io = model_input(model, 0);
    struct tensor in = {.dtype = io->dtype, .shape.rank = io->shape.rank}, out;
    struct weights *weights = model_base_weights(model);
    struct runner *runner = runner_create(NULL);
    struct engine_error err = {0};
    struct plan *plan;
    float *answer;

    for (int d = 0; d < io->shape.rank; d++)
        in.shape.dims[d] = d == 0 ? 2 : io->shape.dims[d] > 0 ? io->shape.dims[d] : 7;
    in.data = calloc((size_t)shape_elements(&in.shape), dtype_size(in.dtype));
    for (int64_t i = 0; i < shape_elements(&in.shape); i++) {
        if (in.dtype == DTYPE_F32)
            ((float *)in.data)[i] = (float)((i * 7) % 13) / 13 - 0.4f;
        else
            ((int64_t *)in.data)[i] = i % 5;
    }
    plan = model_plan(model, &in.shape, 1, &err);
    ck_assert_msg(plan != NULL, "%s", err.text);
    ck_assert_msg(runner_run(runner, plan, weights, &in, &out, &err) == ENGINE_OK, "%s", err.text);
    ck_assert_int_eq(out.shape.dims[0], 2);
    answer = malloc(tensor_bytes(&out) + 1);
    memcpy(answer, out.data, tensor_bytes(&out));
    *ret_shape = out.shape;
    plan_unref(plan);
    runner_destroy(runner);
    weights_unref(weights);
    free(in.data);
    return answer;
}

/* Runs as written and as optimised, and compares. */
static void check_runs(const struct network_file *file, const char *wanted, const char *what)
{
    char text[SHAPE_TEXT_MAX];
    struct shape shapes[2], shape;
    float *answers[2];

    for (int optimise = 0; optimise < 2; optimise++) {
        struct model *model = load(file, optimise);

        answers[optimise] = run(model, &shapes[optimise]);
        model_unref(model);
    }
    ck_assert(shape_equal(&shapes[0], &shapes[1]));
    shape = (struct shape){.rank = shapes[0].rank - 1};
    memcpy(shape.dims, shapes[0].dims + 1, (size_t)shape.rank * sizeof(shape.dims[0]));
    ck_assert_msg(strcmp(shape_text(&shape, text, sizeof(text)), wanted) == 0, "%s: %s, not %s", what,
                  text, wanted);
    for (int64_t i = 0; i < shape_elements(&shapes[0]); i++)
        ck_assert_msg(isfinite(answers[0][i]) && fabsf(answers[0][i] - answers[1][i]) < 1e-5f,
                      "%s: [%lld] is %g, and %g when optimised", what, (long long)i,
                      (double)answers[0][i], (double)answers[1][i]);
    free(answers[0]);
    free(answers[1]);
}

START_TEST(a_specification_becomes_a_network_or_is_refused)
{
    char text[1024], *json;
    struct problem problem = {0};
    struct network_file file;
    bool ok;

    snprintf(text, sizeof(text), "{'input':{'shape':%s}%s%s,'layers':[%s]}", cases[_i].input,
             strstr(cases[_i].more, "task") != NULL ? "" : ",'task':'regression'", cases[_i].more,
             cases[_i].layers);
    json = quoted(text);
    ok = create(json, &file, &problem);
    if (cases[_i].shape == NULL) {
        ck_assert_msg(!ok && problem.status >= 400 && strstr(problem.text, cases[_i].text) != NULL,
                      "%s: %s", json, problem.text);
    } else {
        ck_assert_msg(ok, "%s: %s", json, problem.text);
        check_runs(&file, cases[_i].shape, json);
        free(file.bytes);
    }
    free(json);
}
END_TEST

/* What a file carries makes the same file again. */
START_TEST(the_specification_in_a_file_makes_it_again)
{
    static const char *const requests[] = {
        "{'preset':'lenet5','classes':['a','b'],'seed':7,'options':{'width':0.5}}",
        "{'preset':'resnet','input':{'shape':[3,16,16]},'classes':4,'options':{'depth':8}}",
        "{'preset':'gpt','input':{'shape':[null]},'options':{'width':8,'heads':2,'depth':1}}",
        "{'preset':'gru','task':'regression','input':{'shape':[null,3]},'options':{'units':4}}",
        "{'input':{'shape':[4],'name':'row'},'classes':3,'layers':[{'type':'dense','units':3,"
        "'name':'only','init':'orthogonal','init_scale':0.1}]}",
    };
    char *json = quoted(requests[_i]);
    struct network_file file, again;
    struct problem problem = {0};
    struct model *model;

    ck_assert_msg(create(json, &file, &problem), "%s", problem.text);
    model = load(&file, true);
    ck_assert_msg(create(model_metadata(model, "inferd.specification"), &again, &problem), "%s",
                  problem.text);
    ck_assert_uint_eq(file.size, again.size);
    ck_assert_mem_eq(file.bytes, again.bytes, file.size);
    ck_assert_int_eq(file.n_parameters, again.n_parameters);
    if (_i == 0)
        ck_assert_str_eq(model_metadata(model, "inferd.classes"), "a\nb");
    model_unref(model);
    free(file.bytes);
    free(again.bytes);
    free(json);
}
END_TEST

static void set_up(void)
{
    struct engine_error err = {0};

    ck_assert_int_eq(engine_start(&err), ENGINE_OK);
}

Suite *make_suite(void)
{
    Suite *suite = suite_create("network_create");
    TCase *tcase = tcase_create("network_create");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_loop_test(tcase, a_specification_becomes_a_network_or_is_refused, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_loop_test(tcase, the_specification_in_a_file_makes_it_again, 0, 5);
    suite_add_tcase(suite, tcase);
    return suite;
}
