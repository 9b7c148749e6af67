/* SPDX-License-Identifier: MIT */
/*
 * Memory of one run of the generator. All memory is allocated from one arena and freed together at
 * the end, so functions need no rules of ownership.
 *
 * If memory runs out, the program prints a message and exits.
 */
#ifndef IDL_ARENA_H
#define IDL_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
};

/* These functions return zeroed memory, never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t count, size_t size);
char *arena_strndup(struct arena *arena, const char *string, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* For protobuf_c_message_unpack(). Its free function has no effect. */
ProtobufCAllocator arena_allocator(struct arena *arena);

void arena_done(struct arena *arena);

/* Prints a message and exits with 1. */
void out_of_memory(void) __attribute__((noreturn));

#endif /* IDL_ARENA_H */
