/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/support/fault_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES_MAX = 512, NAME_MAX_BYTES = 96, ENTRIES_MAX = 64, SECTOR = 512, PATH_BYTES = 512 };

enum op_kind { OP_WRITE, OP_TRUNCATE, OP_LINK, OP_UNLINK };

/* A write (bytes at), a truncation (to at), a name given (to node) or taken. */
struct op {
    enum op_kind kind;
    off_t at;
    size_t bytes;
    unsigned char *data;
    char name[NAME_MAX_BYTES];
    int node;
    bool joined;        /* with the op before it: a rename's two halves come together */
};

struct entry {
    char name[NAME_MAX_BYTES];
    int node;
};

struct names {
    struct entry entries[ENTRIES_MAX];
    int n;
};

struct content {
    unsigned char *data;
    size_t size;
};

struct node {
    bool directory;
    struct names now, durable_names;
    struct content durable;
    struct op *ops;
    size_t n_ops, capacity;
};

static struct {
    struct node *nodes[NODES_MAX];
    int n;
    const char *image;
} disk;

static void *checked(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static struct node *node_at(int node)
{
    if (node < 0 || node >= disk.n)
        abort();
    return disk.nodes[node];
}

static int add_node(bool directory)
{
    if (disk.n == NODES_MAX)
        abort();
    disk.nodes[disk.n] = checked(calloc(1, sizeof(struct node)));
    disk.nodes[disk.n]->directory = directory;
    return disk.n++;
}

static struct op *add_op(int at, enum op_kind kind)
{
    struct node *node = node_at(at);

    if (node->n_ops == node->capacity) {
        node->capacity = node->capacity == 0 ? 16 : 2 * node->capacity;
        node->ops = checked(realloc(node->ops, node->capacity * sizeof(struct op)));
    }
    memset(&node->ops[node->n_ops], 0, sizeof(struct op));
    node->ops[node->n_ops].kind = kind;
    return &node->ops[node->n_ops++];
}

static void clear_ops(struct node *node)
{
    for (size_t i = 0; i < node->n_ops; i++)
        free(node->ops[i].data);
    node->n_ops = 0;
}

/* ---- names ---- */

static int find(const struct names *names, const char *name, size_t length)
{
    for (int i = 0; i < names->n; i++)
        if (strlen(names->entries[i].name) == length &&
            memcmp(names->entries[i].name, name, length) == 0)
            return i;
    return -1;
}

static void set_name(struct names *names, const char *name, int node)
{
    int at = find(names, name, strlen(name));

    if (at < 0) {
        if (names->n == ENTRIES_MAX || strlen(name) >= NAME_MAX_BYTES)
            abort();
        at = names->n++;
        snprintf(names->entries[at].name, NAME_MAX_BYTES, "%s", name);
    }
    names->entries[at].node = node;
}

static void drop_name(struct names *names, const char *name)
{
    int at = find(names, name, strlen(name));

    if (at >= 0)
        names->entries[at] = names->entries[--names->n];
}

static void apply_name(struct names *names, const struct op *op)
{
    if (op->kind == OP_LINK)
        set_name(names, op->name, op->node);
    else
        drop_name(names, op->name);
}

static void record_name(int parent, enum op_kind kind, const char *name, int node, bool joined)
{
    struct op *op = add_op(parent, kind);

    snprintf(op->name, sizeof(op->name), "%s", name);
    op->node = node;
    op->joined = joined;
    apply_name(&node_at(parent)->now, op);
}

int fault_disk_child(int parent, const char *name, size_t length)
{
    const struct names *names = &node_at(parent)->now;
    int at = find(names, name, length);

    return at < 0 ? -1 : names->entries[at].node;
}

int fault_disk_make(int parent, const char *name, bool directory)
{
    int node = add_node(directory);

    record_name(parent, OP_LINK, name, node, false);
    return node;
}

void fault_disk_unlink(int parent, const char *name)
{
    record_name(parent, OP_UNLINK, name, -1, false);
}

void fault_disk_rename(int from_parent, const char *from, int to_parent, const char *to)
{
    int node = fault_disk_child(from_parent, from, strlen(from));

    if (from_parent != to_parent || node < 0)
        abort();    /* not needed yet */
    record_name(from_parent, OP_LINK, to, node, false);
    record_name(from_parent, OP_UNLINK, from, -1, true);
}

/* ---- data ---- */

static void apply_data(struct content *content, const struct op *op, size_t from, size_t to)
{
    size_t size = op->kind == OP_TRUNCATE ? (size_t)op->at : (size_t)op->at + to;

    if (op->kind == OP_TRUNCATE ? size != content->size : size > content->size) {
        content->data = checked(realloc(content->data, size + 1));
        if (size > content->size)
            memset(content->data + content->size, 0, size - content->size);
        content->size = size;
    }
    if (op->kind == OP_WRITE)
        memcpy(content->data + op->at + from, op->data + from, to - from);
}

void fault_disk_write(int node, const void *data, size_t bytes, off_t at)
{
    struct op *op = add_op(node, OP_WRITE);

    op->at = at;
    op->bytes = bytes;
    op->data = checked(malloc(bytes + 1));
    memcpy(op->data, data, bytes);
}

void fault_disk_truncate(int node, size_t size)
{
    add_op(node, OP_TRUNCATE)->at = (off_t)size;
}

void fault_disk_sync(int at)
{
    struct node *node = node_at(at);

    for (size_t i = 0; i < node->n_ops; i++) {
        if (node->directory)
            apply_name(&node->durable_names, &node->ops[i]);
        else
            apply_data(&node->durable, &node->ops[i], 0, node->ops[i].bytes);
    }
    clear_ops(node);
}

void fault_disk_lose(int at)
{
    /* A directory's names are metadata: the next sync of it writes them. */
    if (!node_at(at)->directory)
        clear_ops(node_at(at));
}

/* ---- the start and the end ---- */

static void adopt_file(struct node *node, const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &info) != 0)
        abort();
    node->durable.size = (size_t)info.st_size;
    node->durable.data = checked(malloc((size_t)info.st_size + 1));
    if (pread(fd, node->durable.data, (size_t)info.st_size, 0) != info.st_size)
        abort();
    close(fd);
}

static void adopt(int at, const char *path)
{
    DIR *listing = checked(opendir(path));
    struct dirent *entry;

    while ((entry = readdir(listing)) != NULL) {
        char inner[PATH_BYTES];
        int child;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        child = add_node(entry->d_type == DT_DIR);
        set_name(&node_at(at)->now, entry->d_name, child);
        set_name(&node_at(at)->durable_names, entry->d_name, child);
        if (entry->d_type == DT_DIR)
            adopt(child, inner);
        else
            adopt_file(node_at(child), inner);
    }
    closedir(listing);
}

void fault_disk_adopt(const char *root, const char *image)
{
    disk.n = 0;
    disk.image = image;
    add_node(true);
    adopt(FAULT_DISK_ROOT, root);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Data may reach the disk in any order and any part. */
static void settle_file(struct node *node, uint64_t *seed, int mood)
{
    for (size_t i = 0; i < node->n_ops; i++) {
        const struct op *op = &node->ops[i];
        uint64_t dice = next_random(seed);
        size_t from = 0, to = op->bytes;

        if (mood == 0 || (mood > 1 && dice % 3 == 0))
            continue;
        if (mood > 1 && dice % 3 == 1 && op->kind == OP_WRITE && op->bytes > SECTOR) {
            size_t cut = SECTOR * (1 + (dice >> 8) % ((op->bytes - 1) / SECTOR));

            if ((dice >> 40) % 2 == 0)
                to = cut;
            else
                from = cut;
        }
        apply_data(&node->durable, op, from, to);
    }
}

/* Names reach it in order, up to some point. */
static void settle_names(struct node *node, uint64_t *seed, int mood)
{
    size_t n = mood == 0 ? 0 : mood == 1 ? node->n_ops : next_random(seed) % (node->n_ops + 1);

    while (n < node->n_ops && n > 0 && node->ops[n].joined)
        n++;
    for (size_t i = 0; i < n; i++)
        apply_name(&node->durable_names, &node->ops[i]);
}

static void write_file(const struct content *content, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        abort();
    for (size_t at = 0; at < content->size;) {
        ssize_t n = pwrite(fd, content->data + at, content->size - at, (off_t)at);

        if (n <= 0)
            abort();
        at += (size_t)n;
    }
    close(fd);
}

static void write_image(int at, const char *path)
{
    const struct names *names = &node_at(at)->durable_names;

    if (mkdir(path, 0700) != 0)
        abort();
    for (int i = 0; i < names->n; i++) {
        const struct entry *entry = &names->entries[i];
        char inner[PATH_BYTES];

        snprintf(inner, sizeof(inner), "%s/%s", path, entry->name);
        if (node_at(entry->node)->directory)
            write_image(entry->node, inner);
        else
            write_file(&node_at(entry->node)->durable, inner);
    }
}

void fault_disk_image(uint64_t seed)
{
    uint64_t state = seed;
    int mood = (int)(seed % 5);     /* none, all, or parts */

    for (int i = 0; i < disk.n; i++) {
        if (node_at(i)->directory)
            settle_names(node_at(i), &state, mood);
        else
            settle_file(node_at(i), &state, mood);
    }
    write_image(FAULT_DISK_ROOT, disk.image);
}
