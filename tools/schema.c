// SPDX-License-Identifier: MIT
/*
 * A service's methods as it describes them: see schema.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/rpc.h>

#include "schema-private.h"

/* Of ipc/options.proto. */
#define OPTION_ONEWAY 50601
#define OPTION_ID 50602

/* As libipc accepts to compare. */
#define MAX_SET ((size_t)1 << 20)

/* --- Methods -------------------------------------------------------------------- */

/* The options of ipc/options.proto are unknown fields for protobuf-c: varints. */
static bool option_of(const Google__Protobuf__MethodDescriptorProto *method, uint32_t number,
		      uint64_t *ret_value)
{
	const ProtobufCMessage *options = method->options ? &method->options->base : NULL;

	for (unsigned int i = 0; options && i < options->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
		struct wire wire = wire_of(field->data, field->len);

		if (field->tag == number && field->wire_type == PROTOBUF_C_WIRE_TYPE_VARINT)
			return wire_value(&wire, WIRE_VARINT, ret_value);
	}
	return false;
}

/* As protoc-gen-ipc derives it: FNV-1a of "pkg.Service/Method" with the top bit set. */
static uint32_t code_of(const char *interface, const char *method)
{
	const char *parts[] = { interface, "/", method };
	uint32_t hash = 2166136261u;

	for (int i = 0; i < 3; i++)
		for (const char *c = parts[i]; *c; c++)
			hash = (hash ^ (unsigned char)*c) * 16777619u;
	return hash | 0x80000000u;
}

static int build_methods(struct schema *schema,
			 const Google__Protobuf__ServiceDescriptorProto *service)
{
	schema->methods = calloc(service->n_method + 1, sizeof(*schema->methods));
	if (!schema->methods)
		return -ENOMEM;
	for (size_t i = 0; i < service->n_method; i++) {
		const Google__Protobuf__MethodDescriptorProto *from = service->method[i];
		struct schema_method *method = &schema->methods[schema->n_methods++];
		uint64_t value;

		method->name = from->name;
		method->request = schema_message_type(schema, from->input_type);
		method->reply = schema_message_type(schema, from->output_type);
		method->oneway = option_of(from, OPTION_ONEWAY, &value) && value;
		method->streams_in = from->client_streaming;
		method->streams_out = from->server_streaming;
		method->code = option_of(from, OPTION_ID, &value) ?
				       value : code_of(schema->interface, from->name);
	}
	return 0;
}

static bool is_named(const char *package, const char *name, const char *full)
{
	size_t n = package ? strlen(package) : 0;

	if (n == 0)
		return !strcmp(full, name);
	return !strncmp(full, package, n) && full[n] == '.' && !strcmp(full + n + 1, name);
}

static int find_service(struct schema *schema)
{
	for (size_t i = 0; i < schema->set->n_file; i++) {
		const Google__Protobuf__FileDescriptorProto *file = schema->set->file[i];

		for (size_t j = 0; j < file->n_service; j++) {
			if (!is_named(file->package, file->service[j]->name, schema->interface))
				continue;
			schema->file = file;
			return build_methods(schema, file->service[j]);
		}
	}
	return -ENOENT;
}

/* --- The schema ------------------------------------------------------------------- */

/*
 * Copies a message for protobuf-c, which recurses without a limit and refuses groups. Of a
 * description only custom options are groups. Returns false if the message is damaged or too deep.
 */
static bool copy(const ProtobufCMessageDescriptor *type, struct wire wire, unsigned int depth,
		 struct wire_buffer *to)
{
	const ProtobufCFieldDescriptor *known;
	const uint8_t *at = wire.at;
	struct wire_field field;
	size_t begin;
	int r;

	for (; (r = wire_next(&wire, &field)) > 0; at = wire.at) {
		known = protobuf_c_message_descriptor_get_field(type, field.number);
		if (field.type == WIRE_GROUP)
			continue;
		if (field.type != WIRE_BYTES || !known || known->type != PROTOBUF_C_TYPE_MESSAGE) {
			wire_put(to, at, (size_t)(wire.at - at));
			continue;
		}
		begin = to->size;
		if (!depth || !copy(known->descriptor, field.bytes, depth - 1, to))
			return false;
		wire_wrap(to, begin, field.number);
	}
	return r == 0;
}

static int unpack(struct schema *schema, const void *set, size_t size)
{
	struct wire_buffer buffer = { 0 };
	int r = -EBADMSG;

	if (copy(&google__protobuf__file_descriptor_set__descriptor, wire_of(set, size),
		 SCHEMA_DEPTH, &buffer))
		schema->set = google__protobuf__file_descriptor_set__unpack(NULL, buffer.size,
									    buffer.data);
	if (buffer.failed)
		r = -ENOMEM;
	else if (schema->set)
		r = 0;
	free(buffer.data);
	return r;
}

static int build(struct schema *schema, const void *set, size_t size, const char *interface)
{
	int r;

	if (size > MAX_SET)
		return -EBADMSG;
	r = unpack(schema, set, size);
	if (r < 0)
		return r;
	schema->interface = strdup(interface);
	if (!schema->interface)
		return -ENOMEM;
	r = schema_build_types(schema);
	return r < 0 ? r : find_service(schema);
}

int schema_new(const void *set, size_t size, const char *interface, struct schema **ret_schema)
{
	struct schema *schema = calloc(1, sizeof(*schema));
	int r;

	if (!schema)
		return -ENOMEM;
	r = build(schema, set, size, interface);
	if (r < 0) {
		schema_free(schema);
		return r;
	}
	*ret_schema = schema;
	return 0;
}

struct schema *schema_free(struct schema *schema)
{
	if (!schema)
		return NULL;
	for (size_t i = 0; i < schema->n_types; i++) {
		free(schema->types[i].name);
		free(schema->types[i].fields);
	}
	free(schema->types);
	free(schema->methods);
	free(schema->interface);
	if (schema->set)
		google__protobuf__file_descriptor_set__free_unpacked(schema->set, NULL);
	free(schema);
	return NULL;
}

int schema_introspect(struct ipc_proxy *proxy, struct schema **ret_schema, struct ipc_error *error)
{
	Ipc__Description *description;
	int r;

	r = ipc_rpc_describe(proxy, &description, error);
	if (r < 0)
		return r;
	if (description->interface && description->descriptor_set.len)
		r = schema_new(description->descriptor_set.data, description->descriptor_set.len,
			       description->interface, ret_schema);
	else
		r = -ENOENT;
	ipc_rpc_free(&description->base);
	return r;
}

const char *schema_interface(const struct schema *schema)
{
	return schema->interface;
}

size_t schema_count(const struct schema *schema)
{
	return schema->n_methods;
}

const struct schema_method *schema_at(const struct schema *schema, size_t i)
{
	return &schema->methods[i];
}

const struct schema_method *schema_find(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->n_methods; i++)
		if (!strcmp(schema->methods[i].name, name))
			return &schema->methods[i];
	return NULL;
}

const struct schema_method *schema_find_code(const struct schema *schema, uint32_t code)
{
	for (size_t i = 0; i < schema->n_methods; i++)
		if (schema->methods[i].code == code)
			return &schema->methods[i];
	return NULL;
}

const char *schema_builtin(uint32_t code)
{
	switch (code) {
	case IPC_CODE_PING:
		return "ping";
	case IPC_CODE_DESCRIBE:
		return "describe";
	case IPC_CODE_DUMP:
		return "dump";
	case IPC_CODE_STREAM:
		return "stream";
	default:
		return NULL;
	}
}
