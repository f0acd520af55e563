/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/learn/replay_buffer.h"

#include "engine/kernels/random.h"

#include <stdlib.h>
#include <string.h>

/* One class, or all: places [first, first + capacity), of which the first `used` are filled. */
struct reservoir {
    size_t first, capacity, used;
    uint64_t seen;
};

struct replay_buffer {
    struct replay_options options;
    struct reservoir *reservoirs;
    size_t n_reservoirs, places, count;
    unsigned char *examples;
    uint32_t *labels;
    uint64_t *numbers;
};

/* Places that the bounds allow; 0 if there are none. */
static size_t places_for(const struct replay_options *options)
{
    size_t each = options->example_bytes + sizeof(uint32_t) + sizeof(uint64_t);
    size_t places = options->examples_max;

    if (options->example_bytes == 0 || options->example_bytes > SIZE_MAX / 4 / REPLAY_EXAMPLES_MAX)
        return 0;
    if (options->bytes_max > 0 && places > options->bytes_max / each)
        places = options->bytes_max / each;
    if (options->classes > 0)
        places -= places % options->classes;
    return places;
}

struct replay_buffer *replay_buffer_create(const struct replay_options *options,
                                           struct engine_error *err)
{
    struct replay_buffer *buffer = NULL;
    size_t places = options->classes <= REPLAY_CLASSES_MAX &&
                            options->examples_max <= REPLAY_EXAMPLES_MAX
                        ? places_for(options)
                        : 0;

    if (places == 0) {
        engine_error_set(err, ENGINE_BAD_INPUT,
                         "a replay buffer of %zu examples of %zu bytes in %zu bytes for %u classes: "
                         "expected room for at least one of each class",
                         options->examples_max, options->example_bytes, options->bytes_max,
                         options->classes);
        return NULL;
    }
    buffer = calloc(1, sizeof(*buffer));
    if (buffer != NULL) {
        buffer->options = *options;
        buffer->places = places;
        buffer->n_reservoirs = options->classes > 0 ? options->classes : 1;
        buffer->reservoirs = calloc(buffer->n_reservoirs, sizeof(*buffer->reservoirs));
        buffer->examples = malloc(places * options->example_bytes);
        buffer->labels = calloc(places, sizeof(*buffer->labels));
        buffer->numbers = calloc(places, sizeof(*buffer->numbers));
    }
    if (buffer == NULL || buffer->reservoirs == NULL || buffer->examples == NULL ||
        buffer->labels == NULL || buffer->numbers == NULL) {
        replay_buffer_destroy(buffer);
        engine_error_set(err, ENGINE_NO_MEMORY, "no memory for a replay buffer of %zu examples", places);
        return NULL;
    }
    for (size_t i = 0; i < buffer->n_reservoirs; i++) {
        buffer->reservoirs[i].capacity = places / buffer->n_reservoirs;
        buffer->reservoirs[i].first = i * buffer->reservoirs[i].capacity;
    }
    return buffer;
}

void replay_buffer_destroy(struct replay_buffer *buffer)
{
    if (buffer == NULL)
        return;
    free(buffer->reservoirs);
    free(buffer->examples);
    free(buffer->labels);
    free(buffer->numbers);
    free(buffer);
}

/* Below `bound`: the high half of a 128-bit product (Lemire 2019, without the rejection: at most
 * 2^24 against 2^64). */
static uint64_t below(uint64_t bits, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)bits * bound >> 64);
}

static void put(struct replay_buffer *buffer, size_t place, const void *example, uint32_t label,
                uint64_t number)
{
    memcpy(buffer->examples + place * buffer->options.example_bytes, example,
           buffer->options.example_bytes);
    buffer->labels[place] = label;
    buffer->numbers[place] = number;
}

bool replay_buffer_offer(struct replay_buffer *buffer, const void *example, uint32_t label,
                         uint64_t number)
{
    size_t at = buffer->options.classes > 0 ? label : 0;
    struct reservoir *reservoir = &buffer->reservoirs[at];
    uint64_t place;

    if (at >= buffer->n_reservoirs)
        return false;
    reservoir->seen++;
    if (reservoir->used < reservoir->capacity) {
        put(buffer, reservoir->first + reservoir->used++, example, label, number);
        buffer->count++;
        return true;
    }
    place = below(random_bits(buffer->options.seed + at, reservoir->seen), reservoir->seen);
    if (place >= reservoir->capacity)
        return false;
    put(buffer, reservoir->first + (size_t)place, example, label, number);
    return true;
}

bool replay_buffer_draw(const struct replay_buffer *buffer, uint64_t draw, size_t count, size_t *ret)
{
    /* A stream apart from the one that decides who stays. */
    uint64_t seed = random_bits(buffer->options.seed ^ UINT64_C(0x64726177), draw);
    size_t at = (size_t)below(random_bits(seed, UINT64_MAX), buffer->n_reservoirs);

    if (buffer->count == 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        do
            at = (at + 1) % buffer->n_reservoirs;
        while (buffer->reservoirs[at].used == 0);
        ret[i] = buffer->reservoirs[at].first +
                 (size_t)below(random_bits(seed, i), buffer->reservoirs[at].used);
    }
    return true;
}

const void *replay_buffer_at(const struct replay_buffer *buffer, size_t place, uint32_t *ret_label,
                             uint64_t *ret_number)
{
    if (ret_label != NULL)
        *ret_label = buffer->labels[place];
    if (ret_number != NULL)
        *ret_number = buffer->numbers[place];
    return buffer->examples + place * buffer->options.example_bytes;
}

/* The last of the reservoir takes the place that falls free. */
static void take_out(struct replay_buffer *buffer, struct reservoir *reservoir, size_t place)
{
    size_t bytes = buffer->options.example_bytes, last = reservoir->first + --reservoir->used;

    if (last != place)
        put(buffer, place, buffer->examples + last * bytes, buffer->labels[last],
            buffer->numbers[last]);
    memset(buffer->examples + last * bytes, 0, bytes);
    buffer->count--;
}

bool replay_buffer_forget(struct replay_buffer *buffer, uint64_t number)
{
    bool found = false;

    for (size_t i = 0; i < buffer->n_reservoirs; i++) {
        struct reservoir *reservoir = &buffer->reservoirs[i];

        for (size_t place = reservoir->first; place < reservoir->first + reservoir->used;) {
            if (buffer->numbers[place] == number) {
                take_out(buffer, reservoir, place);
                found = true;
            } else {
                place++;
            }
        }
    }
    return found;
}

size_t replay_buffer_count(const struct replay_buffer *buffer)
{
    return buffer->count;
}

size_t replay_buffer_bytes(const struct replay_buffer *buffer)
{
    return sizeof(*buffer) + buffer->n_reservoirs * sizeof(struct reservoir) +
           buffer->places * (buffer->options.example_bytes + sizeof(uint32_t) + sizeof(uint64_t));
}
