// SPDX-License-Identifier: MIT
/*
 * Converts the bytes of a message to JSON, by protobuf's JSON mapping. Both type and bytes are
 * untrusted. The last value of a field counts. Parts of a message that occurs more than once are
 * joined. The decoder skips fields that the type lacks, fields with the encoding of another type,
 * and values that a closed enum lacks.
 *
 * The JSON differs from the mapping in two points, so that more messages have JSON. Text that
 * is not UTF-8 is in base64. The content of a google.protobuf.Any is in base64 if the service does
 * not describe its type.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "private.h"

/* Maximum number of examined fields, and of values in addition to one per byte. */
#define MAX_STEPS ((size_t)1 << 26)
#define MAX_VALUES ((size_t)1 << 20)

/**
 * struct decoder - state of a conversion
 * @received: the message with its entries; NULL for the payload of a record, and within a
 *	google.protobuf.Any, which has no entries
 * @all_fields: see SCHEMA_ALL_FIELDS
 * @taken: entries that a field has taken, one bit each
 * @steps: remaining steps
 * @values: remaining values
 */
struct decoder {
	const struct ipc_raw_message *received;
	bool all_fields;
	uint64_t taken;
	size_t steps;
	size_t values;
};

static json_t *content_to_json(struct decoder *decoder, const struct schema_type *type,
			       struct wire wire, unsigned int depth);

static bool take_steps(struct decoder *decoder, size_t steps)
{
	if (steps > decoder->steps)
		return false;
	decoder->steps -= steps;
	return true;
}

static bool take_json_value(struct decoder *decoder)
{
	if (!decoder->values)
		return false;
	decoder->values--;
	return true;
}

/* Returns true if all fields can be read. Takes the steps of the conversion, which reads all fields
 * once for each field of the type. */
static bool is_sound(struct decoder *decoder, const struct schema_type *type, struct wire wire)
{
	struct wire_field field;
	size_t n = 1, steps;
	int r;

	while ((r = wire_next(&wire, &field)) > 0)
		n += field.n_read;
	return r == 0 && !__builtin_mul_overflow(n, type->n_fields + 1, &steps) &&
	       take_steps(decoder, steps);
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

/* Returns a double with the fewest digits that read as the float, for value_write(). */
static json_t *float_to_json(float value)
{
	char text[32];
	int digits = 6;

	do
		snprintf(text, sizeof(text), "%.*g", digits, (double)value);
	while ((float)strtod(text, NULL) != value && ++digits <= 9);
	return real_to_json(strtod(text, NULL));
}

static json_t *enum_to_json(struct decoder *decoder, const struct schema_type *type, int32_t value)
{
	const char *name;

	if (!take_steps(decoder, type->values->n_value))
		return NULL;
	if (type->kind == KIND_NULL)
		return json_null();
	name = schema_value_name(type, value);
	return name ? json_string(name) : json_integer(value);
}

/* Returns an integer, of 64 bits as a string: many readers of JSON keep only 53 bits. */
static json_t *integer_to_json(enum field_type type, uint64_t bits)
{
	const struct field_kind *kind = &field_kinds[type];

	if (kind->max <= UINT32_MAX)
		bits = (uint32_t)bits;
	if (type == FIELD_SINT32 || type == FIELD_SINT64)
		bits = wire_unzigzag(bits);
	if (kind->max == INT32_MAX)
		return json_integer((int32_t)bits);
	if (kind->max == UINT32_MAX)
		return json_integer((json_int_t)bits);
	return kind->min ? json_sprintf("%" PRId64, (int64_t)bits) : json_sprintf("%" PRIu64, bits);
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

static json_t *scalar_to_json(struct decoder *decoder, const struct schema_field *field,
			      uint64_t bits)
{
	uint32_t low = bits;
	double real;
	float single;

	switch (field->type) {
	case FIELD_FLOAT:
		memcpy(&single, &low, sizeof(single));
		return float_to_json(single);
	case FIELD_DOUBLE:
		memcpy(&real, &bits, sizeof(real));
		return real_to_json(real);
	case FIELD_BOOL:
		return json_boolean(bits);
	case FIELD_ENUM:
		return enum_to_json(decoder, field->is, (int32_t)bits);
	default:
		return integer_to_json(field->type, bits);
	}
}

static json_t *value_to_json(struct decoder *decoder, const struct schema_field *field,
			     const struct wire_field *from, unsigned int depth)
{
	if (!take_json_value(decoder))
		return NULL;
	switch (field->type) {
	case FIELD_MESSAGE:
		return content_to_json(decoder, field->is, from->bytes, depth + 1);
	case FIELD_STRING:
		return base64_text(from->bytes.at, from->bytes.end - from->bytes.at);
	case FIELD_BYTES:
		return bytes_to_json(from->bytes);
	default:
		return scalar_to_json(decoder, field, from->value);
	}
}

/* Returns 1, 0 for a value that a closed enum lacks, or -EBADMSG after too many steps. */
static int has_known_value(struct decoder *decoder, const struct schema_field *field,
			   const struct wire_field *from)
{
	if (field->type != FIELD_ENUM || field->is->proto3)
		return 1;
	if (!take_steps(decoder, field->is->values->n_value))
		return -EBADMSG;
	return schema_has_value(field->is, (int32_t)from->value);
}

static json_t *append_value(struct decoder *decoder, const struct schema_field *field,
			    const struct wire_field *from, unsigned int depth, json_t *array)
{
	int r = has_known_value(decoder, field, from);

	return r ? value_append(array, r > 0 ? value_to_json(decoder, field, from, depth) : NULL) :
		   array;
}

/* Accepts packed and unpacked values, regardless of the description. */
static json_t *append(struct decoder *decoder, const struct schema_field *field,
		      struct wire_field *from, unsigned int depth, json_t *array)
{
	if (from->type == field->wire)
		return append_value(decoder, field, from, depth, array);
	if (from->type != WIRE_BYTES || field->wire == WIRE_GROUP)
		return array;
	while (array && from->bytes.at != from->bytes.end) {
		if (!wire_take_value(&from->bytes, field->wire, &from->value))
			return value_append(array, NULL);
		array = append_value(decoder, field, from, depth, array);
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

/* Returns the field of the type that an encoded field belongs to, or NULL. */
static const struct schema_field *field_of(const struct schema_type *type,
					   const struct wire_field *from)
{
	const struct schema_field *field = schema_field_at(type, from->number);

	return field && field->wire == from->type ? field : NULL;
}

/* Finds the effective value of a field. Joins the parts of a message in the buffer. A later field
 * of the same oneof overrides the value. Returns 1, 0 for a field without value, or -EBADMSG. */
static int find(struct decoder *decoder, const struct schema_type *type,
		const struct schema_field *field, struct wire wire, struct wire_buffer *buffer,
		struct wire_field *ret_field)
{
	const struct schema_field *of;
	struct wire_field from;
	int found = 0, r;

	while (wire_next(&wire, &from) > 0) {
		if (from.number != field->number && field->oneof < 0)
			continue;
		of = field_of(type, &from);
		if (!of || (of != field && of->oneof != field->oneof))
			continue;
		r = has_known_value(decoder, of, &from);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (of != field) {
			found = 0;
			buffer->size = 0;
			continue;
		}
		if (field->type == FIELD_MESSAGE) {
			wire_put(buffer, from.bytes.at, from.bytes.end - from.bytes.at);
			from.bytes = wire_of(buffer->data, buffer->size);
		}
		*ret_field = from;
		found = 1;
	}
	return buffer->failed ? -EBADMSG : found;
}

/* --- Maps --------------------------------------------------------------------------- */

/* Returns the JSON of the key or value of an entry. A missing part is zero or empty. */
static json_t *part_to_json(struct decoder *decoder, const struct schema_type *entry, size_t part,
			    struct wire wire, unsigned int depth)
{
	const struct schema_field *field = &entry->fields[part];
	struct wire_buffer buffer = { 0 };
	struct wire_field from = { 0 };
	json_t *value = NULL;

	if (find(decoder, entry, field, wire, &buffer, &from) >= 0)
		value = value_to_json(decoder, field, &from, depth);
	free(buffer.data);
	return value;
}

/* Returns the key of an entry as a string. */
static json_t *key_to_json(struct decoder *decoder, const struct schema_type *entry,
			   struct wire wire, unsigned int depth)
{
	json_t *key = part_to_json(decoder, entry, 0, wire, depth), *text;

	if (!key || json_is_string(key))
		return key;
	text = json_is_boolean(key) ? json_string(json_is_true(key) ? "true" : "false") :
				      json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(key));
	json_decref(key);
	return text;
}

/* Returns 1, 0 for an entry with a value that a closed enum lacks, or -EBADMSG. */
static int is_known_entry(struct decoder *decoder, const struct schema_type *entry,
			  struct wire wire)
{
	struct wire_field value;

	if (!find_one(wire, 2, WIRE_VARINT, &value))
		return 1;
	return has_known_value(decoder, &entry->fields[1], &value);
}

static json_t *map_to_json(struct decoder *decoder, const struct schema_field *field,
			   struct wire wire, unsigned int depth)
{
	const struct schema_type *entry = field->is;
	json_t *object = json_object(), *key;
	struct wire_field from;
	int known;

	while (object && wire_next(&wire, &from) > 0) {
		if (from.number != field->number || from.type != field->wire)
			continue;
		known = depth < SCHEMA_DEPTH && is_sound(decoder, entry, from.bytes) ?
				is_known_entry(decoder, entry, from.bytes) : -EBADMSG;
		if (!known)
			continue;
		key = known < 0 ? NULL : key_to_json(decoder, entry, from.bytes, depth + 1);
		if (!key || json_object_setn_new(object, json_string_value(key),
						 json_string_length(key),
						 part_to_json(decoder, entry, 1, from.bytes,
							      depth + 1)) < 0) {
			json_decref(object);
			object = NULL;
		}
		json_decref(key);
	}
	return object;
}

/* --- Messages ------------------------------------------------------------------- */

/* Returns the JSON of a repeated field or map, or NULL. */
static json_t *elements_to_json(struct decoder *decoder, const struct schema_field *field,
				struct wire wire, unsigned int depth)
{
	if (!take_json_value(decoder))
		return NULL;
	return field->is && field->is->is_map ? map_to_json(decoder, field, wire, depth) :
						repeated_to_json(decoder, field, wire, depth);
}

/* Adds a present field to the object. Adds a missing field without presence only for
 * SCHEMA_ALL_FIELDS and for known_json(). Returns the object, or NULL for a damaged field. */
static json_t *set_field(struct decoder *decoder, const struct schema_type *type,
			 const struct schema_field *field, struct wire wire, unsigned int depth,
			 json_t *object)
{
	bool all = decoder->all_fields || type->kind != KIND_PLAIN;
	struct wire_buffer buffer = { 0 };
	struct wire_field from = { 0 };
	json_t *value = NULL;
	int found;

	if (field->repeated) {
		value = elements_to_json(decoder, field, wire, depth);
		found = !value || all || json_array_size(value) || json_object_size(value);
	} else {
		found = find(decoder, type, field, wire, &buffer, &from);
		if (found == 0 && field->required)
			found = -EBADMSG;
		if (found == 0)
			found = all && field->implicit;
		else if (found > 0 && field->implicit && !all)
			found = from.value || wire_size(&from.bytes);
		if (found > 0)
			value = value_to_json(decoder, field, &from, depth);
	}
	free(buffer.data);
	if (found)
		return value_set(object, field->json_name, value);
	json_decref(value);
	return object;
}

static json_t *fields_to_json(struct decoder *decoder, const struct schema_type *type,
			      struct wire wire, unsigned int depth)
{
	json_t *object;

	if (!is_sound(decoder, type, wire))
		return NULL;
	object = json_object();
	for (size_t i = 0; object && i < type->n_fields; i++)
		object = set_field(decoder, type, &type->fields[i], wire, depth, object);
	return object;
}

/* Returns the fields of the content and the URL of its type in "@type". The JSON of a type with its
 * own JSON is in "value". */
static json_t *any_to_json(struct decoder *decoder, const struct schema_type *any,
			   struct wire wire, unsigned int depth)
{
	const struct ipc_raw_message *received = decoder->received;
	struct wire_field url = { 0 }, content = { 0 };
	const struct schema_type *type;
	json_t *value;

	if (!is_sound(decoder, any, wire))
		return NULL;
	find_one(wire, 1, WIRE_BYTES, &url);
	find_one(wire, 2, WIRE_BYTES, &content);
	if (!wire_size(&url.bytes) && !wire_size(&content.bytes))
		return json_object();
	type = schema_any_type(any->schema, (const char *)url.bytes.at, wire_size(&url.bytes));
	decoder->received = NULL;
	value = type ? content_to_json(decoder, type, content.bytes, depth + 1) :
		       bytes_to_json(content.bytes);
	decoder->received = received;
	if (!type || type->kind != KIND_PLAIN)
		value = value_set(json_object(), "value", value);
	return value_set(value, "@type", base64_text(url.bytes.at, wire_size(&url.bytes)));
}

/* Returns the JSON of a message. */
static json_t *content_to_json(struct decoder *decoder, const struct schema_type *type,
			       struct wire wire, unsigned int depth)
{
	if (depth > SCHEMA_DEPTH)
		return NULL;
	switch (type->kind) {
	case KIND_ANY:
		return any_to_json(decoder, type, wire, depth);
	case KIND_FD:
		return is_sound(decoder, type, wire) ? fd_to_json(decoder, wire) : NULL;
	case KIND_OBJECT:
		return is_sound(decoder, type, wire) ? object_to_json(decoder, wire) : NULL;
	default:
		return known_json(type->kind, fields_to_json(decoder, type, wire, depth));
	}
}

static json_t *decode_payload(struct decoder *decoder, const struct schema_type *type,
			      const void *data, size_t size)
{
	decoder->steps = MAX_STEPS;
	decoder->values = MAX_VALUES + size;
	if (ipc_payload_message(data, size, &data, &size) < 0)
		return NULL;
	return content_to_json(decoder, type, wire_of(data, size), 0);
}

json_t *schema_decode(const struct schema_type *type, const void *data, size_t size,
		      unsigned int flags)
{
	struct decoder decoder = { .all_fields = flags & SCHEMA_ALL_FIELDS };

	return decode_payload(&decoder, type, data, size);
}

json_t *schema_decode_received(const struct schema_type *type,
			       const struct ipc_raw_message *message, unsigned int flags)
{
	struct decoder decoder = {
		.received = message,
		.all_fields = flags & SCHEMA_ALL_FIELDS,
	};

	return decode_payload(&decoder, type, message->data, message->size);
}
