// SPDX-License-Identifier: MIT
/*
 * Converts JSON to the bytes of a message. The format of the JSON is protobuf's own, but fields
 * keep their names from the .proto file, 64-bit values may be numbers, a map is an array of its
 * entries, and google.protobuf.Timestamp and the like are ordinary messages. schema.h describes
 * objects and fds. Both are messages whose field 1 is the entry's tag.
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
#include "schema-private.h"


/**
 * struct encoder - state of a conversion
 * @message: the result
 * @buffer: its bytes
 */
struct encoder {
	struct schema_message *message;
	struct wire_buffer buffer;
};

static int put_message(struct encoder *encoder, const struct schema_type *type, const json_t *json,
		       unsigned int depth);

static int fail(struct encoder *encoder, const struct schema_field *field, const char *what)
{
	struct schema_message *message = encoder->message;

	if (!message->what[0])
		snprintf(message->what, sizeof(message->what), "%s: %s", field->name, what);
	return -EINVAL;
}

/* --- Numbers -------------------------------------------------------------------- */

/* Accepts numbers as strings as well, because protobuf prints 64-bit numbers as strings. */
static int get_integer(const struct field_kind *kind, const json_t *json, uint64_t *ret_value)
{
	const char *text = json_string_value(json);
	bool negative;
	char *end;

	if (json_is_integer(json)) {
		*ret_value = json_integer_value(json);
		negative = json_integer_value(json) < 0;
	} else {
		if (!text || !*text)
			return -EINVAL;
		errno = 0;
		negative = *text == '-';
		*ret_value = negative ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0);
		if (errno || *end)
			return -EINVAL;
	}
	if (negative)
		return (int64_t)*ret_value < kind->min ? -EINVAL : 0;
	return *ret_value > kind->max ? -EINVAL : 0;
}

static int get_real(const json_t *json, double *ret_value)
{
	const char *text = json_string_value(json);

	if (json_is_number(json))
		*ret_value = json_number_value(json);
	else if (text && !strcmp(text, "NaN"))
		*ret_value = NAN;
	else if (text && (!strcmp(text, "Infinity") || !strcmp(text, "-Infinity")))
		*ret_value = *text == 'I' ? INFINITY : -INFINITY;
	else
		return -EINVAL;
	return 0;
}

static int get_enum(const Google__Protobuf__EnumDescriptorProto *type, const json_t *json,
		    uint64_t *ret_value)
{
	const char *name = json_string_value(json);

	for (size_t i = 0; i < type->n_value; i++) {
		if (name ? strcmp(type->value[i]->name, name) :
			   !json_is_integer(json) ||
				   json_integer_value(json) != type->value[i]->number)
			continue;
		*ret_value = (uint64_t)type->value[i]->number;
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

	switch (field->type) {
	case FIELD_FLOAT:
	case FIELD_DOUBLE:
		if (get_real(json, &real) < 0)
			return fail(encoder, field, "expected a number");
		single = real;
		memcpy(&low, &single, sizeof(low));
		memcpy(ret_bits, &real, sizeof(real));
		if (field->type == FIELD_FLOAT)
			*ret_bits = low;
		return 0;
	case FIELD_BOOL:
		*ret_bits = json_is_true(json);
		return json_is_boolean(json) ? 0 : fail(encoder, field, "expected true or false");
	case FIELD_ENUM:
		if (get_enum(field->is->values, json, ret_bits) < 0)
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
	else if (json_is_string(json))
		fd = open_file(json_string_value(json));
	else
		return fail(encoder, field, "expected a file: the number of an fd, or a path");
	if (fd < 0) {
		snprintf(what, sizeof(what), "cannot open %.100s: %s",
			 json_string_value(json) ?: "the fd", strerror(errno));
		encoder->message->hint = NULL;
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

	if (!json_is_string(json) || !encoder->message->ipc)
		return fail(encoder, field, "expected an object: the name of a service");
	r = ipc_proxy_get(encoder->message->ipc, json_string_value(json), NULL, &entry.proxy);
	if (r < 0) {
		snprintf(what, sizeof(what), "%.100s: %s", json_string_value(json), ipc_strerror(r));
		encoder->message->hint =
			r == -ENOENT ? "ipcctl list shows the registered services" : NULL;
		return fail(encoder, field, what);
	}
	entry.tag = ipc_proxy_id(entry.proxy);
	put_entry(encoder, entry);
	wire_put_tag(&encoder->buffer, 1, WIRE_64BIT);
	wire_put_value(&encoder->buffer, WIRE_64BIT, entry.tag);
	return 0;
}

/* --- Values --------------------------------------------------------------------- */

/* The content of a field of bytes. */
static int get_bytes(struct encoder *encoder, const struct schema_field *field, const json_t *json,
		     void **ret_data, size_t *ret_size)
{
	if (!json_is_string(json))
		return fail(encoder, field, "expected bytes as a base64 string");
	*ret_data = base64_decode(json, ret_size);
	return *ret_data ? 0 : fail(encoder, field, "not valid base64");
}

static int put_nested(struct encoder *encoder, const struct schema_field *field,
		      const json_t *json, unsigned int depth)
{
	size_t begin = encoder->buffer.size;
	int r;

	if (field->is->kind != KIND_PLAIN &&
	    encoder->message->raw.n_entries == IPC_RAW_ENTRIES_MAX)
		return fail(encoder, field, "a message has at most 64 objects and fds");
	switch (field->is->kind) {
	case KIND_FD:
		r = put_fd(encoder, field, json);
		break;
	case KIND_OBJECT:
		r = put_object(encoder, field, json);
		break;
	default:
		if (!json_is_object(json))
			return fail(encoder, field, "expected a JSON object");
		if (depth == SCHEMA_DEPTH)
			return fail(encoder, field, "nested too deeply");
		r = put_message(encoder, field->is, json, depth + 1);
	}
	wire_wrap(&encoder->buffer, begin, field->number, field->wire);
	return r;
}

/* A proto3 field without presence is not sent if it is zero or empty. */
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
		if (!json_is_string(json))
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

static int put_repeated(struct encoder *encoder, const struct schema_field *field,
			const json_t *json, unsigned int depth)
{
	size_t begin = encoder->buffer.size;
	int r = 0;

	if (!json_is_array(json))
		return fail(encoder, field, "expected an array");
	for (size_t i = 0; r == 0 && i < json_array_size(json); i++)
		r = put_value(encoder, field, json_array_get(json, i), depth);
	if (field->packed && json_array_size(json))
		wire_wrap(&encoder->buffer, begin, field->number, WIRE_BYTES);
	return r;
}

/* --- Messages ------------------------------------------------------------------- */

static const json_t *value_of(const json_t *json, const struct schema_field *field)
{
	const json_t *value = json_object_get(json, field->name);

	return json_is_null(value) ? NULL : value;
}

/* Returns true if an earlier field of the same oneof is given as well. */
static bool has_rival(const struct schema_type *type, size_t i, const json_t *json)
{
	for (size_t j = 0; type->fields[i].oneof >= 0 && j < i; j++)
		if (type->fields[j].oneof == type->fields[i].oneof &&
		    value_of(json, &type->fields[j]))
			return true;
	return false;
}

static int check_names(struct encoder *encoder, const struct schema_type *type, const json_t *json)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)json, name, value) {
		size_t i = 0;

		while (i < type->n_fields && strcmp(type->fields[i].name, name))
			i++;
		if (i < type->n_fields)
			continue;
		snprintf(encoder->message->what, sizeof(encoder->message->what),
			 "%s has no field %s", schema_type_name(type), name);
		return -EINVAL;
	}
	return 0;
}

static int put_message(struct encoder *encoder, const struct schema_type *type, const json_t *json,
		       unsigned int depth)
{
	int r = check_names(encoder, type, json);

	for (size_t i = 0; r == 0 && i < type->n_fields; i++) {
		const struct schema_field *field = &type->fields[i];
		const json_t *value = value_of(json, field);

		if (!value)
			r = field->required ? fail(encoder, field, "is required") : 0;
		else if (has_rival(type, i, json))
			r = fail(encoder, field, "another field of the oneof is set");
		else if (field->repeated)
			r = put_repeated(encoder, field, value, depth);
		else
			r = put_value(encoder, field, value, depth);
	}
	return r;
}

int schema_encode(const struct schema_type *type, const json_t *json,
		  struct schema_message *message)
{
	struct encoder encoder = { .message = message };
	int r;

	message->what[0] = '\0';
	message->hint = "ipcctl describe NAME prints the fields";
	message->raw = (struct ipc_raw_message){ .entries = message->entries };
	if (!json_is_object(json)) {
		snprintf(message->what, sizeof(message->what), "expected a JSON object, as in {}");
		return -EINVAL;
	}
	r = put_message(&encoder, type, json, 0);
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
