// SPDX-License-Identifier: MIT
/*
 * The interval allocator of driver/mem/range.c, compared with a list of allocated ranges.
 *
 * Input: two bytes for the size of the pool, then operations of two bytes: allocate some size at
 * either end, release a range, or reclaim a part of a backed range. After each operation all
 * promises of range.h are checked: ranges do not overlap, lie at the requested end, free neighbors
 * are merged, a request that certainly fits succeeds, and released ranges are backed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "input.h"
#include "mem/range.h"

#define MAX_LIVE 64

static struct ipcbus_range_pool pool;
static struct ipcbus_range whole; /* always the first of the chain */
static struct ipcbus_range *live[MAX_LIVE];
static unsigned int n_live;
static u32 total;

#define must(condition)                                                                \
	do {                                                                           \
		if (!(condition)) {                                                    \
			fprintf(stderr, "range: line %d: %s\n", __LINE__, #condition); \
			abort();                                                       \
		}                                                                      \
	} while (0)

/* The hull of a free range lies within it. Returns its size. */
static u32 check_backed(const struct ipcbus_range *range)
{
	if (range->used)
		return 0;
	must(range->start <= range->backed_start && range->backed_start <= range->backed_end);
	must(range->backed_end <= range->start + range->size);
	return range->backed_end - range->backed_start;
}

/* The chain covers everything, and agrees with the model. Returns the largest free range. */
static u32 check_chain(void)
{
	const struct ipcbus_range *range = &whole;
	u32 at = 0, largest = 0, backed = 0, left = 0;
	unsigned int used = 0;

	for (; range; range = range->after) {
		must(range->start == at && range->size);
		must(!range->after || range->after->before == range);
		must(range->used || !range->after || range->after->used);
		backed += check_backed(range);
		left += range->used ? 0 : range->size;
		used += range->used;
		if (!range->used && range->size > largest)
			largest = range->size;
		at += range->size;
	}
	must(at == total && used == n_live && backed == pool.backed && left == pool.left);
	return largest;
}

/* Backed ranges come first in a list. */
static void check_list(struct list_head *first)
{
	struct list_head *link = first;
	bool backed = true;

	if (!first)
		return;
	do {
		const struct ipcbus_range *range = list_entry(link, struct ipcbus_range, link);

		must(!range->used);
		must(backed || range->backed_start == range->backed_end);
		backed = range->backed_start != range->backed_end;
		link = link->next;
	} while (link != first);
}

/* Both levels of bits tell for each list whether it is empty. */
static void check_lists(void)
{
	for (int fl = 0; fl < IPCBUS_RANGE_FL_COUNT; fl++) {
		must(!(pool.fl_bitmap & 1U << fl) == !pool.sl_bitmap[fl]);
		for (int sl = 0; sl < IPCBUS_RANGE_SL_COUNT; sl++) {
			must(!(pool.sl_bitmap[fl] & 1U << sl) == !pool.free[fl][sl]);
			check_list(pool.free[fl][sl]);
		}
	}
}

static bool is_live(const struct ipcbus_range *range)
{
	for (unsigned int i = 0; i < n_live; i++)
		if (live[i] == range)
			return true;
	return false;
}

static void allocate(u32 size, bool at_end, u32 largest)
{
	struct ipcbus_range *spare = malloc(sizeof(*spare)), *range, *mine = spare;

	range = ipcbus_range_alloc(&pool, size, at_end, &spare);
	/* "Any free range 1/8 larger is found surely." */
	must(range || largest < size + size / 8 + 1);
	must(!range || size <= largest);
	if (range) {
		must(range->used && range->size == size && !is_live(range));
		must(!spare || spare == mine);
		if (!spare)
			must(at_end ? range->before && !range->before->used :
				      range->after && !range->after->used);
		live[n_live++] = range;
	}
	free(spare);
}

static void free_unused(struct ipcbus_range *unused[2], int n)
{
	must(n >= 0 && n <= 2);
	for (int j = 0; j < n; j++) {
		must(unused[j] && unused[j] != &whole && !is_live(unused[j]));
		free(unused[j]);
	}
}

/* Returns whether all of it is in the hull of the free range that contains it now. */
static bool is_backed(u32 start, u32 end)
{
	for (const struct ipcbus_range *range = &whole; range; range = range->after)
		if (!range->used && range->start <= start && range->start + range->size >= end)
			return range->backed_start <= start && range->backed_end >= end;
	return false;
}

static void release(unsigned int i)
{
	u32 start = live[i]->start, end = start + live[i]->size;
	struct ipcbus_range *unused[2] = { NULL, NULL }, *mine = live[i];

	live[i] = live[--n_live];
	free_unused(unused, ipcbus_range_free(&pool, mine, unused));
	must(is_backed(start, end));
}

/* Marks a part of the largest class of backed ranges as not backed. */
static void reclaim_range(unsigned int log, u8 part)
{
	struct ipcbus_range *range = ipcbus_range_take_backed(&pool, 1U << log);
	struct ipcbus_range *unused[2] = { NULL, NULL };
	u32 backed;

	if (!range)
		return;
	must(range->used && range->size >= 1U << log && range->backed_end > range->backed_start);
	backed = range->backed_end - range->backed_start;
	range->backed_start += part % 4 ? backed / (part % 4) : backed;
	free_unused(unused, ipcbus_range_put_reclaimed(&pool, range, unused));
}

static u32 size_of(uint8_t kind, uint8_t value)
{
	switch (kind % 4) {
	case 0:
		return value % 32 + 1;
	case 1:
		return value + 1;
	case 2:
		return (value + 1) << (kind / 4 % 17);
	default:
		return total / (value + 1) + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	u32 largest;

	total = (input_byte(&input) + 1U) << input_byte(&input) % 17;
	n_live = 0;
	ipcbus_range_init(&pool, &whole, total);
	largest = check_chain();
	while (!input_ended(&input)) {
		uint8_t what = input_byte(&input), value = input_byte(&input);

		if (what % 32 == 30)
			reclaim_range(what / 32, value);
		else if (what & 1 && n_live < MAX_LIVE)
			allocate(size_of(what >> 2, value), what & 2, largest);
		else if (n_live)
			release(value % n_live);
		largest = check_chain();
		check_lists();
	}
	while (n_live)
		release(n_live - 1);
	must(check_chain() == total);
	return 0;
}
