// SPDX-License-Identifier: MIT
/*
 * Converts JSON to the bytes of a message, by protobuf's JSON mapping. schema.h describes objects
 * and fds. Both are messages with the tag of their entry in field 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "private.h"

/**
 * struct encoder - state of a conversion
 * @message: the result
 * @buffer: its bytes
 * @in_any: number of google.protobuf.Any around the message
 */
struct encoder {
	struct schema_message *message;
	struct wire_buffer buffer;
	unsigned int in_any;
};

static int put_content(struct encoder *encoder, const struct schema_field *field,
		       const struct schema_type *type, const json_t *json, unsigned int depth);

/* Describes the first problem and returns -EINVAL. field: without a name, the whole message. */
static int fail(struct encoder *encoder, const struct schema_field *field, const char *what)
{
	struct schema_message *message = encoder->message;

	if (!message->what[0])
		snprintf(message->what, sizeof(message->what), "%s%s%s", field->name ?: "",
			 field->name ? ": " : "", what);
	return -EINVAL;
}

/* --- Numbers -------------------------------------------------------------------- */

/* Accepts numbers in strings as well. Returns a new reference, or NULL. */
static json_t *get_number(const json_t *json)
{
	return value_is_string(json) ? value_of_number(json) : json_incref((json_t *)json);
}

/* Accepts only integers, such as 1e5. */
static bool real_to_integer(double real, uint64_t *ret_value)
{
	if (real != floor(real) || real < -0x1p63 || real >= 0x1p64)
		return false;
	*ret_value = real < 0 ? (uint64_t)(int64_t)real : (uint64_t)real;
	return true;
}

static bool number_to_integer(const json_t *number, uint64_t *ret_value, bool *ret_negative)
{
	const char *text = value_integer_text(number);
	char *end;

	*ret_negative = json_number_value(number) < 0;
	if (json_is_real(number))
		return real_to_integer(json_real_value(number), ret_value);
	*ret_value = (uint64_t)json_integer_value(number);
	if (json_is_integer(number) || !text)
		return json_is_integer(number);
	errno = 0;
	*ret_value = strtoull(text, &end, 10);
	return *text != '-' && !errno && !*end;
}

static int get_integer(const struct field_kind *kind, const json_t *json, uint64_t *ret_value)
{
	json_t *number = get_number(json);
	bool negative, valid = number_to_integer(number, ret_value, &negative);

	json_decref(number);
	if (!valid)
		return -EINVAL;
	if (negative)
		return (int64_t)*ret_value < kind->min ? -EINVAL : 0;
	return *ret_value > kind->max ? -EINVAL : 0;
}

static bool get_infinity(const json_t *json, double *ret_value)
{
	const char *text = value_string(json);

	if (!text)
		return false;
	if (!strcmp(text, "NaN"))
		*ret_value = NAN;
	else if (!strcmp(text, "Infinity") || !strcmp(text, "-Infinity"))
		*ret_value = *text == 'I' ? INFINITY : -INFINITY;
	else
		return false;
	return true;
}

/* Returns 0, -EINVAL, or -ERANGE for a number that is too large for the type. */
static int get_real(const json_t *json, bool single, double *ret_value)
{
	const char *text;
	json_t *number;
	bool valid;

	if (get_infinity(json, ret_value))
		return 0;
	number = get_number(json);
	text = value_integer_text(number);
	*ret_value = text ? strtod(text, NULL) : json_number_value(number);
	valid = text || json_is_number(number);
	json_decref(number);
	if (!valid)
		return -EINVAL;
	return isinf(single ? (float)*ret_value : *ret_value) ? -ERANGE : 0;
}

static int get_enum(const struct schema_type *type, const json_t *json, uint64_t *ret_value)
{
	const Google__Protobuf__EnumDescriptorProto *values = type->values;
	const char *name = value_string(json);

	if (type->kind == KIND_NULL && json_is_null(json)) {
		*ret_value = 0;
		return 0;
	}
	if (!json_is_string(json)) {
		if (get_integer(&field_kinds[FIELD_INT32], json, ret_value) < 0)
			return -EINVAL;
		return schema_has_value(type, (int32_t)*ret_value) ? 0 : -EINVAL;
	}
	for (size_t i = 0; name && i < values->n_value; i++) {
		if (strcmp(values->value[i]->name, name) != 0)
			continue;
		*ret_value = (uint64_t)values->value[i]->number;
		return 0;
	}
	return -EINVAL;
}

/* Returns the bits of a number, bool or enum on the wire. */
static int get_scalar(struct encoder *encoder, const struct schema_field *field,
		      const json_t *json, uint64_t *ret_bits)
{
	double real = 0;
	uint32_t low;
	float single;
	int r;

	switch (field->type) {
	case FIELD_FLOAT:
	case FIELD_DOUBLE:
		r = get_real(json, field->type == FIELD_FLOAT, &real);
		if (r < 0)
			return fail(encoder, field, r == -ERANGE ?
				    "the number is too large for the type" : "expected a number");
		single = (float)real;
		memcpy(&low, &single, sizeof(low));
		memcpy(ret_bits, &real, sizeof(real));
		if (field->type == FIELD_FLOAT)
			*ret_bits = low;
		return 0;
	case FIELD_BOOL:
		*ret_bits = json_is_true(json);
		return json_is_boolean(json) ? 0 : fail(encoder, field, "expected true or false");
	case FIELD_ENUM:
		if (get_enum(field->is, json, ret_bits) < 0)
			return fail(encoder, field, "no such value of the enum");
		return 0;
	default:
		if (get_integer(&field_kinds[field->type], json, ret_bits) < 0)
			return fail(encoder, field, "expected a number that fits the type");
		if (field->type == FIELD_SINT32 || field->type == FIELD_SINT64)
			*ret_bits = wire_zigzag((int64_t)*ret_bits);
		return 0;
	}
}

/* --- Files and objects ------------------------------------------------------- */

static int open_file(const char *path)
{
	if (!strcmp(path, "-"))
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (*path == '>')
		return open(path + 1, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void put_entry(struct encoder *encoder, struct ipc_raw_entry entry)
{
	encoder->message->entries[encoder->message->raw.n_entries++] = entry;
}

static int put_fd(struct encoder *encoder, const struct schema_field *field, const json_t *json)
{
	char what[200];
	int fd;

	if (json_is_integer(json))
		fd = fcntl(json_integer_value(json), F_DUPFD_CLOEXEC, 3);
	else if (value_string(json))
		fd = open_file(value_string(json));
	else
		return fail(encoder, field, "expected a file: the number of an fd, or a path");
	if (fd < 0) {
		snprintf(what, sizeof(what), "cannot open %.100s: %s",
			 json_string_value(json) ?: "the fd", strerror(errno));
		encoder->message->wrong = SCHEMA_WRONG_OTHER;
		return fail(encoder, field, what);
	}
	put_entry(encoder, (struct ipc_raw_entry){ .tag = fd, .type = IPC_RAW_FD, .fd = fd });
	wire_put_tag(&encoder->buffer, 1, WIRE_VARINT);
	wire_put_value(&encoder->buffer, WIRE_VARINT, wire_zigzag(fd));
	return 0;
}

static int put_object(struct encoder *encoder, const struct schema_field *field,
		      const json_t *json)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_PROXY };
	char what[200];
	int r;

	if (!value_string(json) || !encoder->message->ipc)
		return fail(encoder, field, "expected an object: the name of a service");
	r = ipc_proxy_get(encoder->message->ipc, json_string_value(json), NULL, &entry.proxy);
	if (r < 0) {
		snprintf(what, sizeof(what), "%.100s: %s", json_string_value(json), ipc_strerror(r));
		encoder->message->wrong =
			r == -ENOENT ? SCHEMA_WRONG_NAME : SCHEMA_WRONG_OTHER;
		return fail(encoder, field, what);
	}
	entry.tag = ipc_proxy_id(entry.proxy);
	put_entry(encoder, entry);
	wire_put_tag(&encoder->buffer, 1, WIRE_64BIT);
	wire_put_value(&encoder->buffer, WIRE_64BIT, entry.tag);
	return 0;
}

/* --- Values --------------------------------------------------------------------- */

/* Decodes a field of bytes. The caller must free the data. */
static int get_bytes(struct encoder *encoder, const struct schema_field *field, const json_t *json,
		     void **ret_data, size_t *ret_size)
{
	if (!value_is_string(json))
		return fail(encoder, field, "expected bytes as a base64 string");
	*ret_data = base64_decode(json, ret_size);
	return *ret_data ? 0 : fail(encoder, field, "not valid base64");
}

static int put_nested(struct encoder *encoder, const struct schema_field *field,
		      const json_t *json, unsigned int depth)
{
	size_t begin = encoder->buffer.size;
	int r;

	if (depth == SCHEMA_DEPTH)
		return fail(encoder, field, "nested too deeply");
	r = put_content(encoder, field, field->is, json, depth + 1);
	wire_wrap(&encoder->buffer, begin, field->number, field->wire);
	return r;
}

/* Writes a value. Omits a zero or empty proto3 field without presence. */
static int put_value(struct encoder *encoder, const struct schema_field *field, const json_t *json,
		     unsigned int depth)
{
	uint64_t bits = 0;
	void *data = NULL;
	size_t size = 0;
	int r;

	switch (field->type) {
	case FIELD_MESSAGE:
		return put_nested(encoder, field, json, depth);
	case FIELD_STRING:
		if (!value_is_string(json))
			return fail(encoder, field, "expected a string");
		size = json_string_length(json);
		if (size || !field->implicit)
			wire_put_field(&encoder->buffer, field->number, json_string_value(json),
				       size);
		return 0;
	case FIELD_BYTES:
		r = get_bytes(encoder, field, json, &data, &size);
		if (r < 0)
			return r;
		if (size || !field->implicit)
			wire_put_field(&encoder->buffer, field->number, data, size);
		free(data);
		return 0;
	default:
		r = get_scalar(encoder, field, json, &bits);
		if (r < 0 || (!bits && field->implicit))
			return r;
		if (!field->packed)
			wire_put_tag(&encoder->buffer, field->number, field->wire);
		wire_put_value(&encoder->buffer, field->wire, bits);
		return 0;
	}
}

/* Returns true if null is a value of the type. In other fields, null is a missing value. */
static bool has_null(const struct schema_field *field)
{
	return field->is && (field->is->kind == KIND_VALUE || field->is->kind == KIND_NULL);
}

static int put_element(struct encoder *encoder, const struct schema_field *field,
		       const json_t *json, unsigned int depth)
{
	if (json_is_null(json) && !has_null(field))
		return fail(encoder, field, "an element is null");
	return put_value(encoder, field, json, depth);
}

static int put_repeated(struct encoder *encoder, const struct schema_field *field,
			const json_t *json, unsigned int depth)
{
	size_t begin = encoder->buffer.size;
	int r = 0;

	if (!json_is_array(json))
		return fail(encoder, field, "expected an array");
	for (size_t i = 0; r == 0 && i < json_array_size(json); i++)
		r = put_element(encoder, field, json_array_get(json, i), depth);
	if (field->packed && json_array_size(json))
		wire_wrap(&encoder->buffer, begin, field->number, WIRE_BYTES);
	return r;
}

/* Writes the key of a map, which is a string in JSON, whatever its type. */
static int put_key(struct encoder *encoder, const struct schema_field *field, const char *key,
		   size_t size)
{
	bool is_true = size == 4 && !strcmp(key, "true");
	bool is_false = size == 5 && !strcmp(key, "false");
	json_t *json = field->type == FIELD_BOOL && (is_true || is_false) ?
			       json_boolean(is_true) : json_stringn(key, size);
	int r;

	if (!json)
		encoder->buffer.failed = true;
	r = json ? put_value(encoder, field, json, 0) : 0;
	json_decref(json);
	return r;
}

static int put_map(struct encoder *encoder, const struct schema_field *field, const json_t *json,
		   unsigned int depth)
{
	struct schema_field key = field->is->fields[0], value = field->is->fields[1];
	const char *name;
	json_t *element;
	size_t size;
	int r;

	/* Messages name the map, not the fields of its entry. */
	key.name = value.name = field->name;
	if (!json_is_object(json))
		return fail(encoder, field, "expected a JSON object");
	if (depth == SCHEMA_DEPTH)
		return fail(encoder, field, "nested too deeply");
	json_object_keylen_foreach((json_t *)json, name, size, element) {
		size_t begin = encoder->buffer.size;

		r = put_key(encoder, &key, name, size);
		if (r == 0)
			r = put_element(encoder, &value, element, depth + 1);
		if (r < 0)
			return r;
		wire_wrap(&encoder->buffer, begin, field->number, field->wire);
	}
	return 0;
}

/* --- Messages ------------------------------------------------------------------- */

/* Sets ret_value to the value of a field, or NULL. Either name of the field is valid. */
static int get_value(struct encoder *encoder, const json_t *json, const struct schema_field *field,
		     const json_t **ret_value)
{
	const json_t *value = json_object_get(json, field->json_name);
	const json_t *other = strcmp(field->name, field->json_name) != 0 ?
				      json_object_get(json, field->name) : NULL;

	if (value && other)
		return fail(encoder, field, "is given twice");
	value = value ?: other;
	*ret_value = json_is_null(value) && !has_null(field) ? NULL : value;
	return 0;
}

static int put_field(struct encoder *encoder, const struct schema_field *field, const json_t *value,
		     unsigned int depth)
{
	if (field->repeated && json_is_null(value))
		return 0;
	if (field->repeated && field->is && field->is->is_map)
		return put_map(encoder, field, value, depth);
	return field->repeated ? put_repeated(encoder, field, value, depth) :
				 put_value(encoder, field, value, depth);
}

/* Returns true if the JSON also has an earlier field of the same oneof. */
static bool has_rival(struct encoder *encoder, const struct schema_type *type, size_t i,
		      const json_t *json)
{
	const json_t *value;

	for (size_t j = 0; type->fields[i].oneof >= 0 && j < i; j++)
		if (type->fields[j].oneof == type->fields[i].oneof &&
		    (get_value(encoder, json, &type->fields[j], &value) < 0 || value))
			return true;
	return false;
}

static int check_names(struct encoder *encoder, const struct schema_type *type, const json_t *json)
{
	const char *name;
	json_t *value;
	size_t size;

	json_object_keylen_foreach((json_t *)json, name, size, value) {
		size_t i = 0;

		while (i < type->n_fields && strcmp(type->fields[i].json_name, name) != 0 &&
		       strcmp(type->fields[i].name, name) != 0)
			i++;
		if (i < type->n_fields && strlen(name) == size)
			continue;
		snprintf(encoder->message->what, sizeof(encoder->message->what),
			 "%s has no field %s", schema_type_name(type), name);
		return -EINVAL;
	}
	return 0;
}

/* Writes all fields of a message. json must be an object. */
static int put_message(struct encoder *encoder, const struct schema_type *type, const json_t *json,
		       unsigned int depth)
{
	int r = check_names(encoder, type, json);

	for (size_t i = 0; r == 0 && i < type->n_fields; i++) {
		const struct schema_field *field = &type->fields[i];
		const json_t *value;

		r = get_value(encoder, json, field, &value);
		if (r < 0)
			return r;
		if (!value)
			r = field->required ? fail(encoder, field, "is required") : 0;
		else if (has_rival(encoder, type, i, json))
			r = fail(encoder, field, "another field of the oneof is set");
		else
			r = put_field(encoder, field, value, depth);
	}
	return r;
}

/* Writes the content of an Any: all members except "@type", or the member "value" for a type with
 * its own JSON. */
static int put_any_content(struct encoder *encoder, const struct schema_field *field,
			   const struct schema_type *type, const json_t *json, unsigned int depth)
{
	json_t *content;
	int r;

	if (type->kind == KIND_PLAIN) {
		content = json_copy((json_t *)json);
		json_object_del(content, "@type");
	} else {
		if (!json_object_get(json, "value") || json_object_size(json) != 2)
			return fail(encoder, field, "expected \"@type\" and \"value\"");
		content = json_incref(json_object_get(json, "value"));
	}
	if (!content)
		encoder->buffer.failed = true;
	r = content ? put_content(encoder, field, type, content, depth) : 0;
	json_decref(content);
	return r;
}

static int put_any(struct encoder *encoder, const struct schema_field *field,
		   const struct schema_type *any, const json_t *json, unsigned int depth)
{
	const char *url = value_string(json_object_get(json, "@type"));
	const struct schema_type *type;
	size_t begin;
	char what[200];
	int r;

	if (!json_is_object(json))
		return fail(encoder, field, "expected a JSON object");
	if (!json_object_size(json))
		return 0;
	if (!url)
		return fail(encoder, field, "expected a type as \"@type\"");
	type = schema_any_type(any->schema, url, strlen(url));
	if (!type) {
		snprintf(what, sizeof(what), "the service does not describe the type %.100s", url);
		return fail(encoder, field, what);
	}
	if (depth == SCHEMA_DEPTH)
		return fail(encoder, field, "nested too deeply");
	wire_put_field(&encoder->buffer, 1, url, strlen(url));
	begin = encoder->buffer.size;
	encoder->in_any++;
	r = put_any_content(encoder, field, type, json, depth + 1);
	encoder->in_any--;
	wire_wrap(&encoder->buffer, begin, 2, WIRE_BYTES);
	return r;
}

/* Writes a message without its tag. field: the field that error messages name. */
static int put_content(struct encoder *encoder, const struct schema_field *field,
		       const struct schema_type *type, const json_t *json, unsigned int depth)
{
	json_t *fields;
	int r;

	if (type->kind == KIND_ANY)
		return put_any(encoder, field, type, json, depth);
	if (type->kind == KIND_FD || type->kind == KIND_OBJECT) {
		if (encoder->in_any)
			return fail(encoder, field, "an Any has no objects and fds");
		if (encoder->message->raw.n_entries == IPC_RAW_ENTRIES_MAX)
			return fail(encoder, field, "a message has at most 64 objects and fds");
		return type->kind == KIND_FD ? put_fd(encoder, field, json) :
					       put_object(encoder, field, json);
	}
	fields = known_fields(type->kind, json);
	if (!fields)
		return fail(encoder, field, known_expected(type->kind));
	r = put_message(encoder, type, fields, depth);
	json_decref(fields);
	return r;
}

int schema_encode(const struct schema_type *type, const json_t *json,
		  struct schema_message *message)
{
	static const struct schema_field whole = { 0 };
	struct encoder encoder = { .message = message };
	int r;

	message->what[0] = '\0';
	message->wrong = SCHEMA_WRONG_FIELD;
	message->raw = (struct ipc_raw_message){ .entries = message->entries };
	r = put_content(&encoder, &whole, type, json, 0);
	message->raw.data = encoder.buffer.data;
	message->raw.size = encoder.buffer.size;
	return r == 0 && encoder.buffer.failed ? -ENOMEM : r;
}

void schema_message_done(struct schema_message *message)
{
	for (size_t i = 0; i < message->raw.n_entries; i++) {
		const struct ipc_raw_entry *entry = &message->entries[i];

		if (entry->type == IPC_RAW_PROXY)
			ipc_proxy_unref(entry->proxy);
		else
			close(entry->fd);
	}
	free((void *)message->raw.data);
	message->raw = (struct ipc_raw_message){ 0 };
}
