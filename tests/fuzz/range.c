// SPDX-License-Identifier: MIT
/*
 * The interval allocator of driver/range.c against a list of what is handed out.
 *
 * Input: two bytes say how large the pool is, then operations of two bytes:
 * allocate some size at either end, or give one back. After each operation all
 * that range.h promises is checked: ranges do not overlap, lie where they were
 * asked for, neighbours that are free are one, and nothing that surely fits is
 * refused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "input.h"
#include "range.h"

#define MAX_LIVE 64

static struct ipcbus_range_pool pool;
static struct ipcbus_range whole; /* the first of the chain, for ever */
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

/* The chain covers everything, and agrees with the model. Returns the largest free. */
static u32 check_chain(void)
{
	const struct ipcbus_range *range = &whole;
	u32 at = 0, largest = 0;
	unsigned int used = 0;

	for (; range; range = range->after) {
		must(range->start == at && range->size);
		must(!range->after || range->after->before == range);
		must(range->used || !range->after || range->after->used);
		used += range->used;
		if (!range->used && range->size > largest)
			largest = range->size;
		at += range->size;
	}
	must(at == total && used == n_live);
	return largest;
}

/* Both levels of bits say of each list whether it is empty. */
static void check_bitmaps(void)
{
	for (int fl = 0; fl < IPCBUS_RANGE_FL_COUNT; fl++) {
		must(!(pool.fl_bitmap & 1U << fl) == !pool.sl_bitmap[fl]);
		for (int sl = 0; sl < IPCBUS_RANGE_SL_COUNT; sl++)
			must(!(pool.sl_bitmap[fl] & 1U << sl) == hlist_empty(&pool.free[fl][sl]));
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

static void give_back(unsigned int i)
{
	struct ipcbus_range *unused[2] = { NULL, NULL };
	int n = ipcbus_range_free(&pool, live[i], unused);

	must(n >= 0 && n <= 2);
	live[i] = live[--n_live];
	for (int j = 0; j < n; j++) {
		must(unused[j] && unused[j] != &whole && !is_live(unused[j]));
		free(unused[j]);
	}
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

		if (what & 1 && n_live < MAX_LIVE)
			allocate(size_of(what >> 2, value), what & 2, largest);
		else if (n_live)
			give_back(value % n_live);
		largest = check_chain();
		check_bitmaps();
	}
	while (n_live)
		give_back(n_live - 1);
	must(check_chain() == total);
	return 0;
}
