// SPDX-License-Identifier: MIT
/*
 * Reads the printed tables, keeps symbols of code, and finds names by bisection. A missing table is
 * not an error: a library without symbols gets a single name.
 */
#include "symbols.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct symbols *s, uint64_t start, uint64_t end, const char *name,
	       const char *object)
{
	struct symbol *symbol;

	if (s->n == s->space) {
		size_t space = s->space ? 2 * s->space : 4096;
		void *items = reallocarray(s->items, space, sizeof(*s->items));

		if (!items)
			return -ENOMEM;
		s->items = items;
		s->space = space;
	}
	symbol = &s->items[s->n];
	*symbol = (struct symbol){ start, end, strdup(name), strdup(object) };
	if (!symbol->name || !symbol->object) {
		free(symbol->name);
		free(symbol->object);
		return -ENOMEM;
	}
	s->n++;
	return 0;
}

static int is_code(char type)
{
	return strchr("tTwWiV", type) != NULL;
}

int symbols_add_kallsyms(struct symbols *s, const char *path)
{
	char line[512], name[256], module[128], type;
	uint64_t start;
	FILE *f;
	int r = 0;

	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (r == 0 && fgets(line, sizeof(line), f)) {
		strcpy(module, "kernel");
		if (sscanf(line, "%" SCNx64 " %c %255s [%127[^]]", &start, &type, name, module) < 3)
			continue;
		/* Symbols of padding, in which no instruction is ever executed. */
		if (is_code(type) && strncmp(name, "__pfx_", 6) != 0)
			r = add(s, start, 0, name, module);
	}
	fclose(f);
	return r;
}

static int add_nm(struct symbols *s, const char *path, uint64_t base, const char *object)
{
	char line[512], name[256], type;
	uint64_t start, size;
	FILE *f;
	int r = 0;

	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && fgets(line, sizeof(line), f)) {
		int n = sscanf(line, "%" SCNx64 " %" SCNx64 " %c %255s", &start, &size, &type, name);

		if (n == 4 && is_code(type) && size > 0)
			r = add(s, base + start, base + start + size, name, object);
	}
	fclose(f);
	return r;
}

static int add_map(struct symbols *s, const char *line, const char *nm_folder)
{
	char object[256], path[1024];
	uint64_t start, end, offset;
	const char *last;
	int r;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " r-xp %" SCNx64 " %*s %*s %255s", &start, &end,
		   &offset, object) != 4)
		return 0;
	last = strrchr(object, '/');
	last = last ? last + 1 : object;
	r = add(s, start, end, "(no symbol)", last);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/%s", nm_folder, last);
	return add_nm(s, path, start - offset, last);
}

int symbols_add_maps(struct symbols *s, const char *path, const char *nm_folder)
{
	char line[512];
	FILE *f;
	int r = 0;

	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (r == 0 && fgets(line, sizeof(line), f))
		r = add_map(s, line, nm_folder);
	fclose(f);
	return r;
}

/* An enclosing symbol comes first, so the last symbol that contains an address is the innermost. */
static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return strcmp(y->name, x->name);
}

void symbols_sort(struct symbols *s)
{
	qsort(s->items, s->n, sizeof(*s->items), compare);
}

const struct symbol *symbols_find(const struct symbols *s, uint64_t address)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (s->items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low > 0; low--) {
		const struct symbol *symbol = &s->items[low - 1];

		if (symbol->end == 0 || address < symbol->end)
			return symbol;
	}
	return NULL;
}

void symbols_done(struct symbols *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->items[i].name);
		free(s->items[i].object);
	}
	free(s->items);
	*s = (struct symbols){ 0 };
}
