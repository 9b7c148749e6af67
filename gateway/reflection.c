// SPDX-License-Identifier: MIT
/*
 * Reflection: the files of the descriptions that services return. See builtin.h.
 *
 * A reply has all files of a description, which includes all imports, so a client needs a single
 * request for each service. A client learns only of services that the call may use: exports_each()
 * skips the others. The requests are untrusted. The functions run in callbacks of net.h, some under
 * the lock of an export, so they must not block. If memory is short, the reply is marked as failed.
 */
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "schema/schema.h"

/* Fields of ServerReflectionRequest and ServerReflectionResponse. */
enum {
	REQUEST_FILE = 3,
	REQUEST_SYMBOL = 4,
	REQUEST_EXTENSION = 5,
	REQUEST_EXTENSIONS_OF = 6,
	REQUEST_SERVICES = 7,
};
enum {
	REPLY_HOST = 1,
	REPLY_REQUEST = 2,
	REPLY_FILES = 4,
	REPLY_EXTENSIONS = 5,
	REPLY_SERVICES = 6,
	REPLY_ERROR = 7,
};

typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;

/* A request for a file, a symbol, or an extension of a type; if the number is 0, for the numbers of
 * all its extensions, in wire format, without repetition. */
struct question {
	char *file;
	char *symbol;
	char *extended;
	int32_t number;
	struct wire_buffer numbers;
	struct wire_buffer *reply;
	bool found;
};

/*
 * A set with google/protobuf/descriptor.proto, which services leave out of their descriptions. It
 * has the same bytes as the field of a reply.
 */
static const uint8_t descriptor_set[] = {
#include "descriptor.inc"
};

#define DESCRIPTOR_FILE "google/protobuf/descriptor.proto"

/* A set with the gateway's own services, and its details of errors. These files import nothing. */
static const uint8_t own_set[] = {
#include "own.inc"
};

/* --- Symbols -------------------------------------------------------------------------- */

/* Returns the rest of the symbol after this scope, or NULL if it is not in the scope. For the scope
 * itself, the rest is empty. */
static const char *within(const char *symbol, const char *scope)
{
	size_t n = scope ? strlen(scope) : 0;

	if (!n)
		return symbol;
	if (strncmp(symbol, scope, n) || (symbol[n] && symbol[n] != '.'))
		return NULL;
	return symbol[n] ? symbol + n + 1 : symbol + n;
}

static bool has_enum(Google__Protobuf__EnumDescriptorProto *const *enums, size_t n,
		     const char *symbol)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(enums[i]->name, symbol))
			return true;
	return false;
}

/* Returns whether the messages, or messages in them, declare the symbol. schema_new() has limited
 * the depth. */
static bool has_message(message_proto *const *messages, size_t n, const char *symbol)
{
	for (size_t i = 0; i < n; i++) {
		const message_proto *message = messages[i];
		const char *rest = within(symbol, message->name);

		if (!rest)
			continue;
		if (!*rest || has_message(message->nested_type, message->n_nested_type, rest) ||
		    has_enum(message->enum_type, message->n_enum_type, rest))
			return true;
		for (size_t j = 0; j < message->n_field; j++)
			if (!strcmp(message->field[j]->name, rest))
				return true;
	}
	return false;
}

static bool has_service(const file_proto *file, const char *symbol)
{
	for (size_t i = 0; i < file->n_service; i++) {
		const char *rest = within(symbol, file->service[i]->name);

		if (rest && !*rest)
			return true;
		for (size_t j = 0; rest && j < file->service[i]->n_method; j++)
			if (!strcmp(file->service[i]->method[j]->name, rest))
				return true;
	}
	return false;
}

static bool has_symbol(const file_proto *file, const char *symbol)
{
	const char *rest = within(symbol, file->package);

	return rest && *rest &&
	       (has_service(file, rest) ||
		has_message(file->message_type, file->n_message_type, rest) ||
		has_enum(file->enum_type, file->n_enum_type, rest));
}

/* Adds a number that the list does not have: several services have the same files. */
static void put_number(struct wire_buffer *numbers, int32_t number)
{
	struct wire wire = wire_of(numbers->data, numbers->size);
	struct wire_field field;

	while (wire_next(&wire, &field) > 0)
		if ((int32_t)field.value == number)
			return;
	wire_put_tag(numbers, 2, WIRE_VARINT);
	wire_put_value(numbers, WIRE_VARINT, (uint32_t)number);
}

/* Finds an extension of a type by its number, or if the number is 0, collects all numbers. */
static bool has_extension(const file_proto *file, struct question *question)
{
	bool found = false;

	for (size_t i = 0; !found && i < file->n_extension; i++) {
		const Google__Protobuf__FieldDescriptorProto *field = file->extension[i];
		const char *extended = field->extendee ?: "";

		/* protoc writes the full name after a dot. */
		if (strcmp(extended + (*extended == '.'), question->extended))
			continue;
		if (question->number)
			found = field->number == question->number;
		else
			put_number(&question->numbers, field->number);
	}
	return found;
}

/* --- Replies ---------------------------------------------------------------------------- */

static void put_file(struct wire_buffer *to, const file_proto *file)
{
	size_t size = google__protobuf__file_descriptor_proto__get_packed_size(file);
	uint8_t *data = malloc(size + 1);

	if (!data) {
		to->failed = true;
		return;
	}
	google__protobuf__file_descriptor_proto__pack(file, data);
	wire_put_field(to, 1, data, size);
	free(data);
}

static bool is_wanted(struct question *question, const file_proto *file)
{
	if (question->file)
		return file->name && !strcmp(file->name, question->file);
	if (question->extended)
		return has_extension(file, question);
	return has_symbol(file, question->symbol);
}

static bool has_file(const Google__Protobuf__FileDescriptorSet *set, const char *name)
{
	for (size_t i = 0; i < set->n_file; i++)
		if (set->file[i]->name && !strcmp(set->file[i]->name, name))
			return true;
	return false;
}

/* Adds all files of a service that has the requested file or symbol. Clients expect the requested
 * file first. */
static void look(const struct target *target, void *userdata)
{
	const Google__Protobuf__FileDescriptorSet *set = schema_files(target->schema);
	struct question *question = userdata;
	size_t begin = question->reply->size, wanted = 0;

	while (wanted < set->n_file && !is_wanted(question, set->file[wanted]))
		wanted++;
	if (question->found || wanted == set->n_file)
		return;
	question->found = true;
	put_file(question->reply, set->file[wanted]);
	for (size_t i = 0; i < set->n_file; i++)
		if (i != wanted)
			put_file(question->reply, set->file[i]);
	if (!has_file(set, DESCRIPTOR_FILE))
		wire_put(question->reply, descriptor_set, sizeof(descriptor_set));
	wire_wrap(question->reply, begin, REPLY_FILES, WIRE_BYTES);
}

/* Adds the file of a set of the gateway that has the requested file or symbol. */
static void look_at_set(struct question *question, const uint8_t *bytes, size_t size)
{
	Google__Protobuf__FileDescriptorSet *set;
	size_t begin = question->reply->size;

	if (question->found)
		return;
	set = google__protobuf__file_descriptor_set__unpack(NULL, size, bytes);
	for (size_t i = 0; set && !question->found && i < set->n_file; i++) {
		if (!is_wanted(question, set->file[i]))
			continue;
		question->found = true;
		put_file(question->reply, set->file[i]);
		wire_wrap(question->reply, begin, REPLY_FILES, WIRE_BYTES);
	}
	if (!set)
		question->reply->failed = true;
	google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
}

static void put_service(struct wire_buffer *reply, const char *name)
{
	size_t begin = reply->size;

	wire_put_field(reply, 1, name, strlen(name));
	wire_wrap(reply, begin, 1, WIRE_BYTES);
}

static void list(const struct target *target, void *userdata)
{
	put_service(userdata, schema_interface(target->schema));
}

static void put_services(struct exports *exports, const struct net_call *call,
			 struct wire_buffer *reply)
{
	size_t begin = reply->size;

	exports_each(exports, call, list, reply);
	put_service(reply, "grpc.health.v1.Health");
	put_service(reply, "grpc.reflection.v1.ServerReflection");
	put_service(reply, "grpc.reflection.v1alpha.ServerReflection");
	wire_wrap(reply, begin, REPLY_SERVICES, WIRE_BYTES);
}

static void put_error(struct wire_buffer *reply, enum net_code code, const char *text)
{
	size_t begin = reply->size;

	wire_put_tag(reply, 1, WIRE_VARINT);
	wire_put_value(reply, WIRE_VARINT, code);
	wire_put_field(reply, 2, text, strlen(text));
	wire_wrap(reply, begin, REPLY_ERROR, WIRE_BYTES);
}

static void put_question(struct exports *exports, const struct net_call *call,
			 const struct wire_field *field, struct wire_buffer *reply)
{
	char *name = wire_text(field->bytes);
	struct question question = { .reply = reply };

	if (!name) {
		reply->failed = true;
		return;
	}
	if (field->number == REQUEST_FILE)
		question.file = name;
	else
		question.symbol = name;
	exports_each(exports, call, look, &question);
	look_at_set(&question, own_set, sizeof(own_set));
	look_at_set(&question, descriptor_set, sizeof(descriptor_set));
	if (!question.found)
		put_error(reply, NET_NOT_FOUND, "no exported service has this file or symbol");
	free(name);
}

/* Adds the files of an ExtensionRequest: type and number. */
static void put_extension(struct exports *exports, const struct net_call *call,
			  const struct wire_field *field, struct wire_buffer *reply)
{
	struct question question = { .reply = reply };
	struct wire wire = field->bytes;
	struct wire_field part;

	while (wire_next(&wire, &part) > 0) {
		if (part.number == 1 && part.type == WIRE_BYTES) {
			free(question.extended);
			question.extended = wire_text(part.bytes);
		} else if (part.number == 2 && part.type == WIRE_VARINT) {
			question.number = (int32_t)part.value;
		}
	}
	if (question.extended && question.number)
		exports_each(exports, call, look, &question);
	if (!question.found)
		put_error(reply, NET_NOT_FOUND, "no exported service has this extension");
	free(question.extended);
}

/* Adds the numbers of all extensions of a type, of which there may be none. */
static void put_extensions(struct exports *exports, const struct net_call *call,
			   const struct wire_field *field, struct wire_buffer *reply)
{
	struct question question = { .reply = reply, .extended = wire_text(field->bytes) };
	size_t begin = reply->size, size = (size_t)(field->bytes.end - field->bytes.at);

	if (!question.extended) {
		reply->failed = true;
		return;
	}
	wire_put_field(reply, 1, field->bytes.at, size);
	exports_each(exports, call, look, &question);
	wire_put(reply, question.numbers.data, question.numbers.size);
	reply->failed = reply->failed || question.numbers.failed;
	wire_wrap(reply, begin, REPLY_EXTENSIONS, WIRE_BYTES);
	free(question.numbers.data);
	free(question.extended);
}

void reflection_reply(struct exports *exports, const struct net_call *call, const void *request,
		      size_t size, struct wire_buffer *reply)
{
	struct wire wire = wire_of(request, size);
	struct wire_field field, asked = { 0 };
	int r;

	wire_put_field(reply, REPLY_REQUEST, request, size);
	while ((r = wire_next(&wire, &field)) > 0)
		if (field.type == WIRE_BYTES && field.number >= REQUEST_FILE &&
		    field.number <= REQUEST_SERVICES)
			asked = field;
	if (r < 0)
		put_error(reply, NET_INVALID_ARGUMENT, "the request is not a valid message");
	else if (asked.number == REQUEST_SERVICES)
		put_services(exports, call, reply);
	else if (asked.number == REQUEST_FILE || asked.number == REQUEST_SYMBOL)
		put_question(exports, call, &asked, reply);
	else if (asked.number == REQUEST_EXTENSION)
		put_extension(exports, call, &asked, reply);
	else if (asked.number == REQUEST_EXTENSIONS_OF)
		put_extensions(exports, call, &asked, reply);
	else
		put_error(reply, NET_UNIMPLEMENTED, "unknown kind of request");
}
