/* Everything the programs say about themselves; printed from the tables of options and exits. */
#ifndef CMD_HELP_H
#define CMD_HELP_H

#include <stdio.h>

void help_short(FILE *out);      // sotto --help
void help_transcribe(FILE *out); // sotto help transcribe: every option
void help_exit(FILE *out);       // sotto help exit
void help_languages(FILE *out);  // sotto help languages
void help_foreign(FILE *out);    // sotto help others: options of other programs
void help_version(FILE *out);
void help_man(FILE *out);        // troff, man macros
void help_completion(FILE *out); // bash

#endif
