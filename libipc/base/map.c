// SPDX-License-Identifier: MIT
/*
 * A map from 64-bit numbers to pointers. See map.h; used under the lock of a
 * connection.
 */
#include <errno.h>
#include <stdlib.h>

#include "map.h"

#define MAP_MIN_SLOTS	8

static void map_put(struct map *map, uint64_t key, void *value)
{
	size_t i = map_hash(map, key);

	while (map->slots[i].value)
		i = (i + 1) & (map->n_slots - 1);
	map->slots[i] = (struct map_slot){ .key = key, .value = value };
}

static int map_grow(struct map *map)
{
	struct map old = *map;

	map->n_slots = old.n_slots ? old.n_slots * 2 : MAP_MIN_SLOTS;
	map->slots = calloc(map->n_slots, sizeof(*map->slots));
	if (!map->slots) {
		*map = old;
		return -ENOMEM;
	}

	for (size_t i = 0; i < old.n_slots; i++)
		if (old.slots[i].value)
			map_put(map, old.slots[i].key, old.slots[i].value);
	free(old.slots);
	return 0;
}

int map_add(struct map *map, uint64_t key, void *value)
{
	int r;

	if ((map->count + 1) * 2 > map->n_slots) {
		r = map_grow(map);
		if (r < 0)
			return r;
	}
	map_put(map, key, value);
	map->count++;
	return 0;
}

/*
 * Empties slot i. A collision may have pushed the entries after i past it: move back each entry
 * whose own place is not behind the hole.
 */
static void map_close_gap(struct map *map, size_t hole)
{
	size_t mask = map->n_slots - 1;

	for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
		size_t home = map_hash(map, map->slots[i].key);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole].value = NULL;
}

void *map_remove(struct map *map, uint64_t key)
{
	size_t mask = map->n_slots - 1;
	void *value;

	if (!map->count)
		return NULL;

	for (size_t i = map_hash(map, key); map->slots[i].value; i = (i + 1) & mask) {
		if (map->slots[i].key != key)
			continue;
		value = map->slots[i].value;
		map_close_gap(map, i);
		map->count--;
		return value;
	}
	return NULL;
}

void *map_next(const struct map *map, size_t *place, uint64_t *ret_key)
{
	while (*place < map->n_slots) {
		const struct map_slot *slot = &map->slots[(*place)++];

		if (!slot->value)
			continue;
		*ret_key = slot->key;
		return slot->value;
	}
	return NULL;
}

void *map_first(const struct map *map, uint64_t *ret_key)
{
	size_t place = 0;

	return map_next(map, &place, ret_key);
}

void map_done(struct map *map)
{
	free(map->slots);
	*map = (struct map){ 0 };
}
