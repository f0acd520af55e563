/* SPDX-License-Identifier: Apache-2.0
 * Runs a fuzz harness over every file of its committed corpus (or of the files and folders that
 * are named): what a fuzzer once found stays found. */
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECONDS_MAX = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes are copied to their exact size, so that ASan sees a read past the end. */
static int replay(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    int ok = file != NULL && bytes != NULL && fread(bytes, 1, size, file) == size;

    if (file != NULL)
        fclose(file);
    if (ok) {
        alarm(SECONDS_MAX);
        LLVMFuzzerTestOneInput(bytes, size);
    } else {
        fprintf(stderr, "%s cannot be read\n", path);
    }
    free(bytes);
    return ok;
}

int main(int argc, char **argv)
{
    char *corpus[] = {(char *)CORPUS_DIR, NULL};
    FTS *walk = fts_open(argc > 1 ? argv + 1 : corpus, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    int passed = 0, failed = 0;
    FTSENT *entry;

    if (walk == NULL)
        return 1;
    while ((entry = fts_read(walk)) != NULL) {
        if (entry->fts_info == FTS_F && replay(entry->fts_path, (size_t)entry->fts_statp->st_size))
            passed++;
        else if (entry->fts_info != FTS_D && entry->fts_info != FTS_DP)
            failed++;
    }
    fts_close(walk);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
