// SPDX-License-Identifier: MIT
/*
 * The methods, messages and enums of a service, according to its own description: see schema.h. The
 * description is untrusted. It is checked here, so code that reads or prints a schema need not
 * check names and types again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/rpc.h>

#include "../libipc/base/text.h"
#include "private.h"

/* The maximum size that libipc compares. */
#define MAX_SET ((size_t)1 << 20)

typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Google__Protobuf__FileDescriptorProto file_proto;

/* Maximum length of a full name. It bounds the memory for nested names. */
#define MAX_NAME 512
#define MAX_NUMBER ((1 << 29) - 1)

#define WORD_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

const struct field_kind field_kinds[N_FIELD_TYPES] = {
	[FIELD_DOUBLE] = { "double", WIRE_64BIT, 0, 0 },
	[FIELD_FLOAT] = { "float", WIRE_32BIT, 0, 0 },
	[FIELD_INT64] = { "int64", WIRE_VARINT, INT64_MIN, INT64_MAX },
	[FIELD_UINT64] = { "uint64", WIRE_VARINT, 0, UINT64_MAX },
	[FIELD_INT32] = { "int32", WIRE_VARINT, INT32_MIN, INT32_MAX },
	[FIELD_FIXED64] = { "fixed64", WIRE_64BIT, 0, UINT64_MAX },
	[FIELD_FIXED32] = { "fixed32", WIRE_32BIT, 0, UINT32_MAX },
	[FIELD_BOOL] = { "bool", WIRE_VARINT, 0, 0 },
	[FIELD_STRING] = { "string", WIRE_BYTES, 0, 0 },
	[FIELD_MESSAGE] = { NULL, WIRE_BYTES, 0, 0 },
	[FIELD_BYTES] = { "bytes", WIRE_BYTES, 0, 0 },
	[FIELD_UINT32] = { "uint32", WIRE_VARINT, 0, UINT32_MAX },
	[FIELD_ENUM] = { NULL, WIRE_VARINT, 0, 0 },
	[FIELD_SFIXED32] = { "sfixed32", WIRE_32BIT, INT32_MIN, INT32_MAX },
	[FIELD_SFIXED64] = { "sfixed64", WIRE_64BIT, INT64_MIN, INT64_MAX },
	[FIELD_SINT32] = { "sint32", WIRE_VARINT, INT32_MIN, INT32_MAX },
	[FIELD_SINT64] = { "sint64", WIRE_VARINT, INT64_MIN, INT64_MAX },
};

/* --- Names ---------------------------------------------------------------------- */

static bool is_word(const char *name)
{
	return name && *name && !name[strspn(name, WORD_CHARS)];
}

/* Returns whether the path can be printed between quotes. */
static bool is_path(const char *path)
{
	return path && !path[strspn(path, WORD_CHARS "./-+@=~, ")];
}

static bool is_package(const char *package)
{
	return !package || !package[strspn(package, WORD_CHARS ".")];
}

/* Returns whether the default can be printed: unchanged, except strings. In the default of `bytes`,
 * protoc has escaped quotes. */
static bool is_default(const field_proto *field)
{
	const char *c = field->default_value;

	if (!c || (int)field->type == FIELD_STRING)
		return true;
	for (; *c >= ' ' && *c < 0x7f && *c != '"'; c++)
		if (*c == '\\' && !*++c)
			return false;
	return !*c;
}

/* Returns whether the name is printable UTF-8, to be printed between quotes. NULL is allowed. */
static bool is_json_name(const char *name)
{
	const uint8_t *c = (const uint8_t *)name, *end = c ? c + strlen(name) : c;
	size_t size;

	for (; c < end; c += size) {
		size = utf8_size(c, end);
		if (!size || text_is_hidden(text_code(c, size)))
			return false;
	}
	return !name || *name;
}

static bool is_service(const Google__Protobuf__ServiceDescriptorProto *service)
{
	bool valid = is_word(service->name);

	for (size_t i = 0; i < service->n_method; i++)
		valid = valid && is_word(service->method[i]->name);
	return valid;
}

static bool has_words(const message_proto *message)
{
	bool valid = true;

	for (size_t i = 0; i < message->n_oneof_decl; i++)
		valid = valid && is_word(message->oneof_decl[i]->name);
	for (size_t i = 0; i < message->n_field; i++)
		valid = valid && is_word(message->field[i]->name) &&
			is_default(message->field[i]) && is_json_name(message->field[i]->json_name);
	return valid;
}

/* --- Collecting ------------------------------------------------------------------- */

static enum schema_kind kind_of(const char *name, bool is_enum)
{
	static const struct {
		const char *name;
		enum schema_kind kind;
	} kinds[] = {
		{ ".ipc.Object", KIND_OBJECT },
		{ ".ipc.Fd", KIND_FD },
		{ ".google.protobuf.Any", KIND_ANY },
		{ ".google.protobuf.Timestamp", KIND_TIMESTAMP },
		{ ".google.protobuf.Duration", KIND_DURATION },
		{ ".google.protobuf.FieldMask", KIND_FIELD_MASK },
		{ ".google.protobuf.Struct", KIND_STRUCT },
		{ ".google.protobuf.ListValue", KIND_LIST },
		{ ".google.protobuf.Value", KIND_VALUE },
		{ ".google.protobuf.DoubleValue", KIND_WRAPPER },
		{ ".google.protobuf.FloatValue", KIND_WRAPPER },
		{ ".google.protobuf.Int64Value", KIND_WRAPPER },
		{ ".google.protobuf.UInt64Value", KIND_WRAPPER },
		{ ".google.protobuf.Int32Value", KIND_WRAPPER },
		{ ".google.protobuf.UInt32Value", KIND_WRAPPER },
		{ ".google.protobuf.BoolValue", KIND_WRAPPER },
		{ ".google.protobuf.StringValue", KIND_WRAPPER },
		{ ".google.protobuf.BytesValue", KIND_WRAPPER },
	};

	if (is_enum)
		return strcmp(name, ".google.protobuf.NullValue") ? KIND_PLAIN : KIND_NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(name, kinds[i].name))
			return kinds[i].kind;
	return KIND_PLAIN;
}

/* Adds a type. Sets ret_name to its full name. */
static int note(struct schema *schema, const char *scope, const char *name,
		struct schema_type type, const char **ret_name)
{
	struct schema_type *types;

	if (!is_word(name) || strlen(scope) + strlen(name) >= MAX_NAME)
		return -EBADMSG;
	types = reallocarray(schema->types, schema->n_types + 1, sizeof(*types));
	if (!types)
		return -ENOMEM;
	schema->types = types;
	if (asprintf(&type.name, "%s.%s", scope, name) < 0)
		return -ENOMEM;
	type.schema = schema;
	type.kind = kind_of(type.name, type.values);
	types[schema->n_types++] = type;
	*ret_name = type.name;
	return 0;
}

static int note_enums(struct schema *schema, const char *scope, enum_proto *const *enums, size_t n,
		      bool proto3)
{
	const char *name;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = note(schema, scope, enums[i]->name,
			 (struct schema_type){ .values = enums[i], .proto3 = proto3 }, &name);
		for (size_t j = 0; r == 0 && j < enums[i]->n_value; j++)
			r = is_word(enums[i]->value[j]->name) ? 0 : -EBADMSG;
	}
	return r;
}

static int note_message(struct schema *schema, const char *scope, const message_proto *message,
			size_t index, bool proto3)
{
	const struct schema_type type = {
		.message = message,
		.index = index,
		.proto3 = proto3,
		.is_map = message->options && message->options->map_entry,
	};
	const char *name;
	int r;

	r = note(schema, scope, message->name, type, &name);
	if (r < 0)
		return r;
	if (!has_words(message))
		return -EBADMSG;
	r = note_enums(schema, name, message->enum_type, message->n_enum_type, proto3);
	for (size_t i = 0; r == 0 && i < message->n_nested_type; i++)
		r = note_message(schema, name, message->nested_type[i], i, proto3);
	return r;
}

static int note_file(struct schema *schema, const file_proto *file)
{
	bool packaged = file->package && *file->package;
	bool proto3 = file->syntax && !strcmp(file->syntax, "proto3");
	char scope[MAX_NAME] = "";
	int r = 0;

	if (!is_package(file->package) || (packaged && strlen(file->package) >= MAX_NAME - 1))
		return -EBADMSG;
	for (size_t i = 0; i < file->n_dependency; i++)
		r = is_path(file->dependency[i]) ? r : -EBADMSG;
	for (size_t i = 0; i < file->n_service; i++)
		r = is_service(file->service[i]) ? r : -EBADMSG;
	if (packaged)
		stpcpy(stpcpy(scope, "."), file->package);
	if (r == 0)
		r = note_enums(schema, scope, file->enum_type, file->n_enum_type, proto3);
	for (size_t i = 0; r == 0 && i < file->n_message_type; i++)
		r = note_message(schema, scope, file->message_type[i], i, proto3);
	return r;
}

static int by_name(const void *a, const void *b)
{
	const struct schema_type *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static struct schema_type *find(const struct schema *schema, const char *name)
{
	const struct schema_type key = { .name = (char *)name };

	if (!name || !schema->n_types)
		return NULL;
	return bsearch(&key, schema->types, schema->n_types, sizeof(key), by_name);
}

const struct schema_type *schema_message_type(const struct schema *schema, const char *name)
{
	const struct schema_type *type = find(schema, name);

	return type && type->message ? type : NULL;
}

const struct schema_type *schema_any_type(const struct schema *schema, const char *url, size_t size)
{
	const char *slash = size ? memrchr(url, '/', size) : NULL;
	const struct schema_type *type;
	char *name;

	if (!slash || asprintf(&name, ".%.*s", (int)(url + size - slash - 1), slash + 1) < 0)
		return NULL;
	type = schema_message_type(schema, name);
	free(name);
	return type;
}

const char *schema_value_name(const struct schema_type *type, int32_t value)
{
	for (size_t i = 0; i < type->values->n_value; i++)
		if (type->values->value[i]->number == value)
			return type->values->value[i]->name;
	return NULL;
}

bool schema_has_value(const struct schema_type *type, int32_t value)
{
	return type->proto3 || schema_value_name(type, value);
}

const char *schema_type_name(const struct schema_type *type)
{
	return type->name + 1;
}

/* --- Fields --------------------------------------------------------------------- */

/* Returns true if the type is nested in the message, has the name of the field except for capitals,
 * and is the type of no earlier group. */
static bool is_group(const struct schema_type *type, const struct schema_field *field,
		     const struct schema_type *group)
{
	size_t n = strlen(type->name);

	return !type->proto3 && !group->is_group && !strncmp(group->name, type->name, n) &&
	       group->name[n] == '.' && !strcasecmp(group->name + n + 1, field->name);
}

char *schema_json_name(const char *name)
{
	char *copy = strdup(name), *to = copy;
	bool upper = false;

	if (!copy)
		return NULL;
	for (const char *c = name; *c; c++) {
		if (*c != '_')
			*to++ = upper && *c >= 'a' && *c <= 'z' ? (char)(*c & ~0x20) : *c;
		upper = *c == '_';
	}
	*to = '\0';
	return copy;
}

static bool is_packed(const struct schema_type *type, const field_proto *from, unsigned int wire)
{
	if (wire == WIRE_BYTES || wire == WIRE_GROUP)
		return false;
	return from->options && from->options->has_packed ? from->options->packed : type->proto3;
}

static int build_field(struct schema *schema, const struct schema_type *type,
		       const field_proto *from, struct schema_field *field)
{
	bool group = from->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
	struct schema_type *is;

	if (from->number < 1 || from->number > MAX_NUMBER || (int)from->type < 1 ||
	    (int)from->type >= N_FIELD_TYPES ||
	    (from->has_oneof_index && (from->oneof_index < 0 ||
				       (size_t)from->oneof_index >= type->message->n_oneof_decl)))
		return -EBADMSG;
	*field = (struct schema_field){
		.name = from->name,
		.number = from->number,
		.type = group ? FIELD_MESSAGE : (enum field_type)from->type,
		.wire = group ? WIRE_GROUP : field_kinds[from->type].wire,
		.repeated = from->label ==
			    GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED,
		.required = from->label ==
			    GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED,
		.oneof = from->has_oneof_index && !from->proto3_optional ? from->oneof_index : -1,
	};
	field->json_name = from->json_name ? strdup(from->json_name) : schema_json_name(from->name);
	if (!field->json_name)
		return -ENOMEM;
	field->packed = field->repeated && is_packed(type, from, field->wire);
	field->implicit = type->proto3 && !from->proto3_optional && !field->repeated &&
			  !field->required && field->oneof < 0 && field->type != FIELD_MESSAGE;
	if (field->type != FIELD_MESSAGE && field->type != FIELD_ENUM)
		return 0;
	is = find(schema, from->type_name);
	if (!is || !is->message != (field->type == FIELD_ENUM) ||
	    (group && !is_group(type, field, is)))
		return -EBADMSG;
	is->is_group |= group;
	field->is = is;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct schema_field *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

const struct schema_field *schema_field_at(const struct schema_type *type, uint32_t number)
{
	const struct schema_field key = { .number = number };

	return bsearch(&key, type->fields, type->n_fields, sizeof(key), by_number);
}

/* Returns whether the fields, in order, are key and value of a map. */
static bool is_map_entry(const struct schema_type *type)
{
	const struct schema_field *key = &type->fields[0], *value = &type->fields[1];

	return type->n_fields == 2 && key->number == 1 && value->number == 2 && !key->repeated &&
	       !value->repeated && key->oneof < 0 && value->oneof < 0 && !key->is &&
	       key->type != FIELD_FLOAT && key->type != FIELD_DOUBLE && key->type != FIELD_BYTES;
}

static int build_message(struct schema *schema, struct schema_type *type)
{
	size_t n = type->message->n_field;
	int r = 0;

	type->fields = calloc(n + 1, sizeof(*type->fields));
	if (!type->fields)
		return -ENOMEM;
	type->n_fields = n;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = build_field(schema, type, type->message->field[i], &type->fields[i]);
	if (r < 0)
		return r;
	qsort(type->fields, n, sizeof(*type->fields), by_number);
	for (size_t i = 1; i < n; i++)
		if (type->fields[i].number == type->fields[i - 1].number)
			return -EBADMSG;
	return type->is_map && !is_map_entry(type) ? -EBADMSG : 0;
}

/* Returns whether the schema has all types of a service. All services are printed. */
static bool has_types(const struct schema *schema,
		      const Google__Protobuf__ServiceDescriptorProto *service)
{
	bool valid = true;

	for (size_t i = 0; i < service->n_method; i++)
		valid = valid && schema_message_type(schema, service->method[i]->input_type) &&
			schema_message_type(schema, service->method[i]->output_type);
	return valid;
}

static int schema_build_types(struct schema *schema)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < schema->set->n_file; i++)
		r = note_file(schema, schema->set->file[i]);
	if (r < 0)
		return r;
	if (schema->n_types)
		qsort(schema->types, schema->n_types, sizeof(*schema->types), by_name);
	for (size_t i = 1; i < schema->n_types; i++)
		if (!by_name(&schema->types[i - 1], &schema->types[i]))
			return -EBADMSG;
	for (size_t i = 0; i < schema->set->n_file; i++)
		for (size_t j = 0; j < schema->set->file[i]->n_service; j++)
			r = has_types(schema, schema->set->file[i]->service[j]) ? r : -EBADMSG;
	for (size_t i = 0; r == 0 && i < schema->n_types; i++)
		if (schema->types[i].message)
			r = build_message(schema, &schema->types[i]);
	return r;
}

/* --- Methods -------------------------------------------------------------------- */

bool schema_option(const ProtobufCMessage *options, uint32_t number, uint64_t *ret_value)
{
	for (unsigned int i = 0; options && i < options->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
		struct wire wire = wire_of(field->data, field->len);

		if (field->tag == number && field->wire_type == PROTOBUF_C_WIRE_TYPE_VARINT)
			return wire_take_value(&wire, WIRE_VARINT, ret_value);
	}
	return false;
}

char *schema_text_option(const ProtobufCMessage *options, uint32_t number)
{
	for (unsigned int i = 0; options && i < options->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
		struct wire wire = wire_of(field->data, field->len);
		uint64_t size;
		char *text;

		if (field->tag != number ||
		    field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED ||
		    !wire_take_value(&wire, WIRE_VARINT, &size) ||
		    size != (size_t)(wire.end - wire.at))
			continue;
		text = wire_text(wire);
		if (text && strspn(text, WORD_CHARS) == size)
			return text;
		free(text);
	}
	return NULL;
}

/* Returns the number that protoc-gen-ipc gives to a method without (ipc.id): FNV-1a of
 * "pkg.Service/Method" with the top bit set. */
static uint32_t number_of(const char *interface, const char *method)
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
		const ProtobufCMessage *options = SCHEMA_OPTIONS(from);
		uint64_t value;

		method->name = from->name;
		method->request = schema_message_type(schema, from->input_type);
		method->reply = schema_message_type(schema, from->output_type);
		method->oneway = schema_option(options, OPTION_ONEWAY, &value) && value;
		if (schema_option(options, OPTION_TIMEOUT_MS, &value))
			method->timeout_ms = (uint32_t)value;
		method->streams_in = from->client_streaming;
		method->streams_out = from->server_streaming;
		method->number = schema_option(options, OPTION_ID, &value) ?
				       value : number_of(schema->interface, from->name);
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
 * Copies a message for protobuf-c, which recurses without a limit and refuses groups. In a
 * description only custom options are groups. If the message is damaged or nested too deeply,
 * returns false.
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
		wire_wrap(to, begin, field.number, WIRE_BYTES);
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
		for (size_t j = 0; j < schema->types[i].n_fields; j++)
			free(schema->types[i].fields[j].json_name);
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

const Google__Protobuf__FileDescriptorSet *schema_files(const struct schema *schema)
{
	return schema->set;
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

const struct schema_method *schema_find_number(const struct schema *schema, uint32_t number)
{
	for (size_t i = 0; i < schema->n_methods; i++)
		if (schema->methods[i].number == number)
			return &schema->methods[i];
	return NULL;
}

const char *schema_builtin(uint32_t number)
{
	switch (number) {
	case IPC_NUMBER_PING:
		return "ping";
	case IPC_NUMBER_DESCRIBE:
		return "describe";
	case IPC_NUMBER_DUMP:
		return "dump";
	case IPC_NUMBER_STREAM:
		return "stream";
	default:
		return NULL;
	}
}
