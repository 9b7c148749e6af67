/* SPDX-License-Identifier: MIT */
/*
 * Names for code addresses: of the kernel from /proc/kallsyms, and of a program and its libraries
 * from nm and /proc/PID/maps. Used only by fold.c.
 */
#ifndef BENCH_SYMBOLS_H
#define BENCH_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct symbol - a function
 * @start: its address
 * @end: the first address behind it; 0: the next function's start
 * @name: as in the source
 * @object: the module or file that contains it
 */
struct symbol {
	uint64_t start;
	uint64_t end;
	char *name;
	char *object;
};

/**
 * struct symbols - all known symbols; zero at first
 * @items: sorted by address after symbols_sort()
 * @n: their number
 * @space: the number for which memory is allocated
 */
struct symbols {
	struct symbol *items;
	size_t n;
	size_t space;
};

/* Adds the functions among the lines of /proc/kallsyms, and skips other lines. */
int symbols_add_kallsyms(struct symbols *s, const char *path);

/*
 * Adds the functions of each file that is mapped as code, from a file with the lines of
 * /proc/PID/maps. The output of `nm -S` must already be in nm_folder, under the file's last name. A
 * file without symbols gets a single name.
 */
int symbols_add_maps(struct symbols *s, const char *path, const char *nm_folder);

void symbols_sort(struct symbols *s);

/* Returns NULL if there is no symbol at that address. */
const struct symbol *symbols_find(const struct symbols *s, uint64_t address);

void symbols_done(struct symbols *s);

#endif /* BENCH_SYMBOLS_H */
