// SPDX-License-Identifier: MIT
/*
 * A service's methods as it describes them: see schema.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "schema-private.h"

/* Of ipc/options.proto. */
#define OPTION_ONEWAY 50601
#define OPTION_ID 50602

struct block {
	struct block *next;
	max_align_t data[];
};

void *schema_alloc(struct schema *schema, size_t n, size_t size)
{
	struct block *block;
	size_t total;

	if (__builtin_mul_overflow(n, size, &total) || total > 1 << 28)
		return NULL;
	block = calloc(1, sizeof(*block) + total);
	if (!block)
		return NULL;
	block->next = schema->blocks;
	schema->blocks = block;
	return block->data;
}

char *schema_text(struct schema *schema, const char *format, ...)
{
	char *text, *copy = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return NULL;
	copy = schema_alloc(schema, n + 1, 1);
	if (copy)
		memcpy(copy, text, n + 1);
	free(text);
	return copy;
}

/* --- Methods -------------------------------------------------------------------- */

/* The options of ipc/options.proto are unknown fields for protobuf-c: varints. */
static bool option_of(const Google__Protobuf__MethodDescriptorProto *method, uint32_t number,
		      uint64_t *ret_value)
{
	const ProtobufCMessage *options = method->options ? &method->options->base : NULL;

	for (unsigned int i = 0; options && i < options->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];

		if (field->tag != number || field->wire_type != PROTOBUF_C_WIRE_TYPE_VARINT)
			continue;
		*ret_value = 0;
		for (size_t j = 0; j < field->len && j < 9; j++)
			*ret_value |= (uint64_t)(field->data[j] & 0x7f) << 7 * j;
		return true;
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

/* libipc knows methods with streams by this callback. It is never called. */
static int no_server(struct ipc_stream *stream, const ProtobufCMessage *request, const void *ops,
		     void *userdata)
{
	(void)stream, (void)request, (void)ops, (void)userdata;
	return -EOPNOTSUPP;
}

static uint32_t flags_of(const struct schema_method *method)
{
	uint32_t flags = IPC_METHOD_REPLY_OBJECTS | IPC_METHOD_REPLY_RECURSIVE |
			 IPC_METHOD_REPLY_BLOBS;

	if (method->oneway)
		return IPC_METHOD_ONEWAY;
	if (method->streams_in)
		flags |= IPC_METHOD_REQUEST_STREAM;
	if (method->streams_out)
		flags |= IPC_METHOD_REPLY_STREAM;
	return flags;
}

static int build_method(struct schema *schema, struct schema_method *method,
			const Google__Protobuf__MethodDescriptorProto *from)
{
	uint64_t value;

	method->method.request = schema_type(schema, from->input_type);
	method->method.reply = schema_type(schema, from->output_type);
	if (!from->name || !method->method.request || !method->method.reply)
		return -EBADMSG;
	method->oneway = option_of(from, OPTION_ONEWAY, &value) && value;
	method->streams_in = from->client_streaming;
	method->streams_out = from->server_streaming;
	method->method.name = from->name;
	method->method.code = option_of(from, OPTION_ID, &value) ? value :
							   code_of(schema->interface, from->name);
	method->method.open = no_server;
	method->method.flags = IPC_METHOD_REQUEST_OBJECTS | IPC_METHOD_REQUEST_RECURSIVE |
			       IPC_METHOD_REQUEST_BLOBS | flags_of(method);
	return 0;
}

static int build_methods(struct schema *schema,
			 const Google__Protobuf__ServiceDescriptorProto *service)
{
	int r = 0;

	schema->methods = schema_alloc(schema, service->n_method, sizeof(*schema->methods));
	if (!schema->methods)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < service->n_method; i++)
		r = build_method(schema, &schema->methods[i], service->method[i]);
	schema->n_methods = service->n_method;
	return r;
}

static bool is_named(const char *package, const char *name, const char *full)
{
	size_t n = package ? strlen(package) : 0;

	if (!name)
		return false;
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

static int build(struct schema *schema, const void *set, size_t size, const char *interface)
{
	int r;

	schema->set = google__protobuf__file_descriptor_set__unpack(NULL, size, set);
	if (!schema->set)
		return -EBADMSG;
	schema->interface = schema_text(schema, "%s", interface);
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
	while (schema->blocks) {
		struct block *block = schema->blocks;

		schema->blocks = block->next;
		free(block);
	}
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
		if (!strcmp(schema->methods[i].method.name, name))
			return &schema->methods[i];
	return NULL;
}

const struct schema_method *schema_find_code(const struct schema *schema, uint32_t code)
{
	for (size_t i = 0; i < schema->n_methods; i++)
		if (schema->methods[i].method.code == code)
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
