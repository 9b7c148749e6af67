// SPDX-License-Identifier: MIT
/*
 * Reads the output of tracer.c, selects the round of median length, and prints where its
 * instructions went. Started by bench/profile.
 *
 * The trace has no calls, so they are derived: an instruction at the start of a function was called
 * from the previous function. An instruction elsewhere in another function is a return to it. At a
 * context switch the stacks of callers of the two processes are exchanged. The rounds before the
 * selected round fill in both stacks. The caller of a function may be wrong. The number of
 * instructions of a function itself is always right.
 */
#include "symbols.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH	64

/**
 * struct figure - the cost of a function
 * @symbol: the function
 * @own: instructions of its own
 * @total: with those of the functions that it called
 * @times: number of entries at its start
 * @seen: the last instruction counted in @total, so that each counts once
 */
struct figure {
	const struct symbol *symbol;
	unsigned long own;
	unsigned long total;
	unsigned long times;
	unsigned long seen;
};

/**
 * struct fold - the state of the walk through a trace
 * @symbols: names
 * @figures: a figure for each name, in the same order, and a figure for unknown names
 * @stacks: callers, outermost first, of the running process and of the other process
 * @depths: the numbers of callers
 * @counting: this is the selected round
 * @flow: print each step of it
 * @object: print its instructions instead of figures, or NULL
 * @step: instructions in the running function since it was entered
 * @instructions: of the selected round
 */
struct fold {
	struct symbols symbols;
	struct figure *figures;
	struct figure *stacks[2][MAX_DEPTH];
	unsigned int depths[2];
	bool counting;
	bool flow;
	const char *object;
	unsigned long step;
	unsigned long instructions;
};

/**
 * struct options - the command line
 * @trace: the tracer's file
 * @kallsyms: the guest's symbols
 * @maps: the mappings of the processes
 * @nm_folder: symbols of the mapped files
 * @flow: print the steps of the round as well
 * @object: print instead the counts of this object's instructions
 */
struct options {
	const char *trace;
	const char *kallsyms;
	const char *maps;
	const char *nm_folder;
	const char *object;
	bool flow;
};

static struct symbol no_symbol = { .name = "(unknown)", .object = "?" };

static struct figure *figure_of(struct fold *f, uint64_t address)
{
	const struct symbol *symbol = symbols_find(&f->symbols, address);
	size_t index = symbol ? (size_t)(symbol - f->symbols.items) : f->symbols.n;

	return &f->figures[index];
}

/* A thunk only passes control on, so the function to which it jumps belongs to the thunk's
 * caller. */
static bool is_thunk(const struct figure *figure)
{
	return strncmp(figure->symbol->name, "__x86_indirect_thunk", 20) == 0;
}

static struct figure *top(struct fold *f)
{
	return f->depths[0] ? f->stacks[0][f->depths[0] - 1] : NULL;
}

static void end_step(struct fold *f)
{
	struct figure *figure = top(f);

	if (f->counting && f->flow && figure && f->step)
		printf("%6lu  %*s%s\n", f->step, 2 * (int)(f->depths[0] - 1), "",
		       figure->symbol->name);
	f->step = 0;
}

static void push(struct fold *f, struct figure *figure)
{
	if (f->depths[0] == MAX_DEPTH) {
		memmove(f->stacks[0], f->stacks[0] + 1, (MAX_DEPTH - 1) * sizeof(figure));
		f->depths[0]--;
	}
	f->stacks[0][f->depths[0]++] = figure;
}

/* Returns to a caller. If the caller is not in the stack, it becomes the outermost. */
static void pop_to(struct fold *f, struct figure *figure)
{
	while (f->depths[0] && top(f) != figure)
		f->depths[0]--;
	if (!f->depths[0])
		push(f, figure);
}

static void swap_stacks(struct fold *f)
{
	struct figure *stack[MAX_DEPTH];
	unsigned int depth = f->depths[0];

	memcpy(stack, f->stacks[0], sizeof(stack));
	memcpy(f->stacks[0], f->stacks[1], sizeof(stack));
	memcpy(f->stacks[1], stack, sizeof(stack));
	f->depths[0] = f->depths[1];
	f->depths[1] = depth;
}

static void enter(struct fold *f, struct figure *figure, uint64_t address)
{
	bool start = address == figure->symbol->start;

	if (figure == top(f) && !start)
		return;
	end_step(f);
	if (top(f) && is_thunk(top(f)))
		f->depths[0]--;
	if (start)
		push(f, figure);
	else
		pop_to(f, figure);
	if (start && f->counting)
		figure->times++;
}

static void count(struct fold *f, struct figure *figure)
{
	f->instructions++;
	figure->own++;
	for (unsigned int i = 0; i < f->depths[0]; i++) {
		struct figure *caller = f->stacks[0][i];

		if (caller->seen != f->instructions)
			caller->total++;
		caller->seen = f->instructions;
	}
}

static bool is_switch(const struct figure *figure)
{
	return strcmp(figure->symbol->name, "__switch_to_asm") == 0;
}

/* The function that switches was called by one process and returns to the other. */
static void switch_stacks(struct fold *f, struct figure *figure)
{
	end_step(f);
	if (f->depths[0])
		f->depths[0]--;
	swap_stacks(f);
	push(f, figure);
	if (f->counting && f->flow)
		printf("        ---- the other process\n");
}

static void walk_round(struct fold *f, const uint64_t *addresses, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct figure *figure = figure_of(f, addresses[i]);

		enter(f, figure, addresses[i]);
		f->step++;
		if (f->counting)
			count(f, figure);
		/* After this instruction, the other process's stack is in use. */
		if (is_switch(figure) && i + 1 < n && figure_of(f, addresses[i + 1]) != figure)
			switch_stacks(f, figure);
	}
	end_step(f);
}

static int compare_figures(const void *a, const void *b)
{
	const struct figure *x = a, *y = b;

	if (x->own != y->own)
		return x->own > y->own ? -1 : 1;
	return 0;
}

/* Sorts the figures, which makes the stacks invalid. Returns the number of functions that ran. */
static size_t sort_figures(struct fold *f)
{
	size_t n = 0;

	qsort(f->figures, f->symbols.n + 1, sizeof(*f->figures), compare_figures);
	while (n <= f->symbols.n && f->figures[n].own)
		n++;
	return n;
}

static double percent(const struct fold *f, unsigned long instructions)
{
	return 100.0 * instructions / f->instructions;
}

/* Prints the sum of an object, if called with the first of its figures. */
static void print_object(const struct fold *f, size_t first, size_t n)
{
	const char *object = f->figures[first].symbol->object;
	unsigned long sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(f->figures[i].symbol->object, object) != 0)
			continue;
		if (i < first)
			return;
		sum += f->figures[i].own;
	}
	printf("%8lu %5.1f%%  %s\n", sum, percent(f, sum), object);
}

static void print_figures(struct fold *f)
{
	size_t n = sort_figures(f);

	for (size_t i = 0; i < n; i++)
		print_object(f, i, n);
	printf("\n%8s %6s %8s %6s  %s\n", "own", "share", "total", "times", "function");
	for (size_t i = 0; i < n; i++) {
		const struct figure *figure = &f->figures[i];

		printf("%8lu %5.1f%% %8lu %6lu  %s [%s]\n", figure->own, percent(f, figure->own),
		       figure->total, figure->times, figure->symbol->name,
		       figure->symbol->object);
	}
}

/**
 * struct round - a part of the trace
 * @addresses: the addresses of its instructions
 * @n: their number
 */
struct round {
	const uint64_t *addresses;
	size_t n;
};

static int compare_rounds(const void *a, const void *b)
{
	const struct round *x = a, *y = b;

	return x->n < y->n ? -1 : x->n > y->n;
}

/* A round begins after a 0; a final 0 ends the last round. */
static size_t find_rounds(const uint64_t *words, size_t n_words, struct round *rounds)
{
	size_t n = 0, start = 0;

	for (size_t i = 1; i < n_words; i++) {
		if (words[i] != 0)
			continue;
		rounds[n++] = (struct round){ words + start + 1, i - start - 1 };
		start = i;
	}
	return n;
}

static int compare_addresses(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_address(const struct fold *f, uint64_t address, size_t times)
{
	const struct symbol *symbol = symbols_find(&f->symbols, address);

	if (symbol && strcmp(symbol->object, f->object) == 0)
		printf("%s %llx %zu\n", symbol->name,
		       (unsigned long long)(address - symbol->start), times);
}

/* Prints lines for addr2line: FUNCTION, OFFSET in it (hex), TIMES. */
static int print_addresses(const struct fold *f, const struct round *round)
{
	uint64_t *sorted;
	size_t first = 0;

	sorted = calloc(round->n + 1, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, round->addresses, round->n * sizeof(*sorted));
	qsort(sorted, round->n, sizeof(*sorted), compare_addresses);
	for (size_t i = 1; i <= round->n; i++) {
		if (sorted[i] == sorted[first])
			continue;
		print_address(f, sorted[first], i - first);
		first = i;
	}
	free(sorted);
	return 0;
}

static int median_round(const struct round *rounds, size_t n, struct round *ret_median)
{
	struct round *sorted;

	sorted = calloc(n, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, rounds, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_rounds);
	*ret_median = sorted[n / 2];
	free(sorted);
	return 0;
}

static int fold_rounds(struct fold *f, const struct round *rounds, size_t n)
{
	struct round median = { 0 };
	size_t last;
	int r;

	r = median_round(rounds, n, &median);
	if (r < 0)
		return r;
	if (f->object)
		return print_addresses(f, &median);
	printf("%zu instructions in the median of %zu rounds\n", median.n, n);
	/* Use the last round of that length, because the stacks are most complete then. */
	for (last = n - 1; rounds[last].n != median.n; last--)
		;
	for (size_t i = 0; i <= last; i++) {
		f->counting = i == last;
		walk_round(f, rounds[i].addresses, rounds[i].n);
	}
	if (f->flow)
		putchar('\n');
	print_figures(f);
	return 0;
}

static int read_trace(const char *path, uint64_t **ret_words, size_t *ret_n)
{
	uint64_t *words;
	long size;
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		return -errno;
	size = fseek(f, 0, SEEK_END) < 0 ? -1 : ftell(f);
	if (size < 0 || fseek(f, 0, SEEK_SET) < 0) {
		fclose(f);
		return -EIO;
	}
	words = malloc(size ? size : 1);
	if (!words || fread(words, 1, size, f) != (size_t)size) {
		free(words);
		fclose(f);
		return words ? -EIO : -ENOMEM;
	}
	fclose(f);
	*ret_words = words;
	*ret_n = size / sizeof(*words);
	return 0;
}

static int fold_trace(struct fold *f, const char *path)
{
	struct round *rounds;
	uint64_t *words = NULL;
	size_t n_words = 0, n;
	int r;

	r = read_trace(path, &words, &n_words);
	if (r < 0)
		return r;
	rounds = calloc(n_words + 1, sizeof(*rounds));
	n = rounds ? find_rounds(words, n_words, rounds) : 0;
	r = n ? fold_rounds(f, rounds, n) : rounds ? -ENODATA : -ENOMEM;
	free(rounds);
	free(words);
	return r;
}

static int load_symbols(struct fold *f, const struct options *o)
{
	int r;

	r = symbols_add_kallsyms(&f->symbols, o->kallsyms);
	if (r == 0)
		r = symbols_add_maps(&f->symbols, o->maps, o->nm_folder);
	if (r < 0)
		return r;
	symbols_sort(&f->symbols);
	f->figures = calloc(f->symbols.n + 1, sizeof(*f->figures));
	if (!f->figures)
		return -ENOMEM;
	for (size_t i = 0; i <= f->symbols.n; i++)
		f->figures[i].symbol = i < f->symbols.n ? &f->symbols.items[i] : &no_symbol;
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "k:m:n:a:f")) >= 0) {
		switch (c) {
		case 'k':
			o->kallsyms = optarg;
			break;
		case 'm':
			o->maps = optarg;
			break;
		case 'n':
			o->nm_folder = optarg;
			break;
		case 'a':
			o->object = optarg;
			break;
		case 'f':
			o->flow = true;
			break;
		default:
			return -EINVAL;
		}
	}
	o->trace = argv[optind];
	return o->trace && o->kallsyms && o->maps && o->nm_folder ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct fold f = { 0 };
	int r;

	if (parse(argc, argv, &o) < 0) {
		fputs("usage: fold [-f | -a OBJECT] -k KALLSYMS -m MAPS -n NM_FOLDER TRACE\n", stderr);
		return 2;
	}
	f.flow = o.flow;
	f.object = o.object;
	r = load_symbols(&f, &o);
	if (r == 0)
		r = fold_trace(&f, o.trace);
	if (r < 0)
		fprintf(stderr, "fold: %s: %s\n", o.trace, strerror(-r));
	free(f.figures);
	symbols_done(&f.symbols);
	return r < 0;
}
