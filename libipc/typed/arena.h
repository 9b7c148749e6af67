/* SPDX-License-Identifier: MIT */
/*
 * Memory of an unpacked message, allocated piece by piece and freed at once.
 *
 * The first bytes come from a block of the owner, so that a usual message needs no memory of its
 * own. Further bytes come from chunks of growing size.
 * A budget limits the total, because the payload that causes the allocations is not trusted.
 */
#ifndef IPC_ARENA_H
#define IPC_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
	uint8_t *next;			/* free bytes of the newest chunk */
	uint8_t *end;			/* aligned to 8 bytes */
	size_t budget;			/* bytes that may still be allocated */
	struct arena_chunk *chunks;	/* newest first */
	int error;			/* why an allocation failed: -EMSGSIZE, -ENOMEM */
};

/* The caller keeps ownership of block, which must be aligned to 8 bytes and live as long as the
 * arena. */
static inline void arena_init(struct arena *arena, void *block, size_t block_size, size_t budget)
{
	arena->next = (uint8_t *)block;
	arena->end = arena->next + (block_size & ~(size_t)7);
	arena->budget = budget;
	arena->chunks = NULL;
	arena->error = 0;
}

/* arena_alloc() where the newest chunk or the budget may not suffice. */
void *arena_alloc_more(struct arena *arena, size_t size);

/* Returns memory that is aligned to 8 bytes and not cleared. On failure returns NULL and
 * sets arena->error. */
static inline void *arena_alloc(struct arena *arena, size_t size)
{
	size_t aligned = (size + 7) & ~(size_t)7;
	void *piece = arena->next;

	if (__builtin_expect(aligned > (size_t)(arena->end - arena->next) ||
			     aligned > arena->budget || size > aligned, 0))
		return arena_alloc_more(arena, size);
	arena->budget -= aligned;
	arena->next += aligned;
	return piece;
}

/* Bytes of its chunks. */
size_t arena_memory(const struct arena *arena);
void arena_done(struct arena *arena);

#endif /* IPC_ARENA_H */
