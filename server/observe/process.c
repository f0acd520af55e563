/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int64_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t count = 0;

    if (dir == NULL)
        return -1;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count - 1;                    /* without the directory's own */
}

/* Unix time of a moment that is `ticks` after boot. */
static double seconds_of_ticks(unsigned long long ticks)
{
    struct timespec boot, now;

    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)(now.tv_sec - boot.tv_sec) + (double)(now.tv_nsec - boot.tv_nsec) / 1e9 +
           (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Fields 20, 22, 23 and 24 of proc(5)'s stat, counted behind the name, which may hold anything. */
static void read_stat(struct process_usage *usage)
{
    char line[1024] = "";
    FILE *file = fopen("/proc/self/stat", "re");
    const char *fields = NULL;
    long long threads, resident_pages;
    unsigned long long start_ticks, virtual_bytes;

    if (file != NULL) {
        if (fgets(line, sizeof(line), file) != NULL)
            fields = strrchr(line, ')');
        fclose(file);
    }
    if (fields == NULL ||
        sscanf(fields + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %lld %*d %llu "
               "%llu %lld",
               &threads, &start_ticks, &virtual_bytes, &resident_pages) != 4)
        return;
    usage->threads = threads;
    usage->start_seconds = seconds_of_ticks(start_ticks);
    usage->virtual_bytes = (int64_t)virtual_bytes;
    usage->resident_bytes = (int64_t)resident_pages * sysconf(_SC_PAGESIZE);
}

void process_usage_read(struct process_usage *ret_usage)
{
    struct process_usage usage = {-1, -1, -1, -1, -1, -1, -1};
    struct rlimit limit;
    struct rusage spent;

    read_stat(&usage);
    usage.open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        usage.max_fds = (int64_t)limit.rlim_cur;
    if (getrusage(RUSAGE_SELF, &spent) == 0)
        usage.cpu_seconds = (double)(spent.ru_utime.tv_sec + spent.ru_stime.tv_sec) +
                            (double)(spent.ru_utime.tv_usec + spent.ru_stime.tv_usec) / 1e6;
    *ret_usage = usage;
}
