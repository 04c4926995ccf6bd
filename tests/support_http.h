/*
 * A small HTTP server on the loopback interface that misbehaves on order, for the tests of src/fetch.
 * It runs in a thread, takes one connection at a time and stops after a bounded number of them.
 */
#ifndef TESTS_SUPPORT_HTTP_H
#define TESTS_SUPPORT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct http_route {
    const char *path;    // of the request, e.g. "/a/b"; NULL ends the list
    const void *body;
    size_t size;
    const char *type;    // content type, NULL: application/octet-stream
    const char *headers; // more header lines, each with \r\n; NULL: none
    int status;          // 0: 200 (206 for a range)

    int n_fails, fail_status; // the first requests get this status
    int n_drops;              // the first requests are cut ...
    size_t drop_after;        // ... after so many bytes of the body
    long length_delta;        // added to Content-Length
    bool ignore_range;        // always the whole file
    long range_delta;         // added to where a range begins, in header and body
    size_t n_extra;           // so many bytes more than the body, also in Content-Length
    bool stall;               // sends half of it, then nothing more

    int n_requests, n_ranges; // counted
};

struct http_server;

/* Starts a server; `routes` is shared and must outlive it. */
struct http_server *http_server_start(struct http_route *routes);
void http_server_stop(struct http_server **s); // also joins; accepts NULL
int http_server_port(const struct http_server *s);
/* "http://127.0.0.1:PORT" + path */
void http_server_url(const struct http_server *s, const char *path, char *dst, size_t size);

#endif
