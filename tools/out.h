/* SPDX-License-Identifier: MIT */
/*
 * Standard output. A verb builds JSON values; people get them as tables and
 * lines, and with --json they are printed as they are. So both say the same.
 */
#ifndef IPCCTL_OUT_H
#define IPCCTL_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum color { COLOR_NONE, COLOR_BOLD, COLOR_DIM, COLOR_RED, COLOR_GREEN, COLOR_YELLOW };

/* The escape sequences that begin and end a color; "" where there are none. */
const char *out_color(enum color color);
const char *out_plain(void);

/**
 * struct column - a column of a table
 * @title: its head
 * @key: of the value in each row's object
 * @color: of the cells
 * @right: numbers go to the right
 */
struct column {
	const char *title;
	const char *key;
	enum color color;
	bool right;
};

/* A cell's text of a value: of an array its parts, "-" for nothing; control characters
 * become "?". The caller's to free; NULL: no memory. */
char *out_text(const json_t *value);

/* Prints rows, an array of objects, and takes the reference; NULL is no memory. The
 * second shows only the text, to any stream. Each an enum status. */
int out_table(const struct column *columns, size_t n, json_t *rows);
int out_rows(FILE *file, const struct column *columns, size_t n, const json_t *rows);

/* Prints a value as JSON and takes the reference; NULL is no memory. A line is for
 * streams: compact, and out at once. Each an enum status. */
int out_json(json_t *value);
int out_line(json_t *value);

#endif
