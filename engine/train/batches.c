/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/train/batches.h"

#include "engine/train/shuffle.h"

#include <assert.h>

/* Neighbours that are read together when examples lie in a file, and how many such blocks are mixed
 * with each other. */
enum { FILE_BLOCK = 32, FILE_WINDOW = 256 };

void batches_init(struct batches *batches, const struct dataset *dataset, int64_t batch_size,
                  uint64_t seed)
{
    bool in_file = dataset_spilled_bytes(dataset) > 0;

    *batches = (struct batches){
        .n_examples = dataset_n_examples(dataset),
        .batch_size = batch_size,
        .shuffled = true,
        .seed = seed,
        .block = in_file ? FILE_BLOCK : 0,
        .window = in_file ? FILE_WINDOW : 0,
    };
}

int64_t batches_count(const struct batches *batches)
{
    int64_t whole = batches->n_examples / batches->batch_size;

    return whole + (!batches->drop_last && batches->n_examples % batches->batch_size != 0);
}

int64_t batches_examples(const struct batches *batches, int64_t epoch, int64_t index,
                         uint32_t *ret_examples)
{
    int64_t first = index * batches->batch_size;
    int64_t n = batches->n_examples - first;
    struct shuffle shuffle;

    assert(index >= 0 && index < batches_count(batches));
    if (n > batches->batch_size)
        n = batches->batch_size;
    if (batches->shuffled)
        shuffle_init(&shuffle, (uint32_t)batches->n_examples, batches->block, batches->window,
                     batches->seed, (uint64_t)epoch);
    for (int64_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)(first + i);

        if (batches->shuffled)
            at = shuffle_at(&shuffle, at);
        ret_examples[i] = batches->examples != NULL ? batches->examples[at] : at;
    }
    return n;
}
