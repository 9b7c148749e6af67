// SPDX-License-Identifier: MIT
/*
 * Converts messages to JSON and back by their descriptors. The format is protobuf's own, but
 * fields keep their names of the .proto file, and 64-bit values are numbers. schema.h describes
 * objects and fds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/blob.h>

#include "schema.h"
#include "value.h"

#define AT(type, message, offset) (*(type *)((char *)(message) + (offset)))

static int set_message(ProtobufCMessage *message, const json_t *json,
		       struct schema_context *context);

/* --- Base64 --------------------------------------------------------------------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json_t *base64_encode(const void *data, size_t size)
{
	const unsigned char *in = data;
	char *text = malloc(size / 3 * 4 + 8), *out = text;
	json_t *json;

	if (!text)
		return NULL;
	for (size_t i = 0; i < size; i += 3) {
		unsigned int left = size - i, bits = in[i] << 16;

		bits |= (left > 1 ? in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[bits & 63] : '=';
	}
	*out = '\0';
	json = json_string(text);
	free(text);
	return json;
}

void *base64_decode(const json_t *text, size_t *ret_size)
{
	const char *in = json_string_value(text);
	unsigned char *data, *out;
	unsigned int bits = 0, n = 0;

	data = out = in ? malloc(strlen(in) / 4 * 3 + 4) : NULL;
	if (!data)
		return NULL;
	for (; *in && *in != '='; in++) {
		const char *digit = strchr(digits, *in);

		if (!digit) {
			free(data);
			return NULL;
		}
		bits = bits << 6 | (digit - digits);
		if (++n % 4 != 1)
			*out++ = bits >> (2 * (3 - (n - 1) % 4));
	}
	*out = '\0';
	*ret_size = out - data;
	return data;
}

/* --- JSON to a message -------------------------------------------------------------- */

static int set_error(struct schema_context *context, const ProtobufCFieldDescriptor *field,
		     const char *what)
{
	if (!context->what[0])
		snprintf(context->what, sizeof(context->what), "%s: %s", field->name, what);
	return -EINVAL;
}

/* A number may be a string: protobuf prints those of 64 bits so. */
static int get_integer(const json_t *json, int64_t min, uint64_t max, uint64_t *ret_value)
{
	const char *text = json_string_value(json);
	char *end;

	if (json_is_integer(json)) {
		*ret_value = json_integer_value(json);
		if (json_integer_value(json) < 0)
			return json_integer_value(json) < min ? -EINVAL : 0;
		return *ret_value > max ? -EINVAL : 0;
	}
	if (!text || !*text)
		return -EINVAL;
	errno = 0;
	*ret_value = *text == '-' ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0);
	if (errno || *end)
		return -EINVAL;
	if (*text == '-')
		return (int64_t)*ret_value < min ? -EINVAL : 0;
	return *ret_value > max ? -EINVAL : 0;
}

static int set_integer(const ProtobufCFieldDescriptor *field, void *member, const json_t *json,
		       struct schema_context *context, int64_t min, uint64_t max)
{
	uint64_t value;

	if (get_integer(json, min, max, &value) < 0)
		return set_error(context, field, "expected a number that fits the type");
	if (max > UINT32_MAX)
		*(uint64_t *)member = value;
	else
		*(uint32_t *)member = value;
	return 0;
}

static int set_enum(const ProtobufCFieldDescriptor *field, int32_t *member, const json_t *json,
		    struct schema_context *context)
{
	const ProtobufCEnumDescriptor *type = field->descriptor;
	const char *name = json_string_value(json);

	for (unsigned int i = 0; i < type->n_values; i++) {
		const ProtobufCEnumValue *value = &type->values[i];

		if (name ? strcmp(value->name, name) :
			   !json_is_integer(json) || json_integer_value(json) != value->value)
			continue;
		*member = type->values[i].value;
		return 0;
	}
	return set_error(context, field, "no such value of the enum");
}

static int set_bytes(const ProtobufCFieldDescriptor *field, ProtobufCBinaryData *member,
		     const json_t *json, struct schema_context *context)
{
	if (!json_is_string(json))
		return set_error(context, field, "expected bytes as a base64 string");
	member->data = base64_decode(json, &member->len);
	return member->data ? 0 : set_error(context, field, "not valid base64");
}

static int set_number(const ProtobufCFieldDescriptor *field, void *member, const json_t *json,
		      struct schema_context *context)
{
	double value = json_number_value(json);

	if (!json_is_number(json)) {
		const char *text = json_string_value(json);

		if (!text || (strcmp(text, "NaN") && strcmp(text, "Infinity") &&
			      strcmp(text, "-Infinity")))
			return set_error(context, field, "expected a number");
		value = *text == 'N' ? NAN : *text == 'I' ? INFINITY : -INFINITY;
	}
	if (field->type == PROTOBUF_C_TYPE_FLOAT)
		*(float *)member = value;
	else
		*(double *)member = value;
	return 0;
}

/* --- Fds and objects ---------------------------------------------------------------- */

static int open_file(const char *path)
{
	if (!strcmp(path, "-"))
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (*path == '>')
		return open(path + 1, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int set_fd(const ProtobufCFieldDescriptor *field, Ipc__Fd *member, const json_t *json,
		  struct schema_context *context)
{
	char what[200];
	int fd;

	if (context->n_fds == sizeof(context->fds) / sizeof(*context->fds))
		return set_error(context, field, "a message has at most 64 objects and fds");
	if (json_is_integer(json))
		fd = fcntl(json_integer_value(json), F_DUPFD_CLOEXEC, 3);
	else if (json_is_string(json))
		fd = open_file(json_string_value(json));
	else
		return set_error(context, field, "expected a file: the number of an fd, or a path");
	if (fd < 0) {
		snprintf(what, sizeof(what), "cannot open: %s", strerror(errno));
		return set_error(context, field, what);
	}
	context->fds[context->n_fds++] = fd;
	member->fd = fd;
	return 0;
}

static int set_object(const ProtobufCFieldDescriptor *field, Ipc__Object *member,
		      const json_t *json, struct schema_context *context)
{
	struct ipc_proxy *proxy;
	char what[200];
	int r;

	if (!json_is_string(json) || !context->ipc)
		return set_error(context, field, "expected an object: the name of a service");
	if (context->n_proxies == sizeof(context->proxies) / sizeof(*context->proxies))
		return set_error(context, field, "a message has at most 64 objects and fds");
	r = ipc_get_name(context->ipc, json_string_value(json), &proxy);
	if (r < 0) {
		snprintf(what, sizeof(what), "%.100s: %s", json_string_value(json), ipc_strerror(r));
		return set_error(context, field, what);
	}
	context->proxies[context->n_proxies++] = proxy;
	member->id = ipc_proxy_id(proxy);
	return 0;
}

static int set_blob(const ProtobufCFieldDescriptor *field, Ipc__Blob *member, const json_t *json,
		    struct schema_context *context)
{
	size_t size;
	void *data;

	if (!json_is_string(json))
		return set_error(context, field, "expected bytes as a base64 string");
	data = base64_decode(json, &size);
	if (!data)
		return set_error(context, field, "not valid base64");
	/* They are freed with the message. */
	ipc_blob_set(member, data, size);
	return 0;
}

void schema_context_done(struct schema_context *context)
{
	for (size_t i = 0; i < context->n_fds; i++)
		close(context->fds[i]);
	for (size_t i = 0; i < context->n_proxies; i++)
		ipc_proxy_unref(context->proxies[i]);
	context->n_fds = context->n_proxies = 0;
}

static ProtobufCMessage *message_new(const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage *message = calloc(1, type->sizeof_message);

	if (message && type->message_init)
		type->message_init(message);
	else if (message)
		message->descriptor = type;
	return message;
}

static int set_nested(const ProtobufCFieldDescriptor *field, ProtobufCMessage **member,
		      const json_t *json, struct schema_context *context)
{
	*member = message_new(field->descriptor);
	if (!*member)
		return -ENOMEM;
	if ((*member)->descriptor == &ipc__fd__descriptor)
		return set_fd(field, (Ipc__Fd *)*member, json, context);
	if ((*member)->descriptor == &ipc__object__descriptor)
		return set_object(field, (Ipc__Object *)*member, json, context);
	if ((*member)->descriptor == &ipc__blob__descriptor)
		return set_blob(field, (Ipc__Blob *)*member, json, context);
	if (!json_is_object(json))
		return set_error(context, field, "expected a JSON object");
	return set_message(*member, json, context);
}

/* --- Fields --------------------------------------------------------------------- */

static int set_value(const ProtobufCFieldDescriptor *field, void *member, const json_t *json,
		     struct schema_context *context)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return set_integer(field, member, json, context, INT32_MIN, INT32_MAX);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return set_integer(field, member, json, context, 0, UINT32_MAX);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return set_integer(field, member, json, context, INT64_MIN, INT64_MAX);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return set_integer(field, member, json, context, 0, UINT64_MAX);
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		return set_number(field, member, json, context);
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(json))
			return set_error(context, field, "expected true or false");
		*(protobuf_c_boolean *)member = json_is_true(json);
		return 0;
	case PROTOBUF_C_TYPE_ENUM:
		return set_enum(field, member, json, context);
	case PROTOBUF_C_TYPE_STRING:
		if (!json_is_string(json))
			return set_error(context, field, "expected a string");
		*(char **)member = strdup(json_string_value(json));
		return *(char **)member ? 0 : -ENOMEM;
	case PROTOBUF_C_TYPE_BYTES:
		return set_bytes(field, member, json, context);
	default:
		return set_nested(field, member, json, context);
	}
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 8;
	}
}

static int set_repeated(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
			const json_t *json, struct schema_context *context)
{
	size_t *n = &AT(size_t, message, field->quantifier_offset), size = size_of(field);
	char *values;
	int r = 0;

	if (!json_is_array(json))
		return set_error(context, field, "expected an array");
	values = calloc(json_array_size(json) + 1, size);
	if (!values)
		return -ENOMEM;
	AT(void *, message, field->offset) = values;
	for (size_t i = 0; r == 0 && i < json_array_size(json); i++) {
		/* First, so that a value that is built in part is freed with the message. */
		(*n)++;
		r = set_value(field, values + i * size, json_array_get(json, i), context);
	}
	return r;
}

static int set_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		     const json_t *json, struct schema_context *context)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return set_repeated(message, field, json, context);
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (AT(uint32_t, message, field->quantifier_offset))
			return set_error(context, field, "another field of the oneof is set");
		AT(uint32_t, message, field->quantifier_offset) = field->id;
	} else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset) {
		AT(protobuf_c_boolean, message, field->quantifier_offset) = 1;
	}
	return set_value(field, &AT(char, message, field->offset), json, context);
}

static const ProtobufCFieldDescriptor *field_named(const ProtobufCMessageDescriptor *type,
						   const char *name)
{
	for (unsigned int i = 0; i < type->n_fields; i++)
		if (!strcmp(type->fields[i].name, name))
			return &type->fields[i];
	return NULL;
}

static int check_required(const ProtobufCMessage *message, const json_t *json,
			  struct schema_context *context)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	for (unsigned int i = 0; i < type->n_fields; i++)
		if (type->fields[i].label == PROTOBUF_C_LABEL_REQUIRED &&
		    !json_object_get(json, type->fields[i].name))
			return set_error(context, &type->fields[i], "is required");
	return 0;
}

static int set_message(ProtobufCMessage *message, const json_t *json,
		       struct schema_context *context)
{
	const char *name;
	json_t *value;
	int r;

	json_object_foreach((json_t *)json, name, value) {
		const ProtobufCFieldDescriptor *field = field_named(message->descriptor, name);

		if (!field) {
			snprintf(context->what, sizeof(context->what), "%s has no field %s",
				 message->descriptor->name, name);
			return -EINVAL;
		}
		r = json_is_null(value) ? 0 : set_field(message, field, value, context);
		if (r < 0)
			return r;
	}
	return check_required(message, json, context);
}

int schema_from_json(const ProtobufCMessageDescriptor *type, const json_t *json,
		     struct schema_context *context, ProtobufCMessage **ret_message)
{
	ProtobufCMessage *message;
	int r;

	if (!json_is_object(json)) {
		snprintf(context->what, sizeof(context->what), "expected a JSON object, as in {}");
		return -EINVAL;
	}
	message = message_new(type);
	if (!message)
		return -ENOMEM;
	r = set_message(message, json, context);
	if (r < 0) {
		protobuf_c_message_free_unpacked(message, NULL);
		return r;
	}
	*ret_message = message;
	return 0;
}

/* --- A message to JSON -------------------------------------------------------------- */

static json_t *number_to_json(double value)
{
	if (isnan(value))
		return json_string("NaN");
	if (isinf(value))
		return json_string(value < 0 ? "-Infinity" : "Infinity");
	return json_real(value);
}

/* jansson's integers have 63 bits and a sign. */
static json_t *unsigned_to_json(uint64_t value)
{
	char text[32];

	if (value <= INT64_MAX)
		return json_integer(value);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_string(text);
}

static json_t *enum_to_json(const ProtobufCFieldDescriptor *field, int32_t value)
{
	const ProtobufCEnumDescriptor *type = field->descriptor;

	for (unsigned int i = 0; i < type->n_values; i++)
		if (type->values[i].value == value)
			return json_string(type->values[i].name);
	return json_integer(value);
}

/* Text that is not UTF-8 is shown as bytes. */
static json_t *text_to_json(const char *text)
{
	if (!text)
		return json_string("");
	return json_string(text) ?: base64_encode(text, strlen(text));
}

/* A message that was only decoded has the size of its blobs, not the bytes. */
static json_t *blob_to_json(const Ipc__Blob *blob)
{
	if (blob->size && !ipc_blob_data(blob))
		return json_pack("{s:I}", "size", (json_int_t)blob->size);
	return base64_encode(ipc_blob_data(blob), ipc_blob_size(blob));
}

static json_t *nested_to_json(const ProtobufCMessage *message)
{
	if (!message)
		return json_null();
	if (message->descriptor == &ipc__fd__descriptor)
		return json_pack("{s:i}", "fd", (int)((const Ipc__Fd *)message)->fd);
	if (message->descriptor == &ipc__object__descriptor)
		return json_pack("{s:I}", "object", (json_int_t)((const Ipc__Object *)message)->id);
	if (message->descriptor == &ipc__blob__descriptor)
		return blob_to_json((const Ipc__Blob *)message);
	return schema_to_json(message);
}

static json_t *value_to_json(const ProtobufCFieldDescriptor *field, const void *member)
{
	const ProtobufCBinaryData *bytes = member;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_integer(*(const int32_t *)member);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_integer(*(const uint32_t *)member);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return json_integer(*(const int64_t *)member);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return unsigned_to_json(*(const uint64_t *)member);
	case PROTOBUF_C_TYPE_FLOAT:
		return number_to_json(*(const float *)member);
	case PROTOBUF_C_TYPE_DOUBLE:
		return number_to_json(*(const double *)member);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)member);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_to_json(field, *(const int32_t *)member);
	case PROTOBUF_C_TYPE_STRING:
		return text_to_json(*(char *const *)member);
	case PROTOBUF_C_TYPE_BYTES:
		return base64_encode(bytes->data, bytes->len);
	default:
		return nested_to_json(*(ProtobufCMessage *const *)member);
	}
}

static json_t *repeated_to_json(const ProtobufCMessage *message,
				const ProtobufCFieldDescriptor *field)
{
	const char *values = AT(char *const, message, field->offset);
	size_t n = AT(const size_t, message, field->quantifier_offset);
	json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++) {
		const char *value = values + i * size_of(field);

		array = value_append(array, value_to_json(field, value));
	}
	return array;
}

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return AT(const uint32_t, message, field->quantifier_offset) == field->id;
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return AT(const size_t, message, field->quantifier_offset);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return AT(void *const, message, field->offset);
	if (field->label != PROTOBUF_C_LABEL_OPTIONAL)
		return true;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return AT(void *const, message, field->offset);
	return AT(const protobuf_c_boolean, message, field->quantifier_offset);
}

json_t *schema_to_json(const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	json_t *object = json_object();

	for (unsigned int i = 0; object && i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		const char *member = &AT(const char, message, field->offset);

		if (!is_set(message, field))
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			object = value_set(object, field->name, repeated_to_json(message, field));
		else
			object = value_set(object, field->name, value_to_json(field, member));
	}
	return object;
}

json_t *schema_decode(const ProtobufCMessageDescriptor *type, const void *data, size_t size)
{
	ProtobufCMessage *message;
	json_t *json;

	if (ipc_payload_message(data, size, &data, &size) < 0)
		return NULL;
	message = protobuf_c_message_unpack(type, NULL, size, data);
	if (!message)
		return NULL;
	json = schema_to_json(message);
	protobuf_c_message_free_unpacked(message, NULL);
	return json;
}
