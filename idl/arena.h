/* SPDX-License-Identifier: MIT */
/*
 * Memory of one run of the generator. Everything is allocated from one arena
 * and freed at once at the end, so nobody needs to say who owns what.
 *
 * Out of memory ends the program with a message: a generator that cannot hold
 * its input has nothing better to do, and nothing to tidy up.
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

/* Zeroed, never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t count, size_t size);
char *arena_strndup(struct arena *arena, const char *string, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* For protobuf_c_message_unpack(); what it frees stays until the end. */
ProtobufCAllocator arena_allocator(struct arena *arena);

void arena_done(struct arena *arena);

/* Says so on stderr and exits with 1. */
void out_of_memory(void) __attribute__((noreturn));

#endif /* IDL_ARENA_H */
