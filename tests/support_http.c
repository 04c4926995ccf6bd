/* A small HTTP/1.1 server that misbehaves on order; see support_http.h. */
#include "support_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1000, MAX_HEAD = 16384, STALL_MS = 10000 };

struct http_server {
    struct http_route *routes;
    pthread_t thread;
    int listener, port;
    int stop[2]; // a pipe: closed to stop
};

static bool send_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool read_head(int fd, char *head)
{
    size_t used = 0;

    while (used < MAX_HEAD - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 5000) <= 0)
            return false;
        ssize_t n = recv(fd, head + used, MAX_HEAD - 1 - used, 0);
        if (n <= 0)
            return false;
        used += (size_t)n;
        head[used] = '\0';
        if (strstr(head, "\r\n\r\n"))
            return true;
    }
    return false;
}

static struct http_route *find_route(struct http_route *r, const char *head)
{
    const char *path = strchr(head, ' ');
    size_t n = path ? strcspn(path + 1, " ?") : 0;

    for (; r->path; r++)
        if (strlen(r->path) == n && strncmp(path + 1, r->path, n) == 0)
            return r;
    return NULL;
}

static void send_status(int fd, int status)
{
    char text[256];
    snprintf(text, sizeof text,
             "HTTP/1.1 %d Told so\r\nContent-Type: text/html\r\nContent-Length: 19\r\n"
             "Connection: close\r\n\r\n<html>error</html>\n",
             status);
    send_all(fd, text, strlen(text));
}

// Waits until the client leaves, the server is stopped, or the time is up.
static void stall(struct http_server *s, int fd)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = s->stop[0], .events = POLLIN}};
    poll(p, 2, STALL_MS);
}

static void send_body(struct http_server *s, int fd, struct http_route *r, size_t start)
{
    size_t size = r->size - start;

    if (r->n_requests <= r->n_drops && r->drop_after < size) {
        send_all(fd, (const char *)r->body + start, r->drop_after);
        return;
    }
    if (r->stall) {
        send_all(fd, (const char *)r->body + start, size / 2);
        stall(s, fd);
        return;
    }
    send_all(fd, (const char *)r->body + start, size);
    for (size_t i = 0; i < r->n_extra; i++)
        if (!send_all(fd, "x", 1))
            break;
}

static void answer(struct http_server *s, int fd, const char *head)
{
    struct http_route *r = find_route(s->routes, head);
    const char *range = r ? strstr(head, "\r\nRange: bytes=") : NULL;
    size_t start = range ? strtoull(range + 15, NULL, 10) : 0;
    char text[2048], content_range[128] = "";
    int status = 200;

    if (!r) {
        send_status(fd, 404);
        return;
    }
    r->n_requests++;
    r->n_ranges += range != NULL;
    if (r->n_requests <= r->n_fails) {
        send_status(fd, r->fail_status);
        return;
    }
    if (range && !r->ignore_range) {
        if (start >= r->size) {
            send_status(fd, 416);
            return;
        }
        start = (size_t)((long)start + r->range_delta);
        status = 206;
        snprintf(content_range, sizeof content_range, "Content-Range: bytes %zu-%zu/%zu\r\n", start,
                 r->size - 1, r->size);
    } else {
        start = 0;
    }
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %d OK\r\nContent-Type: %s\r\nContent-Length: %ld\r\n%s%s"
                     "Connection: close\r\n\r\n",
                     r->status ? r->status : status,
                     r->type ? r->type : "application/octet-stream",
                     (long)(r->size - start + r->n_extra) + r->length_delta, content_range,
                     r->headers ? r->headers : "");
    if (send_all(fd, text, (size_t)n))
        send_body(s, fd, r, start);
}

static void *serve(void *arg)
{
    struct http_server *s = arg;
    static _Thread_local char head[MAX_HEAD];

    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        struct pollfd p[2] = {{.fd = s->listener, .events = POLLIN},
                              {.fd = s->stop[0], .events = POLLIN}};
        if (poll(p, 2, 60000) <= 0 || p[1].revents)
            break;
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        if (read_head(fd, head))
            answer(s, fd, head);
        // Let the client read all of it: a close with unread input would reset the connection.
        shutdown(fd, SHUT_WR);
        struct pollfd gone = {.fd = fd, .events = POLLIN};
        poll(&gone, 1, 1000);
        close(fd);
    }
    return NULL;
}

struct http_server *http_server_start(struct http_route *routes)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct http_server *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->routes = routes;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || pipe(s->stop) != 0 ||
        bind(s->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(s->listener, 16) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&s->thread, NULL, serve, s) != 0) {
        free(s);
        return NULL;
    }
    s->port = ntohs(address.sin_port);
    return s;
}

void http_server_stop(struct http_server **server)
{
    struct http_server *s = server ? *server : NULL;

    if (!s)
        return;
    close(s->stop[1]);
    pthread_join(s->thread, NULL);
    close(s->stop[0]);
    close(s->listener);
    free(s);
    *server = NULL;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_url(const struct http_server *s, const char *path, char *dst, size_t size)
{
    snprintf(dst, size, "http://127.0.0.1:%d%s", s->port, path);
}
