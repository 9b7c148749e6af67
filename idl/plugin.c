// SPDX-License-Identifier: MIT
/*
 * From request to response: unpack, check, build a unit per file, emit. Either
 * all files are generated or none.
 */
#include <string.h>

#include "emit.h"
#include "google/protobuf/compiler/plugin.pb-c.h"
#include "plugin.h"
#include "wire.h"

typedef Google__Protobuf__Compiler__CodeGeneratorRequest Request;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse Response;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File ResponseFile;
typedef Google__Protobuf__FileDescriptorProto File;

static Request *unpack(struct arena *arena, const uint8_t *data, size_t size)
{
	ProtobufCAllocator allocator = arena_allocator(arena);

	if (!wire_is_sound(&google__protobuf__compiler__code_generator_request__descriptor, data,
			   size, WIRE_DEPTH_MAX))
		return NULL;

	return google__protobuf__compiler__code_generator_request__unpack(&allocator, size, data);
}

/* The response borrows the text, which moves into the arena. */
static void add_file(struct arena *arena, Response *response, const char *base,
		     const char *ending, struct text *text)
{
	ResponseFile *file = arena_alloc(arena, sizeof(*file));

	google__protobuf__compiler__code_generator_response__file__init(file);
	file->name = arena_printf(arena, "%s%s", base, ending);
	file->content = arena_strndup(arena, text->data, text->size);
	response->file[response->n_file++] = file;
	text_done(text);
}

static void add_unit(struct arena *arena, Response *response, const struct unit *unit)
{
	struct text text = { 0 };
	struct emitter e = { .arena = arena, .unit = unit, .out = &text };

	emit_header(&e);
	add_file(arena, response, unit->base, ".ipc.h", &text);

	emit_source(&e);
	add_file(arena, response, unit->base, ".ipc.c", &text);
}

/* Builds the units of all files that have services. Returns NULL, or an error in the
 * request. */
static const char *build_units(struct request *request, const Request *asked,
			       struct unit *units, size_t *n_units, struct diag *diag)
{
	for (size_t i = 0; i < asked->n_file_to_generate; i++) {
		const File *file = request_file(request, asked->file_to_generate[i]);

		if (!file)
			return "a file to generate is missing";
		if (file->n_service)
			unit_build(&units[*n_units], request, file, units, *n_units, diag);
		*n_units += file->n_service != 0;
	}

	return NULL;
}

static const char *generate(struct arena *arena, const Request *asked, Response *response)
{
	struct unit *units = arena_array(arena, asked->n_file_to_generate + 1, sizeof(*units));
	struct diag diag = { 0 };
	struct request request;
	const char *problem;
	size_t n_units = 0;

	problem = request_init(&request, arena, asked->proto_file, asked->n_proto_file);
	if (problem)
		return problem;
	request.without_comments = asked->parameter && *asked->parameter;

	problem = build_units(&request, asked, units, &n_units, &diag);
	response->error = (char *)diag_report(&diag, arena);
	diag_done(&diag);
	if (problem || response->error)
		return problem;

	response->file = arena_array(arena, 2 * n_units + 1, sizeof(*response->file));
	for (size_t i = 0; i < n_units; i++)
		add_unit(arena, response, &units[i]);

	return NULL;
}

const char *plugin_run(struct arena *arena, const uint8_t *data, size_t size,
		       uint8_t **ret_response, size_t *ret_size)
{
	Response response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
	const Request *asked = unpack(arena, data, size);
	const char *problem = NULL;

	if (!asked)
		return "it is not a CodeGeneratorRequest";

	response.has_supported_features = true;
	response.supported_features =
		GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL;
	if (asked->parameter && *asked->parameter && strcmp(asked->parameter, NO_COMMENTS))
		response.error = arena_printf(
			arena,
			"unknown parameter \"%s\"; protoc-gen-ipc takes " NO_COMMENTS " only",
			asked->parameter);
	else
		problem = generate(arena, asked, &response);
	if (problem)
		return problem;

	*ret_size = google__protobuf__compiler__code_generator_response__get_packed_size(&response);
	*ret_response = arena_array(arena, *ret_size, 1);
	google__protobuf__compiler__code_generator_response__pack(&response, *ret_response);
	return NULL;
}
