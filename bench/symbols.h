/* SPDX-License-Identifier: MIT */
/*
 * Names for code addresses: the kernel's from /proc/kallsyms, a program's and
 * its libraries' from nm and from where /proc/PID/maps says they are. Used by
 * fold.c only.
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
 * @object: the module or file that holds it
 */
struct symbol {
	uint64_t start;
	uint64_t end;
	char *name;
	char *object;
};

/**
 * struct symbols - all that are known; zero at first
 * @items: in the order of addresses once symbols_sort() was called
 * @n: how many
 * @space: for how many there is memory
 */
struct symbols {
	struct symbol *items;
	size_t n;
	size_t space;
};

/* Adds the functions among the lines of /proc/kallsyms; others are skipped. */
int symbols_add_kallsyms(struct symbols *s, const char *path);

/*
 * Adds the functions of every file that is mapped as code, by the lines of
 * /proc/PID/maps in a file; others are skipped. `nm -S` has been run already:
 * its output lies in nm_folder under the file's last name. What has none gets
 * one name for all.
 */
int symbols_add_maps(struct symbols *s, const char *path, const char *nm_folder);

void symbols_sort(struct symbols *s);

/* NULL if there is none at that address. */
const struct symbol *symbols_find(const struct symbols *s, uint64_t address);

void symbols_done(struct symbols *s);

#endif /* BENCH_SYMBOLS_H */
