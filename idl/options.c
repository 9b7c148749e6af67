// SPDX-License-Identifier: MIT
/*
 * The options of ipc/options.proto, with the field numbers from there.
 */
#include <string.h>

#include "options.h"
#include "wire.h"

#define METHOD_ONEWAY	 50601
#define METHOD_ID	 50602
#define METHOD_TIMEOUT	 50603
#define SERVICE_C_PREFIX 50601

typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__FieldDescriptorProto Field;

/* The extension of package ipc that has the number, or NULL. */
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

static bool bad_value(struct bad_option *ret_bad, uint32_t number, const char *problem)
{
	*ret_bad = (struct bad_option){ .number = number, .problem = problem };
	return false;
}

static bool bad_unknown(struct bad_option *ret_bad, struct arena *arena, const Field *option)
{
	return bad_value(ret_bad, (uint32_t)option->number,
			 arena_printf(arena,
				      "this protoc-gen-ipc does not know option (ipc.%s), "
				      "number %d; it may be older than ipc/options.proto",
				      option->name ?: "", option->number));
}

bool options_of_method(struct arena *arena, struct method_options *ret,
		       const Google__Protobuf__MethodOptions *options, File *const *files,
		       size_t n_files, struct bad_option *ret_bad)
{
	uint64_t value;

	*ret = (struct method_options){ 0 };
	for (unsigned int i = 0; options && i < options->base.n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &options->base.unknown_fields[i];
		const Field *option = find_ipc_option(".google.protobuf.MethodOptions",
						      field->tag, files, n_files);

		if (!option)
			continue;

		switch (field->tag) {
		case METHOD_ONEWAY:
			if (!wire_varint(field, &value))
				return bad_value(ret_bad, field->tag,
						 "option (ipc.oneway) is not a bool");
			ret->oneway = value != 0;
			break;
		case METHOD_ID:
			if (!wire_varint(field, &ret->id))
				return bad_value(ret_bad, field->tag,
						 "option (ipc.id) is not a number");
			ret->has_id = true;
			break;
		case METHOD_TIMEOUT:
			if (!wire_varint(field, &ret->timeout_ms))
				return bad_value(ret_bad, field->tag,
						 "option (ipc.timeout_ms) is not a number");
			ret->has_timeout = true;
			break;
		default:
			return bad_unknown(ret_bad, arena, option);
		}
	}

	return true;
}

bool options_of_service(struct arena *arena, struct service_options *ret,
			const Google__Protobuf__ServiceOptions *options, File *const *files,
			size_t n_files, struct bad_option *ret_bad)
{
	const uint8_t *data;
	size_t size;

	*ret = (struct service_options){ 0 };
	for (unsigned int i = 0; options && i < options->base.n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *field = &options->base.unknown_fields[i];
		const Field *option = find_ipc_option(".google.protobuf.ServiceOptions",
						      field->tag, files, n_files);

		if (!option)
			continue;
		if (field->tag != SERVICE_C_PREFIX)
			return bad_unknown(ret_bad, arena, option);
		if (!wire_bytes(field, &data, &size))
			return bad_value(ret_bad, field->tag,
					 "option (ipc.c_prefix) is not a string");

		ret->c_prefix = arena_strndup(arena, (const char *)data, size);
	}

	return true;
}
