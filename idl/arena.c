// SPDX-License-Identifier: MIT
/*
 * The arena: a list of blocks, one for each allocation. All blocks are freed at the end.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

struct arena_block {
	struct arena_block *next;
	_Alignas(max_align_t) unsigned char data[];
};

void out_of_memory(void)
{
	fputs("protoc-gen-ipc: out of memory\n", stderr);
	exit(EXIT_FAILURE);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block =
		size > SIZE_MAX - sizeof(*block) ? NULL : calloc(1, sizeof(*block) + size);

	if (!block)
		out_of_memory();

	block->next = arena->blocks;
	arena->blocks = block;
	return block->data;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory();

	return arena_alloc(arena, bytes);
}

char *arena_strndup(struct arena *arena, const char *string, size_t length)
{
	char *copy = arena_array(arena, length + 1, 1);

	memcpy(copy, string, length);
	return copy;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	char *string, *copy;
	int length = vasprintf(&string, format, args);

	if (length < 0)
		out_of_memory();

	copy = arena_strndup(arena, string, (size_t)length);
	free(string);
	return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *string;

	va_start(args, format);
	string = arena_vprintf(arena, format, args);
	va_end(args);
	return string;
}

static void *allocator_alloc(void *data, size_t size)
{
	return arena_alloc(data, size);
}

static void allocator_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

ProtobufCAllocator arena_allocator(struct arena *arena)
{
	return (ProtobufCAllocator){
		.alloc = allocator_alloc,
		.free = allocator_free,
		.allocator_data = arena,
	};
}

void arena_done(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
}
