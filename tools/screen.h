/* SPDX-License-Identifier: MIT */
/*
 * A terminal for verb-top.c: its size, its keys one by one, and lines that fit.
 */
#ifndef IPCCTL_SCREEN_H
#define IPCCTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Whether standard output is a terminal. If standard input is one, too, keys arrive one by one and
 * are not echoed, until screen_end() or the process ends by --timeout. */
bool screen_begin(void);
void screen_end(void);

/* Lines and columns; 24 and 80 if the terminal does not say. */
void screen_size(size_t *ret_lines, size_t *ret_columns);

/* The next key; 0: none was pressed. Does not wait. */
int screen_key(void);

/* Prints text of lines: at most so many of them, each cut to so many columns. What begins with
 * ESC and ends with 'm' is a color and has no width. */
void screen_put(FILE *file, const char *text, size_t lines, size_t columns);

#endif
