/*
 * page-cache resident FILE   prints {"bytes":B,"pages":P,"resident":R} from mincore(2)
 * page-cache warm FILE       reads the file once, then the same
 * page-cache evict FILE      writes dirty pages back, drops the cached ones (posix_fadvise(2) POSIX_FADV_DONTNEED), then the same
 * page-cache hold FILE...    locks the files into memory until stdin closes; prints {"held":N}, fewer than asked for where
 *                            RLIMIT_MEMLOCK is too small: mlock(2)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void warm(int fd)
{
    static char scratch[1 << 20];
    while (read(fd, scratch, sizeof scratch) > 0)
        continue;
}

static void evict(int fd)
{
    if (fdatasync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        die("evict");
}

static size_t resident_pages(int fd, size_t bytes, size_t pages)
{
    size_t resident = 0;
    if (bytes == 0)
        return 0;
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    unsigned char *present = malloc(pages);
    if (map == MAP_FAILED || !present || mincore(map, bytes, present) != 0)
        die("mincore");
    for (size_t i = 0; i < pages; i++)
        resident += present[i] & 1;
    free(present);
    munmap(map, bytes);
    return resident;
}

static int hold(char **paths, int count)
{
    char ignored[64];
    int held = 0;
    for (int i = 0; i < count; i++) {
        struct stat info;
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &info) != 0)
            die(paths[i]);
        void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
        held += map != MAP_FAILED && mlock(map, (size_t)info.st_size) == 0;
    }
    printf("{\"held\":%d}\n", held);
    fflush(stdout);
    while (read(STDIN_FILENO, ignored, sizeof ignored) > 0)
        continue;
    return 0;
}

int main(int argc, char **argv)
{
    struct stat info;
    if (argc >= 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv + 2, argc - 2);
    if (argc != 3) {
        fprintf(stderr, "usage: page-cache resident|warm|evict FILE, or page-cache hold FILE...\n");
        return 2;
    }
    int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        die(argv[2]);
    if (strcmp(argv[1], "warm") == 0)
        warm(fd);
    else if (strcmp(argv[1], "evict") == 0)
        evict(fd);

    size_t bytes = (size_t)info.st_size, page = (size_t)sysconf(_SC_PAGESIZE), pages = (bytes + page - 1) / page;
    printf("{\"bytes\":%zu,\"pages\":%zu,\"resident\":%zu}\n", bytes, pages, resident_pages(fd, bytes, pages));
    return 0;
}
