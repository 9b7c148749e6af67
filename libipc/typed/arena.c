// SPDX-License-Identifier: MIT
/*
 * The arena of an unpacked message. See arena.h. Only one thread at a time may use it. Single
 * pieces are never freed: the arena lives as long as its message.
 */
#include <errno.h>
#include <stdlib.h>

#include "arena.h"

#define ARENA_CHUNK_MIN		((size_t)4096)
#define ARENA_CHUNK_MAX		((size_t)1 << 20)

struct arena_chunk {
	struct arena_chunk *older;
	size_t size;
	uint8_t data[] __attribute__((aligned(8)));
};

/* Adds a chunk: twice as large as the previous chunk, and large enough for this allocation. */
static int arena_grow(struct arena *arena, size_t size)
{
	size_t want = arena->chunks ? arena->chunks->size * 2 : ARENA_CHUNK_MIN;
	struct arena_chunk *chunk;

	if (want > ARENA_CHUNK_MAX)
		want = ARENA_CHUNK_MAX;
	if (want < size)
		want = size;
	chunk = malloc(sizeof(*chunk) + want);
	if (!chunk)
		return -ENOMEM;

	chunk->older = arena->chunks;
	chunk->size = want;
	arena->chunks = chunk;
	arena->next = chunk->data;
	arena->end = chunk->data + want;
	return 0;
}

void *arena_alloc_more(struct arena *arena, size_t size)
{
	void *piece;

	if (__builtin_expect(size > arena->budget, 0)) {
		arena->error = -EMSGSIZE;
		return NULL;
	}
	/* The budget is far below SIZE_MAX: this cannot overflow. */
	size = (size + 7) & ~(size_t)7;
	if (__builtin_expect(size > (size_t)(arena->end - arena->next), 0)) {
		arena->error = arena_grow(arena, size);
		if (arena->error < 0)
			return NULL;
	}
	arena->budget -= size < arena->budget ? size : arena->budget;

	piece = arena->next;
	arena->next += size;
	return piece;
}

size_t arena_memory(const struct arena *arena)
{
	size_t size = 0;

	for (const struct arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->older)
		size += sizeof(*chunk) + chunk->size;
	return size;
}

void arena_done(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *chunk = arena->chunks;

		arena->chunks = chunk->older;
		free(chunk);
	}
	arena->next = arena->end = NULL;
}
