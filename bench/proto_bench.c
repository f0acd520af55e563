/* SPDX-License-Identifier: Apache-2.0
 * bench/proto_bench.c - what reading and writing numbers costs: one line a case, the median of many
 * runs. Results are checked against strtof before anything is timed. */
#include "proto/infer_message.h"
#include "proto/number_print.h"
#include "proto/number_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VALUES = 784, PRINTED = 1000, RUNS = 2001 };

static uint64_t state = 42;

/* splitmix64, to [-1, 1). */
static double next_value(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) / 4503599627370496.0 - 1.0;
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, RUNS, sizeof(times[0]), compare);
    return times[RUNS / 2];
}

static size_t make_array(char *text, const char *format)
{
    char *p = text;
    int i;

    for (i = 0; i < VALUES; i++)
        p += sprintf(p, format, i == 0 ? "" : ",", next_value());
    strcpy(p, "]");
    return (size_t)(p - text);
}

static void bench_scan(const char *name, const char *format, enum wire_type type)
{
    static char text[64 * VALUES];
    static double times[RUNS];
    static double data[VALUES];
    size_t length = make_array(text, format);
    const char *p = text;
    char *q = text;
    int64_t n = 0;
    int i;

    number_scan_run(type, &p, text + length, VALUES, data, &n);
    for (i = 0; i < VALUES; i++, q++) {
        if (n != VALUES || (type == WIRE_FP32 ? ((float *)data)[i] != strtof(q, &q)
                                              : data[i] != strtod(q, &q))) {
            fprintf(stderr, "%s: value %d is wrong\n", name, i);
            exit(EXIT_FAILURE);
        }
    }
    for (i = 0; i < RUNS; i++) {
        times[i] = now_us();
        p = text;
        number_scan_run(type, &p, text + length, VALUES, data, &n);
        times[i] = now_us() - times[i];
    }
    printf("bench proto case=scan-%s values=%d bytes=%zu us=%.1f\n", name, VALUES, length,
           median(times));
}

static void bench_print(void)
{
    static char text[PRINTED * NUMBER_PRINT_BYTES_MAX];
    static double times[RUNS];
    static float values[PRINTED];
    size_t length = 0;
    int i, j;

    for (i = 0; i < PRINTED; i++) {
        values[i] = (float)next_value();
        text[number_print_float(values[i], text)] = '\0';
        if (strtof(text, NULL) != values[i]) {
            fprintf(stderr, "print: %s is wrong\n", text);
            exit(EXIT_FAILURE);
        }
    }
    for (i = 0; i < RUNS; i++) {
        times[i] = now_us();
        for (j = 0, length = 0; j < PRINTED; j++) {
            length += number_print_float(values[j], text + length);
            text[length++] = ',';
        }
        times[i] = now_us() - times[i];
    }
    printf("bench proto case=print-fp32 values=%d bytes=%zu us=%.1f\n", PRINTED, length,
           median(times));
}

/* The whole request of a 784-pixel image, as JSON or binary. */
static void bench_request(const char *name, int binary)
{
    static const struct wire_limits limits = {
        .tensor_bytes_max = 1 << 26, .envelope_bytes_max = 1 << 16, .depth_max = 32,
        .tensors_max = 64};
    static double times[RUNS];
    static float values[VALUES];
    struct wire_tensor input = {.name = "image", .type = WIRE_FP32, .rank = 2, .dims = {1, VALUES},
                                .data = values, .count = VALUES};
    struct infer_request request = {.n_inputs = 1, .inputs = &input}, back;
    struct problem problem = {0};
    struct text text;
    int64_t header_length;
    int i;

    for (i = 0; i < VALUES; i++)
        values[i] = (float)next_value();
    text_init(&text);
    infer_request_encode(&request, &binary, &text, &header_length);
    for (i = 0; i < RUNS; i++) {
        times[i] = now_us();
        if (!infer_request_decode(text.data, text.length, header_length, &limits, NULL, 0, &back,
                                  &problem) ||
            memcmp(back.inputs[0].data, values, sizeof(values)) != 0) {
            fprintf(stderr, "%s: %s\n", name, problem.text);
            exit(EXIT_FAILURE);
        }
        infer_request_finish(&back);
        times[i] = now_us() - times[i];
    }
    printf("bench proto case=%s values=%d bytes=%zu us=%.1f\n", name, VALUES, text.length,
           median(times));
    text_free(&text);
}

/* An answer of ten scores. */
static void bench_answer(void)
{
    static double times[RUNS];
    float values[10];
    struct wire_tensor output = {.name = "scores", .type = WIRE_FP32, .rank = 2, .dims = {1, 10},
                                 .data = values, .count = 10};
    struct infer_response response = {.model_name = "digits", .model_version = "1",
                                      .generation = 1, .n_outputs = 1, .outputs = &output};
    struct text text;
    int64_t header_length;
    size_t length = 0;
    int i;

    for (i = 0; i < 10; i++)
        values[i] = (float)next_value();
    for (i = 0; i < RUNS; i++) {
        times[i] = now_us();
        text_init(&text);
        infer_response_encode(&response, &text, &header_length);
        length = text.length;
        text_free(&text);
        times[i] = now_us() - times[i];
    }
    printf("bench proto case=answer-json values=10 bytes=%zu us=%.1f\n", length, median(times));
}

int main(void)
{
    bench_scan("17-digits", "%s%.17g", WIRE_FP32);
    bench_scan("9-digits", "%s%.9g", WIRE_FP32);
    bench_scan("4-decimals", "%s%.4f", WIRE_FP32);
    bench_scan("17-digits-fp64", "%s%.17g", WIRE_FP64);
    bench_print();
    bench_request("request-json", 0);
    bench_request("request-binary", 1);
    bench_answer();
    return EXIT_SUCCESS;
}
