/*
 * Fetching one address with libcurl: retries, continuation by byte ranges, limits, and errors in
 * words. What is fetched and from where is decided in fetch.c.
 */
#include "fetch/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct transfer {
    CURL *curl;
    const struct http_options *opt;
    struct http_info *info;
    const char *url;
    char shown[512]; // the address without name and password, for messages
    FILE *file;      // download
    char *memory;    // or body in memory
    size_t used, max;
    int64_t at;      // bytes in the file
    int64_t asked;   // where the range begins that we asked for
    int64_t wanted;  // size of the file, 0: unknown
    int64_t range_start; // as the server says in Content-Range; -1: it did not
    int write_errno; // why writing failed
    bool too_long, aborted, out_of_memory, wrong_range;
    char error[CURL_ERROR_SIZE];
};

static bool answer_is_good(long status)
{
    return status >= 200 && status < 300;
}

static long status_of(const struct transfer *t)
{
    long status = 0;

    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

// The value of header `name` if `line` is one: trimmed, quotes and weak marks removed.
static bool header_value(const char *line, size_t size, const char *name, char *dst, size_t dst_size)
{
    size_t n = strlen(name);

    if (size <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    const char *p = line + n + 1, *end = line + size;
    while (p < end && strchr(" \t\"W/", *p))
        p++;
    while (end > p && strchr(" \t\r\n\"", end[-1]))
        end--;
    if ((size_t)(end - p) >= dst_size)
        return false;
    memcpy(dst, p, (size_t)(end - p));
    dst[end - p] = '\0';
    return true;
}

static size_t on_header(char *line, size_t one, size_t size, void *user)
{
    struct transfer *t = user;
    char value[128];

    (void)one;
    if (size > 5 && strncmp(line, "HTTP/", 5) == 0)
        t->range_start = -1; // a new answer begins (after a redirect)
    if (header_value(line, size, "Content-Range", value, sizeof value) &&
        sscanf(value, "bytes %ld-", &(long){0}) == 1)
        t->range_start = strtoll(value + 6, NULL, 10);
    if (header_value(line, size, "X-Linked-Size", value, sizeof value))
        t->info->size = strtoll(value, NULL, 10);
    if (header_value(line, size, "X-Linked-ETag", value, sizeof value) && strlen(value) == 64 &&
        strspn(value, "0123456789abcdef") == 64)
        strcpy(t->info->sha256, value);
    return size;
}

// The first bytes of the body decide whether the server heeded the range we asked for.
static bool begin_body(struct transfer *t)
{
    if (t->asked == 0 || t->at != t->asked)
        return true;
    if (status_of(t) == 206) {
        t->wrong_range = t->range_start != t->asked;
        return !t->wrong_range;
    }
    // The whole file comes again from its beginning.
    if (ftruncate(fileno(t->file), 0) != 0 || fseeko(t->file, 0, SEEK_SET) != 0) {
        t->write_errno = errno;
        return false;
    }
    t->at = t->asked = 0;
    return true;
}

static size_t on_file_body(char *data, size_t one, size_t size, void *user)
{
    struct transfer *t = user;

    (void)one;
    if (!answer_is_good(status_of(t)))
        return size; // an error page is not the file
    if (!begin_body(t))
        return 0;
    if (t->wanted > 0 && t->at + (int64_t)size > t->wanted) {
        t->too_long = true;
        return 0;
    }
    if (fwrite(data, 1, size, t->file) != size) {
        t->write_errno = errno;
        return 0;
    }
    t->at += (int64_t)size;
    return size;
}

static size_t on_memory_body(char *data, size_t one, size_t size, void *user)
{
    struct transfer *t = user;

    (void)one;
    if (t->used + size > t->max) {
        t->too_long = true;
        return 0;
    }
    char *grown = realloc(t->memory, t->used + size + 1);
    if (!grown) {
        t->out_of_memory = true;
        return 0;
    }
    t->memory = grown;
    memcpy(t->memory + t->used, data, size);
    t->used += size;
    t->memory[t->used] = '\0';
    return size;
}

static int on_curl_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t a, curl_off_t b)
{
    struct transfer *t = user;
    const struct http_options *o = t->opt;

    (void)now, (void)a, (void)b;
    if (o->should_abort && o->should_abort(o->user))
        t->aborted = true;
    if (t->file && o->on_progress)
        o->on_progress(o->user, t->at, t->wanted > 0 ? t->wanted : total > 0 ? t->asked + total : -1);
    return t->aborted;
}

static void set_up(struct transfer *t)
{
    const struct http_options *o = t->opt;
    CURL *c = t->curl;
    char agent[64];
    // Who asks for a safe address is not led to an unsafe one.
    const char *protocols = strncasecmp(t->url, "https:", 6) == 0 ? "https" : "http,https";

    curl_easy_setopt(c, CURLOPT_URL, t->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    snprintf(agent, sizeof agent, "sotto/%s", sotto_version());
    curl_easy_setopt(c, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(o->connect_timeout_ms > 0 ? o->connect_timeout_ms : 15000));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME,
                     (long)(o->stall_timeout_s > 0 ? o->stall_timeout_s : 30));
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, t->file ? on_file_body : on_memory_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_curl_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    if (o->site && o->site->ca_file[0])
        curl_easy_setopt(c, CURLOPT_CAINFO, o->site->ca_file);
    if (o->site && o->site->ca_path[0])
        curl_easy_setopt(c, CURLOPT_CAPATH, o->site->ca_path);
}

// Performs the transfer once and notes what the server said.
static CURLcode perform(struct transfer *t)
{
    char *url = NULL, *type = NULL;

    t->error[0] = '\0';
    t->wrong_range = false;
    set_up(t);
    CURLcode code = curl_easy_perform(t->curl);
    t->info->status = status_of(t);
    curl_easy_getinfo(t->curl, CURLINFO_EFFECTIVE_URL, &url);
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &type);
    snprintf(t->info->url, sizeof t->info->url, "%s", url ? url : t->url);
    snprintf(t->info->type, sizeof t->info->type, "%s", type ? type : "");
    return code;
}

static int explain(const struct transfer *t, CURLcode code, struct sotto_diag *diag)
{
    if (t->aborted)
        return diag_set(diag, SOTTO_EABORTED, t->shown, "The download was stopped.");
    if (t->out_of_memory || code == CURLE_OUT_OF_MEMORY)
        return diag_set(diag, SOTTO_ENOMEM, t->shown, "Out of memory while fetching %s.", t->shown);
    if (t->write_errno)
        return diag_errno(diag, t->write_errno, t->shown, "save the download of");
    if (t->too_long)
        return diag_set(diag, SOTTO_ENETWORK, t->shown, "%s sent more than the %lld bytes expected.",
                        t->shown, (long long)(t->wanted > 0 ? t->wanted : (int64_t)t->max));
    if (code != CURLE_OK && !t->wrong_range)
        return diag_set(diag, SOTTO_ENETWORK, t->shown, "Cannot fetch %s: %s.", t->shown,
                        t->error[0] ? t->error : curl_easy_strerror(code));
    if (!answer_is_good(t->info->status))
        return diag_set(diag, SOTTO_ENETWORK, t->shown, "Cannot fetch %s: the server answered %ld.",
                        t->shown, t->info->status);
    if (t->file && t->wanted > 0 && t->at != t->wanted)
        return diag_set(diag, SOTTO_ENETWORK, t->shown, "%s ended after %lld of %lld bytes.", t->shown,
                        (long long)t->at, (long long)t->wanted);
    return 0;
}

// Would the same request do better a little later?
static bool worth_retrying(const struct transfer *t, CURLcode code)
{
    long status = t->info->status;

    if (t->aborted || t->out_of_memory || t->write_errno || t->too_long)
        return false;
    switch (code) {
    case CURLE_OK:
        return status == 408 || status == 416 || status == 429 || status >= 500 ||
               answer_is_good(status); // good, but not the size it should be
    case CURLE_COULDNT_RESOLVE_HOST: // no network: say so at once
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_TOO_MANY_REDIRECTS:
        return false;
    case CURLE_OPERATION_TIMEDOUT: // while connecting: as good as no network
        return t->info->status != 0;
    default:
        return true;
    }
}

static void wait_ms(struct transfer *t, long ms)
{
    // In steps, so that an abort does not wait.
    for (; ms > 0 && !t->aborted; ms -= 50) {
        long step = ms < 50 ? ms : 50;
        nanosleep(&(struct timespec){.tv_nsec = step * 1000000}, NULL);
        if (t->opt->should_abort && t->opt->should_abort(t->opt->user))
            t->aborted = true;
    }
}

static void show_url(char *dst, size_t size, const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    const char *at = strchr(host, '@');
    if (at && at < host + strcspn(host, "/?#"))
        snprintf(dst, size, "%.*s%s", (int)(host - url), url, at + 1);
    else
        snprintf(dst, size, "%s", url);
}

static int begin(struct transfer *t, const char *url, const struct http_options *opt,
                 struct http_info *info, struct sotto_diag *diag)
{
    *info = (struct http_info){0};
    *t = (struct transfer){.opt = opt, .info = info, .url = url, .range_start = -1};
    show_url(t->shown, sizeof t->shown, url);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(t->curl = curl_easy_init()))
        return diag_set(diag, SOTTO_ENOMEM, NULL, "Out of memory.");
    return 0;
}

int http_get(const char *url, const char *accept, size_t max, char **out, size_t *size,
             const struct http_options *opt, struct http_info *info, struct sotto_diag *diag)
{
    struct http_info own;
    struct transfer t;
    struct curl_slist *headers = NULL;
    char line[256];
    long wait = opt->retry_wait_ms;
    int err = begin(&t, url, opt, info ? info : &own, diag);

    if (err)
        return err;
    t.max = max;
    if (accept) {
        snprintf(line, sizeof line, "Accept: %s", accept);
        headers = curl_slist_append(NULL, line);
        curl_easy_setopt(t.curl, CURLOPT_HTTPHEADER, headers);
    }
    curl_easy_setopt(t.curl, CURLOPT_ACCEPT_ENCODING, ""); // whatever libcurl can unpack
    for (int tries = 0;; tries++, wait *= 2) {
        t.used = 0;
        CURLcode code = perform(&t);
        err = explain(&t, code, diag);
        if (!err || tries >= opt->n_retries || !worth_retrying(&t, code))
            break;
        wait_ms(&t, wait);
    }
    if (!err && !t.memory && !(t.memory = calloc(1, 1)))
        err = SOTTO_ENOMEM;
    if (err) {
        free(t.memory);
    } else {
        *out = t.memory;
        *size = t.used;
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(t.curl);
    return err;
}

// Opens `path` for appending and finds how much is there. Bytes beyond `size` are worthless.
static int open_partial(struct transfer *t, const char *path, bool resume, struct sotto_diag *diag)
{
    struct stat st;

    t->file = fopen(path, resume ? "abe" : "wbe");
    if (!t->file || fstat(fileno(t->file), &st) != 0)
        return diag_errno(diag, errno, path, "write");
    t->at = (int64_t)st.st_size;
    if (t->wanted > 0 && t->at > t->wanted) {
        if (ftruncate(fileno(t->file), 0) != 0)
            return diag_errno(diag, errno, path, "write");
        t->at = 0;
    }
    return 0;
}

// One request for the rest of the file.
static CURLcode request_rest(struct transfer *t)
{
    char range[64];

    snprintf(range, sizeof range, "%lld-", (long long)t->at);
    t->asked = t->at;
    curl_easy_setopt(t->curl, CURLOPT_RANGE, t->at > 0 ? range : NULL);
    CURLcode code = perform(t);
    if (fflush(t->file) != 0 && !t->write_errno)
        t->write_errno = errno;
    // A server that says there is nothing at this place, or sends another place, has another file
    // or no ranges: begin anew.
    if (t->asked > 0 && (t->info->status == 416 || t->wrong_range)) {
        if (ftruncate(fileno(t->file), 0) != 0)
            t->write_errno = errno;
        t->at = 0;
    }
    return code;
}

static int download(struct transfer *t, struct sotto_diag *diag)
{
    const struct http_options *o = t->opt;
    long wait = o->retry_wait_ms;

    int64_t best = t->at;
    for (int tries = 0;; tries++, wait *= 2) {
        CURLcode code = request_rest(t);
        if (t->wanted > 0 && t->at == t->wanted && !t->write_errno && !t->aborted)
            return 0; // all of it came, whatever the server says of its length
        int err = explain(t, code, diag);
        if (!err && t->wrong_range)
            err = diag_set(diag, SOTTO_ENETWORK, t->shown,
                           "%s answers with other bytes than asked for.", t->shown);
        if (!err || !worth_retrying(t, code))
            return err;
        if (t->at > best) { // further than ever: patience
            best = t->at;
            tries = 0;
            wait = o->retry_wait_ms;
        }
        if (tries >= o->n_retries)
            return err;
        wait_ms(t, wait);
    }
}

int http_download(const char *url, const char *path, int64_t size, bool resume,
                  const struct http_options *opt, struct http_info *info, struct sotto_diag *diag)
{
    struct http_info own;
    struct transfer t;
    int err = begin(&t, url, opt, info ? info : &own, diag);

    if (err)
        return err;
    t.wanted = size;
    err = open_partial(&t, path, resume, diag);
    if (!err && !(size > 0 && t.at == size))
        err = download(&t, diag);
    if (t.file && fclose(t.file) != 0 && !err)
        err = diag_errno(diag, errno, path, "write");
    if (t.too_long)
        unlink(path);
    curl_easy_cleanup(t.curl);
    return err;
}

int http_resolve(const char *base, const char *ref, char *dst, size_t size)
{
    CURLU *u = curl_url();
    char *url = NULL;
    int err = SOTTO_EINVAL;

    if (!u)
        return SOTTO_ENOMEM;
    if (!curl_url_set(u, CURLUPART_URL, base, 0) && !curl_url_set(u, CURLUPART_URL, ref, 0) &&
        !curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) &&
        !curl_url_get(u, CURLUPART_URL, &url, 0) && strlen(url) < size) {
        strcpy(dst, url);
        err = 0;
    }
    curl_free(url);
    curl_url_cleanup(u);
    return err;
}
