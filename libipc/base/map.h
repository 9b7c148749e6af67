/* SPDX-License-Identifier: MIT */
/*
 * A map from 64-bit numbers to pointers: the tables of a connection.
 *
 * Open addressing in one array, at most half full. The caller must hold the owner's lock. An empty
 * map is all zeroes and needs no memory.
 */
#ifndef IPC_MAP_H
#define IPC_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key;
	void *value;		/* NULL: the slot is free */
};

struct map {
	struct map_slot *slots;
	size_t n_slots;		/* a power of two, or 0 */
	size_t count;
};

static inline size_t map_hash(const struct map *map, uint64_t key)
{
	/* Keys are mostly small and consecutive: spread them (Fibonacci). */
	return (key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (map->n_slots - 1);
}

/* Returns the value of the key, or NULL. */
static inline void *map_get(const struct map *map, uint64_t key)
{
	if (!map->count)
		return NULL;

	for (size_t i = map_hash(map, key); map->slots[i].value;
	     i = (i + 1) & (map->n_slots - 1))
		if (map->slots[i].key == key)
			return map->slots[i].value;
	return NULL;
}

/* Adds a key, which must not be in the map. Returns 0 or -ENOMEM. */
int map_add(struct map *map, uint64_t key, void *value);
/* Removes a key. Returns its value, or NULL. */
void *map_remove(struct map *map, uint64_t key);
/* Returns any value, or NULL if the map is empty. */
void *map_first(const struct map *map, uint64_t *ret_key);
/* Returns the next value from *place on, which must be 0 at first; NULL at the end. If the map has
 * changed since the previous call, values may be missed or repeated. */
void *map_next(const struct map *map, size_t *place, uint64_t *ret_key);
void map_done(struct map *map);

#endif /* IPC_MAP_H */
