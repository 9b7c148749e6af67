/* SPDX-License-Identifier: MIT */
/*
 * Memory of one unpacked message: handed out piece by piece, freed at once.
 *
 * protobuf-c allocates from it through the allocator in front. The first bytes
 * come from a block of the owner's, so that a usual message needs no memory of
 * its own; further ones from chunks of growing size. What may be handed out in
 * all is limited, because the payload that asks for it is a stranger's.
 */
#ifndef IPC_ARENA_H
#define IPC_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
	ProtobufCAllocator allocator;
	uint8_t *next;			/* free bytes of the present chunk */
	uint8_t *end;
	size_t budget;			/* bytes that may still be handed out */
	struct arena_chunk *chunks;	/* newest first */
	int error;			/* why an allocation failed: -EMSGSIZE, -ENOMEM */
};

/* block: aligned to 8 bytes, the owner's. */
void arena_init(struct arena *arena, void *block, size_t block_size, size_t budget);
/* 8-byte aligned, not cleared; NULL and arena->error when that is too much. */
void *arena_alloc(struct arena *arena, size_t size);
void arena_done(struct arena *arena);

#endif /* IPC_ARENA_H */
