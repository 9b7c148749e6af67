// SPDX-License-Identifier: MIT
/*
 * Tables, lines and JSON: see output.h. Texts of services and processes are printed without control
 * characters.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../libipc/base/descriptor.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "output.h"
#include "schema/text.h"

static bool colored(void)
{
	const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE");

	return !(no && *no) && ((force && *force) || isatty(STDOUT_FILENO));
}

const char *out_color(enum color color)
{
	static const char *const codes[] = {
		[COLOR_NONE] = "",	  [COLOR_BOLD] = "\033[1m",   [COLOR_DIM] = "\033[2m",
		[COLOR_RED] = "\033[31m", [COLOR_GREEN] = "\033[32m", [COLOR_YELLOW] = "\033[33m",
	};

	return colored() ? codes[color] : "";
}

const char *out_plain(void)
{
	return colored() ? "\033[0m" : "";
}

/* --- Cells ---------------------------------------------------------------------- */

static char *join(const json_t *array)
{
	char *all = strdup("");
	json_t *part;
	size_t i;

	json_array_foreach(array, i, part) {
		char *one = out_text(part), *more = NULL;

		if (!all || !one || asprintf(&more, "%s%s%s", all, i ? ", " : "", one) < 0)
			more = NULL;
		free(one);
		free(all);
		all = more;
	}
	return all;
}

char *out_text(const json_t *value)
{
	char *text = NULL;
	int n = 0;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		text = strdup(*json_string_value(value) ? json_string_value(value) : "-");
		break;
	case JSON_INTEGER:
		n = asprintf(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		n = asprintf(&text, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
		return strdup("yes");
	case JSON_FALSE:
		return strdup("no");
	case JSON_ARRAY:
		return json_array_size(value) ? join(value) : strdup("-");
	case JSON_OBJECT:
		text = value_write(value, /* indent= */ false);
		break;
	default:
		return strdup("-");
	}
	if (n < 0 || !text)
		return NULL;
	text_clean(text);
	return text;
}

/* Returns the number of UTF-8 characters. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Bytes that may begin an incomplete character. */
static char held[8];
static size_t n_held;

static bool is_beginning(void)
{
	unsigned char c = held[0];
	size_t size = c < 0xc2 || c > 0xf4 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	for (size_t i = 1; i < n_held; i++)
		if ((held[i] & 0xc0) != 0x80)
			return false;
	return n_held && n_held < size;
}

static void put_held(void)
{
	bool printable;
	uint32_t code;
	size_t size = text_character(held, &code, &printable);

	if (printable || code == '\n' || code == '\t')
		fwrite(held, 1, size, stdout);
	else
		putchar('?');
	n_held -= size;
	memmove(held, held + size, n_held + 1);
}

void out_bytes(const char *bytes, size_t size, bool text)
{
	if (!text && !isatty(STDOUT_FILENO)) {
		fwrite(bytes, 1, size, stdout);
		return;
	}
	for (size_t i = 0; i < size; i++) {
		held[n_held++] = bytes[i];
		held[n_held] = '\0';
		while (n_held && !is_beginning())
			put_held();
	}
}

void out_bytes_end(void)
{
	while (n_held)
		put_held();
}

int out_flush(void)
{
	int r = descriptor_flush();

	if (r == 0)
		return STATUS_OK;
	return fail_with(STATUS_FAILED, NULL, "cannot write to standard output: %s", strerror(-r));
}

/* --- Tables --------------------------------------------------------------------- */

struct grid {
	const struct column *columns;
	size_t n, rows;
	char **cells;
	int *widths;
};

static void grid_done(struct grid *grid)
{
	for (size_t i = 0; grid->cells && i < grid->n * grid->rows; i++)
		free(grid->cells[i]);
	free(grid->cells);
	free(grid->widths);
}

static bool grid_fill(struct grid *grid, const json_t *rows)
{
	for (size_t i = 0; i < grid->n; i++)
		grid->widths[i] = width_of(grid->columns[i].title);
	for (size_t i = 0; i < grid->n * grid->rows; i++) {
		const struct column *column = &grid->columns[i % grid->n];
		char *text = out_text(json_object_get(json_array_get(rows, i / grid->n),
						      column->key));

		if (!text)
			return false;
		grid->cells[i] = text;
		if (width_of(text) > grid->widths[i % grid->n])
			grid->widths[i % grid->n] = width_of(text);
	}
	return true;
}

static void put_cell(FILE *file, const struct grid *grid, size_t column, const char *text,
		     enum color color)
{
	bool last = column + 1 == grid->n, right = grid->columns[column].right;
	int blanks = grid->widths[column] - width_of(text);

	fprintf(file, "%*s%s%s%s", right ? blanks : 0, "", out_color(color), text,
		color ? out_plain() : "");
	fprintf(file, "%*s%s", right || last ? 0 : blanks, "", last ? "\n" : "  ");
}

static void grid_put(FILE *file, const struct grid *grid)
{
	for (size_t i = 0; i < grid->n; i++)
		put_cell(file, grid, i, grid->columns[i].title, COLOR_DIM);
	for (size_t i = 0; i < grid->n * grid->rows; i++)
		put_cell(file, grid, i % grid->n, grid->cells[i], grid->columns[i % grid->n].color);
}

int out_rows(FILE *file, const struct column *columns, size_t n, const json_t *rows)
{
	struct grid grid = { .columns = columns, .n = n, .rows = json_array_size(rows) };
	bool filled;

	grid.cells = calloc(n * grid.rows + 1, sizeof(*grid.cells));
	grid.widths = calloc(n, sizeof(*grid.widths));
	filled = grid.cells && grid.widths && grid_fill(&grid, rows);
	if (filled)
		grid_put(file, &grid);
	grid_done(&grid);
	return filled ? STATUS_OK : fail_memory();
}

int out_table(const struct column *columns, size_t n, json_t *rows)
{
	int status;

	if (!rows)
		return fail_memory();
	if (ctl.json)
		return out_json(rows);
	status = out_rows(stdout, columns, n, rows);
	json_decref(rows);
	return status ? status : out_flush();
}

int out_fields(const json_t *object, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(object, keys[i]);
		char *text = value ? out_text(value) : NULL;

		if (value && !text)
			return fail_memory();
		if (value)
			printf("%s%-11s%s %s\n", out_color(COLOR_DIM), keys[i], out_plain(), text);
		free(text);
	}
	return STATUS_OK;
}

/* --- JSON ----------------------------------------------------------------------- */

/* Prints a character as one or two units of UTF-16. */
static void put_code(uint32_t code)
{
	if (code < 0x10000)
		printf("\\u%04" PRIx32, code);
	else
		printf("\\u%04" PRIx32 "\\u%04" PRIx32, 0xd7c0 + (code >> 10),
		       0xdc00 + (code & 0x3ff));
}

/* jansson escapes ASCII control characters except DEL. Its own newlines stay. */
static void put_escaped(const char *text)
{
	while (*text) {
		bool printable;
		uint32_t code;
		size_t size = text_character(text, &code, &printable);

		if (printable || code == '\n')
			fwrite(text, 1, size, stdout);
		else
			put_code(code);
		text += size;
	}
	putchar('\n');
}

static int put_json(json_t *value, bool indent)
{
	char *text = value_write(value, indent);

	json_decref(value);
	if (!text)
		return fail_memory();
	put_escaped(text);
	free(text);
	return out_flush();
}

int out_json(json_t *value)
{
	return put_json(value, /* indent= */ true);
}

int out_line(json_t *value)
{
	return put_json(value, /* indent= */ false);
}
