// SPDX-License-Identifier: MIT
/*
 * Blobs: see blob.h. The message is a stranger's. Blobs are in the order of a walk over the message
 * by field numbers, in which libipc counts them. What libipc would join or drop is refused: a
 * field that occurs twice and is no array, and two members of a oneof.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "blob.h"
#include "schema-private.h"

/* Fields that are looked at. */
#define MAX_STEPS ((size_t)1 << 24)

/* Fields of ipc.Blob. */
enum { BLOB_SIZE = 1, BLOB_DATA = 2 };

struct inliner {
	const struct target *target;
	struct wire blobs;  /* bytes beside the message that are left */
	size_t left;	    /* bytes that blobs may still have */
	size_t steps;
	struct wire_buffer *to;
};

/* --- One blob ----------------------------------------------------------------------------- */

static int put_beside(struct inliner *inliner, uint64_t size)
{
	size_t left = (size_t)(inliner->blobs.end - inliner->blobs.at);
	uint64_t aligned = (size + 7) & ~(uint64_t)7;

	if (size > left)
		return -EBADMSG;
	wire_put(inliner->to, inliner->blobs.at, size);
	inliner->blobs.at += aligned < left ? aligned : left;
	return 0;
}

static int put_blob(struct inliner *inliner, struct wire blob)
{
	const struct wire whole = blob;
	struct wire_field field;
	uint64_t size = 0;
	bool has_data = false;
	int r;

	while ((r = wire_next(&blob, &field)) > 0) {
		if (field.number == BLOB_SIZE && field.type == WIRE_VARINT && !has_data)
			size = field.value;
		if (field.number == BLOB_DATA && field.type == WIRE_BYTES) {
			has_data = true;
			size = (uint64_t)(field.bytes.end - field.bytes.at);
		}
	}
	if (r < 0)
		return r;
	if (size > inliner->left)
		return -EMSGSIZE;
	inliner->left -= size;
	if (has_data || !size) {
		wire_put(inliner->to, whole.at, (size_t)(whole.end - whole.at));
		return 0;
	}
	wire_put_tag(inliner->to, BLOB_DATA, WIRE_BYTES);
	wire_put_value(inliner->to, WIRE_VARINT, size);
	return put_beside(inliner, size);
}

/* --- Messages ----------------------------------------------------------------------------- */

static bool holds_blobs(const struct inliner *inliner, const struct schema_field *field)
{
	return field->type == FIELD_MESSAGE && target_has_blobs(inliner->target, field->is);
}

static const struct schema_field *find_field(const struct schema_type *type, uint32_t number)
{
	for (size_t i = 0; i < type->n_fields; i++)
		if (type->fields[i].number == number)
			return &type->fields[i];
	return NULL;
}

/* Whether no oneof has two members, one of which holds blobs. */
static bool has_no_rivals(const struct inliner *inliner, const struct schema_type *type,
			  struct wire wire)
{
	const struct schema_field *field, **members, *other;
	struct wire_field found;
	bool fine = true;

	if (!type->message->n_oneof_decl)
		return true;
	members = calloc(type->message->n_oneof_decl, sizeof(*members));
	if (!members)
		return false;
	while (fine && wire_next(&wire, &found) > 0) {
		field = find_field(type, found.number);
		if (!field || field->oneof < 0)
			continue;
		other = members[field->oneof];
		fine = !other || other == field ||
		       (!holds_blobs(inliner, field) && !holds_blobs(inliner, other));
		/* One that holds blobs is remembered. */
		if (!other || holds_blobs(inliner, field))
			members[field->oneof] = field;
	}
	free(members);
	return fine;
}

/* Whether all fields can be read, with so many steps. */
static bool is_sound(struct inliner *inliner, const struct schema_type *type, struct wire wire)
{
	const struct wire whole = wire;
	struct wire_field field;
	size_t n = 1, steps;
	int r;

	while ((r = wire_next(&wire, &field)) > 0)
		n += field.n_read;
	if (r < 0 || __builtin_mul_overflow(n, 3 * type->n_fields + 1, &steps) ||
	    steps > inliner->steps)
		return false;
	inliner->steps -= steps;
	return has_no_rivals(inliner, type, whole);
}

static int put_message(struct inliner *inliner, const struct schema_type *type, struct wire wire,
		       unsigned int depth);

/* A field with blobs, each time that it occurs. */
static int put_field(struct inliner *inliner, const struct schema_field *field, struct wire wire,
		     unsigned int depth)
{
	struct wire_field found;
	unsigned int n = 0;
	size_t begin;
	int r = 0;

	while (r == 0 && wire_next(&wire, &found) > 0) {
		if (found.number != field->number)
			continue;
		if (found.type != field->wire || (n++ && !field->repeated))
			return -EBADMSG;
		begin = inliner->to->size;
		r = field->is->kind == KIND_BLOB ?
			    put_blob(inliner, found.bytes) :
			    put_message(inliner, field->is, found.bytes, depth + 1);
		wire_wrap_as(inliner->to, begin, field->number, field->wire);
	}
	return r;
}

/* Fields with blobs come first, by number. The order of fields means nothing. */
static int put_message(struct inliner *inliner, const struct schema_type *type, struct wire wire,
		       unsigned int depth)
{
	const struct schema_field *field;
	struct wire_field found;
	const uint8_t *at;
	int r = 0;

	if (depth > SCHEMA_DEPTH || !is_sound(inliner, type, wire))
		return -EBADMSG;
	for (size_t i = 0; r == 0 && i < type->n_fields; i++)
		if (holds_blobs(inliner, &type->fields[i]))
			r = put_field(inliner, &type->fields[i], wire, depth);
	for (at = wire.at; r == 0 && wire_next(&wire, &found) > 0; at = wire.at) {
		field = find_field(type, found.number);
		if (!field || !holds_blobs(inliner, field))
			wire_put(inliner->to, at, (size_t)(wire.at - at));
	}
	return r;
}

int blob_inline(const struct target *target, const struct schema_type *type,
		const struct ipc_raw_message *received, size_t max, struct wire_buffer *to)
{
	struct inliner inliner = {
		.target = target,
		.left = max,
		.steps = MAX_STEPS,
		.to = to,
	};
	const void *message, *blobs = NULL;
	size_t size, blobs_size = 0;
	int r;

	r = ipc_payload_message(received->data, received->size, &message, &size);
	if (r == 0)
		r = ipc_payload_blobs(received->data, received->size, &blobs, &blobs_size);
	if (r < 0)
		return r;
	inliner.blobs = wire_of(blobs, blobs_size);
	r = put_message(&inliner, type, wire_of(message, size), 0);
	return r == 0 && to->failed ? -ENOMEM : r;
}
