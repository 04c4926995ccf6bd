/* SHA-256 of a file, by libcrypto. */
#include "fetch/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

static int digest(FILE *f, EVP_MD_CTX *ctx, unsigned char *out)
{
    static const size_t chunk = 1 << 16;
    unsigned char buffer[1 << 16];
    size_t n;

    if (!EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
        return -1;
    while ((n = fread(buffer, 1, chunk, f)) > 0)
        if (!EVP_DigestUpdate(ctx, buffer, n))
            return -1;
    return !ferror(f) && EVP_DigestFinal_ex(ctx, out, NULL) ? 0 : -1;
}

int sha256_file(const char *path, char hex[SHA256_HEX], struct sotto_diag *diag)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    FILE *f = fopen(path, "rbe");

    if (!f)
        return diag_errno(diag, errno, path, "open");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int err = ctx ? 0 : SOTTO_ENOMEM;
    if (!err && digest(f, ctx, sum) != 0)
        err = diag_set(diag, SOTTO_EIO, path, "Cannot read %s.", path);
    for (int i = 0; !err && i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    EVP_MD_CTX_free(ctx);
    fclose(f);
    return err;
}
