/* The progress bar on standard error: one line, only on a terminal, gone when the work is done. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
    bool enabled;
    bool shown;     // the line is on the screen now
    double drawn_s; // clock when the line was drawn last
    double begin_s; // clock when the recording began
    double start_s; // the second of the recording it began at
    char label[64]; // "2/5 talk.mp3" or ""
};

void progress_init(struct progress *p, bool wanted); // enabled only if stderr is a terminal
void progress_begin(struct progress *p, const char *label, double start_s);
void progress_update(struct progress *p, double done_s, double total_s); // total < 0: unknown
void progress_hide(struct progress *p); // before anything else is printed on the terminal

/* Draws the line into `dst` for a terminal of `width` columns; separate for the tests.
 * `left_s` < 0: time left not known yet. Returns its length in bytes. */
size_t progress_format(char *dst, size_t size, int width, const char *label, double done_s,
                       double total_s, double left_s);

double progress_clock(void); // monotonic, seconds

#endif
