/* Drawing of the progress bar and the estimate of the time left. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

static const double REDRAW_S = 0.1;
static const double ESTIMATE_AFTER_S = 1.0;

double progress_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_init(struct progress *p, bool wanted)
{
    const char *term = getenv("TERM");
    memset(p, 0, sizeof(*p));
    p->enabled = wanted && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

void progress_begin(struct progress *p, const char *label, double start_s)
{
    snprintf(p->label, sizeof(p->label), "%s", label);
    p->drawn_s = 0;
    p->start_s = start_s;
    p->begin_s = progress_clock();
    progress_update(p, start_s, -1);
}

/* "1:02:03" or "02:03". */
static void format_clock(char dst[32], double seconds)
{
    long s = seconds > 0 && seconds < 1e8 ? lround(seconds) : 0;
    if (s >= 3600)
        snprintf(dst, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(dst, 32, "%02ld:%02ld", s / 60, s % 60);
}

size_t progress_format(char *dst, size_t size, int width, const char *label, double done_s,
                       double total_s, double left_s)
{
    enum { BAR_MAX = 40, BAR_MIN = 8 };
    char done[32], total[32], left[32], head[80], tail[128], bar[BAR_MAX + 1];
    bool known = total_s > 0;
    double part = known ? fmin(1, fmax(0, done_s / total_s)) : 0;
    format_clock(done, done_s);
    format_clock(total, total_s);
    format_clock(left, left_s);
    snprintf(head, sizeof(head), "%s%s", label, *label ? " " : "");
    if (!known)
        snprintf(tail, sizeof(tail), "%s%s", done_s > 0 ? done : "working",
                 done_s > 0 ? " done" : "");
    else
        snprintf(tail, sizeof(tail), "%3d%% %s/%s%s%s%s", (int)(100 * part), done, total,
                 left_s >= 0 ? ", " : "", left_s >= 0 ? left : "", left_s >= 0 ? " left" : "");
    int room = width - 1 - (int)strlen(tail) - 3;
    if (!known || room < BAR_MIN) {
        snprintf(dst, size < (size_t)width ? size : (size_t)width, "%s%s", known ? "" : head, tail);
        return strlen(dst);
    }
    if (room - (int)strlen(head) < BAR_MIN)
        head[0] = '\0';
    int n = room - (int)strlen(head) < BAR_MAX ? room - (int)strlen(head) : BAR_MAX;
    for (int i = 0; i < n; i++)
        bar[i] = i < (int)(part * n) ? '#' : '.';
    bar[n] = '\0';
    return (size_t)snprintf(dst, size, "%s[%s] %s", head, bar, tail);
}

/* Seconds left by the speed so far; negative while there is too little to tell. */
static double estimate_left(const struct progress *p, double now, double done_s, double total_s)
{
    double spent = now - p->begin_s, did = done_s - p->start_s;
    if (total_s <= 0 || did <= 0 || spent < ESTIMATE_AFTER_S)
        return -1;
    return fmax(0, total_s - done_s) * spent / did;
}

void progress_update(struct progress *p, double done_s, double total_s)
{
    char line[512];
    struct winsize size;
    double now = progress_clock();
    if (!p->enabled)
        return;
    double left_s = estimate_left(p, now, done_s, total_s);
    if (p->shown && now - p->drawn_s < REDRAW_S)
        return;
    int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    progress_format(line, sizeof(line), width, p->label, done_s, total_s, left_s);
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    p->drawn_s = now;
    p->shown = true;
}

void progress_hide(struct progress *p)
{
    if (!p->shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}
