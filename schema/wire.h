/* SPDX-License-Identifier: MIT */
/*
 * Writes the fields of a message in protobuf's wire format. libipc reads them: base/wire.h.
 */
#ifndef SCHEMA_WIRE_H
#define SCHEMA_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../libipc/base/wire.h"

/**
 * struct wire_buffer - a message that is being written
 * @data: @size bytes in memory for @capacity; the owner must free it
 * @failed: memory was short, so later bytes are missing
 */
struct wire_buffer {
	uint8_t *data;
	size_t size;
	size_t capacity;
	bool failed;
};

void wire_put(struct wire_buffer *buffer, const void *data, size_t size);
void wire_put_value(struct wire_buffer *buffer, unsigned int type, uint64_t value);
void wire_put_tag(struct wire_buffer *buffer, uint32_t number, unsigned int type);
/* Writes a field of type WIRE_BYTES. */
void wire_put_field(struct wire_buffer *buffer, uint32_t number, const void *data, size_t size);

/* Turns the bytes from begin to the end of the buffer into the content of a field, which is
 * WIRE_BYTES or a WIRE_GROUP. */
void wire_wrap(struct wire_buffer *buffer, size_t begin, uint32_t number, unsigned int type);

/* Returns a copy of the bytes as a string, which ends at the first NUL byte. If memory is short,
 * returns NULL. The caller must free it. */
char *wire_text(struct wire bytes);

#endif
