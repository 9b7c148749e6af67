// SPDX-License-Identifier: MIT
/*
 * Options: see options.h. The unknown fields are packed, and parsed as a message of
 * extensions.proto.
 */
#include <string.h>

#include "options.h"

typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__FieldDescriptorProto Field;

/* Returns the extension of package ipc with the number, or NULL. */
static const Field *find_ipc_option(const char *extendee, uint32_t number, File *const *files,
				    size_t n_files)
{
	for (size_t i = 0; i < n_files; i++) {
		if (!files[i]->package || strcmp(files[i]->package, "ipc"))
			continue;

		for (size_t j = 0; j < files[i]->n_extension; j++) {
			const Field *field = files[i]->extension[j];

			if (field->number == (int32_t)number && field->extendee &&
			    !strcmp(field->extendee, extendee))
				return field;
		}
	}

	return NULL;
}

/* Returns an empty message of type as, with space for n_fields unknown fields. */
static ProtobufCMessage *empty(struct arena *arena, const ProtobufCMessageDescriptor *as,
			       size_t n_fields)
{
	ProtobufCMessage *message = arena_alloc(arena, as->sizeof_message);

	protobuf_c_message_init(as, message);
	message->unknown_fields = arena_array(arena, n_fields, sizeof(*message->unknown_fields));
	return message;
}

/* Returns the message with its unknown fields as fields of its type. If a value has another type,
 * returns NULL. */
static ProtobufCMessage *parse(struct arena *arena, const ProtobufCMessage *unknown)
{
	ProtobufCAllocator allocator = arena_allocator(arena);
	size_t size = protobuf_c_message_get_packed_size(unknown);
	uint8_t *data = arena_array(arena, size, 1);

	protobuf_c_message_pack(unknown, data);
	return protobuf_c_message_unpack(unknown->descriptor, &allocator, size, data);
}

static const void *read_options(struct arena *arena, const ProtobufCMessage *options,
				const char *extendee, const ProtobufCMessageDescriptor *as,
				File *const *files, size_t n_files, struct bad_option *ret_bad)
{
	unsigned int n_fields = options ? options->n_unknown_fields : 0;
	ProtobufCMessage *known = empty(arena, as, n_fields);

	for (unsigned int i = 0; i < n_fields; i++) {
		const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
		const Field *option = find_ipc_option(extendee, field->tag, files, n_files);

		if (!option)
			continue;
		if (!protobuf_c_message_descriptor_get_field(as, field->tag)) {
			ret_bad->number = field->tag;
			ret_bad->problem =
				arena_printf(arena,
					     "this protoc-gen-ipc does not know option (ipc.%s), "
					     "number %u; it may be older than ipc/options.proto",
					     option->name ?: "", field->tag);
			return NULL;
		}
		known->unknown_fields[known->n_unknown_fields++] = *field;
	}

	known = parse(arena, known);
	if (!known)
		*ret_bad = (struct bad_option){ 0, "an option of package ipc has another type than in "
						   "ipc/options.proto" };
	return known;
}

const Extensions__Method *options_of_method(struct arena *arena,
					    const Google__Protobuf__MethodOptions *options,
					    File *const *files, size_t n_files,
					    struct bad_option *ret_bad)
{
	return read_options(arena, options ? &options->base : NULL,
			    ".google.protobuf.MethodOptions", &extensions__method__descriptor,
			    files, n_files, ret_bad);
}

const Extensions__Service *options_of_service(struct arena *arena,
					      const Google__Protobuf__ServiceOptions *options,
					      File *const *files, size_t n_files,
					      struct bad_option *ret_bad)
{
	return read_options(arena, options ? &options->base : NULL,
			    ".google.protobuf.ServiceOptions", &extensions__service__descriptor,
			    files, n_files, ret_bad);
}

const Extensions__File *options_of_file(struct arena *arena,
					const Google__Protobuf__FileOptions *options,
					File *const *files, size_t n_files,
					struct bad_option *ret_bad)
{
	return read_options(arena, options ? &options->base : NULL,
			    ".google.protobuf.FileOptions", &extensions__file__descriptor, files,
			    n_files, ret_bad);
}

/* Like read_options(), but takes every field for the option with that number. */
static const void *parse_all(struct arena *arena, const ProtobufCMessage *options,
			     const ProtobufCMessageDescriptor *as)
{
	unsigned int n_fields = options ? options->n_unknown_fields : 0;
	ProtobufCMessage *unknown = empty(arena, as, n_fields);

	for (unsigned int i = 0; i < n_fields; i++)
		unknown->unknown_fields[unknown->n_unknown_fields++] = options->unknown_fields[i];
	return parse(arena, unknown);
}

const Extensions__Method *options_of_any_method(struct arena *arena,
						const Google__Protobuf__MethodOptions *options)
{
	return parse_all(arena, options ? &options->base : NULL, &extensions__method__descriptor);
}

const char *options_c_package(struct arena *arena, const Google__Protobuf__FileOptions *options)
{
	const Extensions__File *file =
		parse_all(arena, options ? &options->base : NULL, &extensions__file__descriptor);

	return file && file->pb_c_file ? file->pb_c_file->c_package : NULL;
}
