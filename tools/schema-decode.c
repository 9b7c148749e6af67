// SPDX-License-Identifier: MIT
/*
 * Converts the bytes of a message to JSON, in the format of schema-encode.c. Both type and bytes
 * are untrusted. Like libipc, it uses the last value of a field, joins the parts of a message that
 * occurs more than once, and refuses a message with a known field whose encoding does not match its
 * type.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>


#include "json.h"
#include "schema-private.h"

/* Maximum number of examined fields, and of values in addition to one per byte. */
#define MAX_STEPS ((size_t)1 << 26)
#define MAX_VALUES ((size_t)1 << 20)

/**
 * struct decoder - state of a conversion
 * @received: the message with its entries; NULL for the payload of a record
 * @taken: entries that a field has taken, one bit each
 * @steps: remaining steps
 * @values: remaining values
 */
struct decoder {
	const struct ipc_raw_message *received;
	uint64_t taken;
	size_t steps;
	size_t values;
};

static json_t *decode(struct decoder *decoder, const struct schema_type *type, struct wire wire,
		      unsigned int depth);

/* Returns true if all fields can be read. Reads them once for each field of the type. */
static bool is_sound(struct decoder *decoder, const struct schema_type *type, struct wire wire)
{
	struct wire_field field;
	size_t n = 1, steps;
	int r;

	while ((r = wire_next(&wire, &field)) > 0)
		n += field.n_read;
	if (r < 0 || __builtin_mul_overflow(n, type->n_fields + 1, &steps) ||
	    steps > decoder->steps)
		return false;
	decoder->steps -= steps;
	return true;
}

/* --- Numbers and text --------------------------------------------------------------- */

static json_t *real_to_json(double value)
{
	if (isnan(value))
		return json_string("NaN");
	if (isinf(value))
		return json_string(value < 0 ? "-Infinity" : "Infinity");
	return json_real(value);
}

static json_t *enum_to_json(const Google__Protobuf__EnumDescriptorProto *type, int32_t value)
{
	for (size_t i = 0; i < type->n_value; i++)
		if (type->value[i]->number == value)
			return json_string(type->value[i]->name);
	return json_integer(value);
}

/* jansson has signed 64-bit integers. */
static json_t *integer_to_json(enum field_type type, uint64_t bits)
{
	const struct field_kind *kind = &field_kinds[type];
	char text[32];

	if (kind->max <= UINT32_MAX)
		bits = (uint32_t)bits;
	if (type == FIELD_SINT32 || type == FIELD_SINT64)
		bits = wire_unzigzag(bits);
	if (kind->max == INT32_MAX)
		return json_integer((int32_t)bits);
	if (kind->min || bits <= INT64_MAX)
		return json_integer((json_int_t)bits);
	snprintf(text, sizeof(text), "%" PRIu64, bits);
	return json_string(text);
}

static json_t *bytes_to_json(struct wire bytes)
{
	return base64_encode(bytes.at, bytes.end - bytes.at);
}

/* --- Files and objects ------------------------------------------------------- */

/* Takes the first entry of the kind that no field has taken. Returns it, or NULL. */
static struct ipc_raw_entry *take_entry(struct decoder *decoder, bool is_fd, uint64_t tag)
{
	const struct ipc_raw_message *received = decoder->received;

	for (size_t i = 0; i < received->n_entries; i++) {
		struct ipc_raw_entry *entry = &received->entries[i];

		if (decoder->taken >> i & 1 || entry->tag != tag ||
		    (entry->type == IPC_RAW_FD) != is_fd)
			continue;
		decoder->taken |= UINT64_C(1) << i;
		return entry;
	}
	return NULL;
}

/* Finds the last field with this number. Only for messages with few fields. */
static bool find_one(struct wire wire, uint32_t number, unsigned int type,
		     struct wire_field *ret_field)
{
	struct wire_field field;
	bool found = false;

	while (wire_next(&wire, &field) > 0) {
		if (field.number != number || field.type != type)
			continue;
		*ret_field = field;
		found = true;
	}
	return found;
}

static json_t *fd_to_json(struct decoder *decoder, struct wire wire)
{
	const struct ipc_raw_entry *entry;
	struct wire_field field = { .value = wire_zigzag(-1) };
	int32_t fd;

	find_one(wire, 1, WIRE_VARINT, &field);
	fd = (int32_t)wire_unzigzag((uint32_t)field.value);
	if (decoder->received) {
		entry = fd < 0 ? NULL : take_entry(decoder, true, (uint64_t)fd);
		if (!entry)
			return NULL;
		fd = entry->fd;
	}
	return json_pack("{s:i}", "fd", (int)fd);
}

static json_t *object_to_json(struct decoder *decoder, struct wire wire)
{
	const struct ipc_raw_entry *entry;
	struct wire_field field = { 0 };
	uint64_t id;

	find_one(wire, 1, WIRE_64BIT, &field);
	id = field.value;
	if (decoder->received && id) {
		entry = take_entry(decoder, false, id);
		if (!entry)
			return NULL;
		if (entry->type == IPC_RAW_PROXY)
			id = ipc_proxy_id(entry->proxy);
		else if (!entry->object || ipc_object_id(entry->object, &id) < 0)
			id = 0;
	}
	return json_pack("{s:I}", "object", (json_int_t)id);
}

/* --- Fields --------------------------------------------------------------------- */

static json_t *scalar_to_json(const struct schema_field *field, uint64_t bits)
{
	uint32_t low = bits;
	double real;
	float single;

	switch (field->type) {
	case FIELD_FLOAT:
		memcpy(&single, &low, sizeof(single));
		return real_to_json(single);
	case FIELD_DOUBLE:
		memcpy(&real, &bits, sizeof(real));
		return real_to_json(real);
	case FIELD_BOOL:
		return json_boolean(bits);
	case FIELD_ENUM:
		return enum_to_json(field->is->values, (int32_t)bits);
	default:
		return integer_to_json(field->type, bits);
	}
}

static json_t *nested_to_json(struct decoder *decoder, const struct schema_type *type,
			      struct wire wire, unsigned int depth)
{
	if (type->kind != KIND_PLAIN && !is_sound(decoder, type, wire))
		return NULL;
	switch (type->kind) {
	case KIND_FD:
		return fd_to_json(decoder, wire);
	case KIND_OBJECT:
		return object_to_json(decoder, wire);
	default:
		return decode(decoder, type, wire, depth + 1);
	}
}

static json_t *value_to_json(struct decoder *decoder, const struct schema_field *field,
			     const struct wire_field *from, unsigned int depth)
{
	if (!decoder->values)
		return NULL;
	decoder->values--;
	switch (field->type) {
	case FIELD_MESSAGE:
		return nested_to_json(decoder, field->is, from->bytes, depth);
	case FIELD_STRING:
		return base64_text(from->bytes.at, from->bytes.end - from->bytes.at);
	case FIELD_BYTES:
		return bytes_to_json(from->bytes);
	default:
		return scalar_to_json(field, from->value);
	}
}

/* Accepts packed and unpacked values, regardless of the description. */
static json_t *append(struct decoder *decoder, const struct schema_field *field,
		      struct wire_field *from, unsigned int depth, json_t *array)
{
	if (from->type == field->wire)
		return value_append(array, value_to_json(decoder, field, from, depth));
	if (from->type != WIRE_BYTES) {
		json_decref(array);
		return NULL;
	}
	while (array && from->bytes.at != from->bytes.end) {
		json_t *value = wire_take_value(&from->bytes, field->wire, &from->value) ?
					value_to_json(decoder, field, from, depth) : NULL;

		array = value_append(array, value);
	}
	return array;
}

static json_t *repeated_to_json(struct decoder *decoder, const struct schema_field *field,
				struct wire wire, unsigned int depth)
{
	json_t *array = json_array();
	struct wire_field from;

	while (array && wire_next(&wire, &from) > 0)
		if (from.number == field->number)
			array = append(decoder, field, &from, depth, array);
	return array;
}

static int by_number(const void *number, const void *field)
{
	uint32_t x = *(const uint32_t *)number, y = ((const struct schema_field *)field)->number;

	return x < y ? -1 : x > y;
}

static bool is_in_oneof(const struct schema_type *type, uint32_t number, int oneof)
{
	const struct schema_field *field = bsearch(&number, type->fields, type->n_fields,
						   sizeof(*field), by_number);

	return field && field->oneof == oneof;
}

/* Finds the effective value of a field. If a message occurs more than once, joins the parts in the
 * buffer. A later field of the same oneof overrides the value. Returns 1, 0 if there is no value,
 * or -EBADMSG. */
static int find(const struct schema_type *type, const struct schema_field *field,
		struct wire wire, struct wire_buffer *buffer, struct wire_field *ret_field)
{
	struct wire_field from;
	int found = 0;

	while (wire_next(&wire, &from) > 0) {
		if (from.number != field->number) {
			if (field->oneof < 0 || !is_in_oneof(type, from.number, field->oneof))
				continue;
			found = 0;
			buffer->size = 0;
			continue;
		}
		if (from.type != field->wire)
			return -EBADMSG;
		if (field->type == FIELD_MESSAGE) {
			wire_put(buffer, from.bytes.at, from.bytes.end - from.bytes.at);
			from.bytes = wire_of(buffer->data, buffer->size);
		}
		*ret_field = from;
		found = 1;
	}
	return buffer->failed ? -EBADMSG : found;
}

/* If the field is present, adds it to the object. Returns the object, or NULL if the field is
 * damaged. */
static json_t *set_field(struct decoder *decoder, const struct schema_type *type,
			 const struct schema_field *field, struct wire wire, unsigned int depth,
			 json_t *object)
{
	struct wire_buffer buffer = { 0 };
	struct wire_field from = { 0 };
	json_t *value = NULL;
	int found = 1;

	if (field->repeated) {
		value = repeated_to_json(decoder, field, wire, depth);
		found = !value || json_array_size(value);
	} else {
		found = find(type, field, wire, &buffer, &from);
		if (found > 0 || (found == 0 && field->implicit))
			value = value_to_json(decoder, field, &from, depth);
		if (found == 0 && (field->implicit || field->required))
			found = 1;
	}
	free(buffer.data);
	if (found)
		return value_set(object, field->name, value);
	json_decref(value);
	return object;
}

/* --- Messages ------------------------------------------------------------------- */

static json_t *decode(struct decoder *decoder, const struct schema_type *type, struct wire wire,
		      unsigned int depth)
{
	json_t *object;

	if (depth > SCHEMA_DEPTH || !is_sound(decoder, type, wire))
		return NULL;
	object = json_object();
	for (size_t i = 0; object && i < type->n_fields; i++)
		object = set_field(decoder, type, &type->fields[i], wire, depth, object);
	return object;
}

static json_t *decode_payload(struct decoder *decoder, const struct schema_type *type,
			      const void *data, size_t size)
{
	decoder->steps = MAX_STEPS;
	decoder->values = MAX_VALUES + size;
	if (ipc_payload_message(data, size, &data, &size) < 0)
		return NULL;
	return decode(decoder, type, wire_of(data, size), 0);
}

json_t *schema_decode(const struct schema_type *type, const void *data, size_t size)
{
	struct decoder decoder = { 0 };

	return decode_payload(&decoder, type, data, size);
}

json_t *schema_decode_received(const struct schema_type *type,
			       const struct ipc_raw_message *message)
{
	struct decoder decoder = { .received = message };

	return decode_payload(&decoder, type, message->data, message->size);
}
