/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SYSTEMD_FIRST_FD = 3 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
};

void socket_name(const struct sockaddr *address, char *name, size_t size)
{
    const union address *from = (const union address *)address;
    char host[INET6_ADDRSTRLEN];

    if (address->sa_family == AF_INET &&
        inet_ntop(AF_INET, &from->v4.sin_addr, host, sizeof(host)) != NULL)
        snprintf(name, size, "%s:%d", host, ntohs(from->v4.sin_port));
    else if (address->sa_family == AF_INET6 &&
             inet_ntop(AF_INET6, &from->v6.sin6_addr, host, sizeof(host)) != NULL)
        snprintf(name, size, "[%s]:%d", host, ntohs(from->v6.sin6_port));
    else
        snprintf(name, size, "unix");
}

void socket_peer(int fd, const struct sockaddr *address, char *name, size_t size)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (address->sa_family != AF_INET && address->sa_family != AF_INET6 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0)
        snprintf(name, size, "unix:%lu", (unsigned long)peer.uid);
    else
        socket_name(address, name, size);
}

static bool is_loopback(const union address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    if (address->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    return true;
}

static bool parse_port(const char *text, in_port_t *ret_port)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || port > 65535)
        return false;
    *ret_port = htons((uint16_t)port);
    return true;
}

/* "HOST:PORT" with a numeric host. */
static bool parse_tcp(const char *text, union address *address, socklen_t *ret_length)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t length;

    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        return false;
    length = (size_t)(colon - text);
    memcpy(host, text, length);
    host[length] = '\0';
    memset(address, 0, sizeof(*address));
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        address->v6.sin6_family = AF_INET6;
        *ret_length = sizeof(address->v6);
        return inet_pton(AF_INET6, host + 1, &address->v6.sin6_addr) == 1 &&
               parse_port(colon + 1, &address->v6.sin6_port);
    }
    address->v4.sin_family = AF_INET;
    *ret_length = sizeof(address->v4);
    if (strcmp(host, "*") == 0)
        address->v4.sin_addr.s_addr = htonl(INADDR_ANY);
    else if (strcmp(host, "localhost") == 0)
        address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (inet_pton(AF_INET, host, &address->v4.sin_addr) != 1)
        return false;
    return parse_port(colon + 1, &address->v4.sin_port);
}

static bool parse_unix(const char *path, union address *address, socklen_t *ret_length)
{
    size_t length = strlen(path);

    memset(address, 0, sizeof(*address));
    if (length == 0 || length >= sizeof(address->local.sun_path))
        return false;
    address->local.sun_family = AF_UNIX;
    memcpy(address->local.sun_path, path, length);
    *ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    if (path[0] == '@') {                /* abstract: no file, and no NUL at its end */
        address->local.sun_path[0] = '\0';
        --*ret_length;
    }
    return true;
}

/* Removes the socket of a daemon that is gone; leaves one alone that somebody answers. */
static bool remove_stale(const union address *address, socklen_t length, struct problem *problem)
{
    const char *path = address->local.sun_path;
    struct stat status;
    int fd, failure;

    if (path[0] == '\0' || lstat(path, &status) != 0)
        return true;
    if (!S_ISSOCK(status.st_mode))
        return problem_set(problem, 500, "listen", "'%s' is there and is not a socket", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    failure = fd >= 0 && connect(fd, &address->any, length) == 0 ? 0 : errno;
    if (fd >= 0)
        close(fd);
    if (failure != ECONNREFUSED)
        return problem_set(problem, 500, "listen", "'%s' is in use", path);
    unlink(path);
    return true;
}

static int open_socket(const union address *address, socklen_t length, int socket_mode)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;
    bool is_unix = address->any.sa_family == AF_UNIX, good;
    mode_t mask = 0;

    if (fd < 0)
        return -1;
    if (!is_unix) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    }
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
    if (is_unix)
        mask = umask(0777 & ~(mode_t)socket_mode);
    good = bind(fd, &address->any, length) == 0;
    if (is_unix)
        umask(mask);
    if (good && listen(fd, SOMAXCONN) == 0)
        return fd;
    close(fd);
    return -1;
}

bool listener_open(struct listener *listener, const char *address, int socket_mode,
                   struct problem *problem)
{
    union address where;
    socklen_t length;
    bool is_unix = strncmp(address, "unix:", 5) == 0;

    memset(listener, 0, sizeof(*listener));
    listener->fd = -1;
    if (!(is_unix ? parse_unix(address + 5, &where, &length) : parse_tcp(address, &where, &length)))
        return problem_set(problem, 400, "listen",
                           "listen: '%.100s' is not like 127.0.0.1:8080, [::1]:8080 or unix:/path",
                           address);
    if (is_unix && !remove_stale(&where, length, problem))
        return false;
    listener->fd = open_socket(&where, length, socket_mode);
    if (listener->fd < 0)
        return problem_set(problem, 500, "listen", "cannot listen on '%.120s': %s", address,
                           strerror(errno));
    listener->is_loopback = is_loopback(&where);
    if (is_unix) {
        snprintf(listener->name, sizeof(listener->name), "%.*s", LISTENER_NAME_BYTES - 1, address);
        memcpy(listener->unlink_path, where.local.sun_path, sizeof(listener->unlink_path));
    } else {
        length = sizeof(where);
        getsockname(listener->fd, &where.any, &length);
        socket_name(&where.any, listener->name, sizeof(listener->name));
    }
    return true;
}

static bool adopt(struct listener *listener, int fd, struct problem *problem)
{
    union address where = {0};
    socklen_t length = sizeof(where), size = sizeof(int);
    int type = 0, listening = 0;

    memset(listener, 0, sizeof(*listener));
    listener->fd = -1;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening ||
        getsockname(fd, &where.any, &length) != 0)
        return problem_set(problem, 500, "listen",
                           "descriptor %d passed by systemd is not a listening stream socket", fd);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    listener->fd = fd;
    listener->is_inherited = true;
    listener->is_loopback = is_loopback(&where);
    if (where.any.sa_family == AF_UNIX)
        snprintf(listener->name, sizeof(listener->name), "unix:%s%.100s",
                 where.local.sun_path[0] == '\0' ? "@" : "",
                 where.local.sun_path + (where.local.sun_path[0] == '\0'));
    else
        socket_name(&where.any, listener->name, sizeof(listener->name));
    return true;
}

int listener_from_systemd(struct listener *listeners, int max, struct problem *problem)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int count = 0;

    if (pid != NULL && fds != NULL && strtol(pid, NULL, 10) == (long)getpid())
        count = (int)strtol(fds, NULL, 10);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (count < 0 || count > max) {
        problem_set(problem, 500, "listen", "systemd passed %d sockets; at most %d are taken", count,
                    max);
        return -1;
    }
    for (int i = 0; i < count; i++)
        if (!adopt(&listeners[i], SYSTEMD_FIRST_FD + i, problem))
            return -1;
    return count;
}

void listener_close(struct listener *listener)
{
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    if (listener->unlink_path[0] != '\0')
        unlink(listener->unlink_path);
    listener->unlink_path[0] = '\0';
}
