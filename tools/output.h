/* SPDX-License-Identifier: MIT */
/*
 * Standard output. A verb builds JSON values. With --json the values are printed. Otherwise text is
 * generated from them, so both outputs have the same content.
 */
#ifndef IPCCTL_OUTPUT_H
#define IPCCTL_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum color { COLOR_NONE, COLOR_BOLD, COLOR_DIM, COLOR_RED, COLOR_GREEN, COLOR_YELLOW };

/* The escape sequences that begin and end a color; "" if colors are off. */
const char *out_color(enum color color);
const char *out_plain(void);

/**
 * struct column - a column of a table
 * @title: its head
 * @key: key of its value in a row
 * @color: color of its cells
 * @right: align to the right, for numbers
 */
struct column {
	const char *title;
	const char *key;
	enum color color;
	bool right;
};

/* Returns a value as the text of a cell. Array members are joined with commas, an empty value is
 * "-", and control characters become "?". The caller must free the text. If memory is short,
 * returns NULL. */
char *out_text(const json_t *value);

/* The functions below print an error on failure and return an enum status. Functions that take a
 * reference accept NULL, which means that memory is short. */

/* Prints an array of objects as a table or JSON, and takes its reference. */
int out_table(const struct column *columns, size_t n, json_t *rows);

/* Prints the table to a stream. */
int out_rows(FILE *file, const struct column *columns, size_t n, const json_t *rows);

/* Prints a line for each key that the object has. */
int out_fields(const json_t *object, const char *const *keys, size_t n);

/* Print a value as JSON, and take its reference. out_line() prints one line, for streams. */
int out_json(json_t *value);
int out_line(json_t *value);

/* Prints the content of a file in pieces, until out_bytes_end(). If the content is text, or if
 * standard output is a terminal, '?' replaces unprintable characters except newlines and tabs. Only
 * one thread may print at a time. */
void out_bytes(const char *bytes, size_t size, bool text);
void out_bytes_end(void);

/* Flushes standard output. Fails if any earlier output could not be written. main() flushes after
 * the verb, so verbs flush only lines of a stream, and output that must precede a message. */
int out_flush(void);

#endif
