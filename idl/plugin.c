// SPDX-License-Identifier: MIT
/*
 * Turns the request into the response: unpacks and checks it, builds a unit per file, and emits the
 * files. If there is an error, no file is generated.
 */
#include "c_files.h"
#include "c_messages.h"
#include "emit.h"
#include "emit_python.h"
#include "google/protobuf/compiler/plugin.pb-c.h"
#include "naming.h"
#include "parameters.h"
#include "plugin.h"
#include "rust_names.h"
#include "wire.h"

#include <string.h>

typedef Google__Protobuf__Compiler__CodeGeneratorRequest Request;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse Response;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File ResponseFile;
typedef Google__Protobuf__FileDescriptorProto File;

/* Moves the text into the arena. The response borrows it. */
static void add_file(struct arena *arena, Response *response, const char *base, const char *ending,
		     struct text *text)
{
	ResponseFile *file = arena_alloc(arena, sizeof(*file));

	google__protobuf__compiler__code_generator_response__file__init(file);
	file->name = arena_printf(arena, "%s%s", base, ending);
	file->content = arena_strndup(arena, text->data, text->size);
	response->file[response->n_file++] = file;
	text_done(text);
}

#define FILES_MAX 2

/* The files of each language. */
struct output {
	const char *ending;
	void (*write)(struct emitter *e);
};

static const struct backend {
	/* See naming.h. */
	void (*name)(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag);
	/* Returns the path of the files without ending; NULL: unit->base. */
	const char *(*base)(struct arena *arena, const struct unit *unit);
	struct output outputs[FILES_MAX];
} backends[] = {
	[LANGUAGE_C] = { naming_c, NULL, { { ".ipc.h", emit_header }, { ".ipc.c", emit_source } } },
	[LANGUAGE_CPP] = { naming_cpp, NULL, { { ".ipc.hpp", emit_cpp } } },
	[LANGUAGE_PYTHON] = { naming_python, python_base,
			      { { "_ipc.py", emit_python }, { "_ipc.pyi", emit_python_types } } },
	[LANGUAGE_RUST] = { naming_rust, NULL, { { ".ipc.rs", emit_rust } } },
};

static void add_unit(struct arena *arena, Response *response, const struct request *request,
		     const struct unit *unit, const struct backend *backend)
{
	const char *base = backend->base ? backend->base(arena, unit) : unit->base;
	struct text text = { 0 };
	struct emitter e = { .arena = arena,
			     .unit = unit,
			     .types = &request->types,
			     .request = request,
			     .out = &text };

	for (size_t i = 0; i < FILES_MAX && backend->outputs[i].write; i++) {
		backend->outputs[i].write(&e);
		add_file(arena, response, base, backend->outputs[i].ending, &text);
	}
}

/* Builds the units of all files that have services; for Rust, of all files. Returns NULL, or an
 * error in the request. */
static const char *build_units(struct request *request, const Request *asked, struct unit *units,
			       size_t *n_units, struct diag *diag)
{
	bool all = request->parameters->language == LANGUAGE_RUST;

	for (size_t i = 0; i < asked->n_file_to_generate; i++) {
		const File *file = request_file(request, asked->file_to_generate[i]);
		struct unit *unit = &units[*n_units];

		if (!file)
			return "a file to generate is missing";
		if (!file->n_service && !all)
			continue;
		unit_build(unit, request, file, diag);
		*n_units += unit->n_services || all;
	}

	return NULL;
}

static bool has_unit(const struct unit *units, size_t n_units, const char *file)
{
	for (size_t i = 0; i < n_units; i++)
		if (!strcmp(units[i].file, file))
			return true;
	return false;
}

/* For Rust with parameter imports: builds the messages of the imports. */
static void build_imports(struct request *request, const Request *asked, struct unit *units,
			  size_t *n_units, struct diag *diag)
{
	const char **names = arena_array(request->arena, request->n_files + 1, sizeof(*names));

	if (request->parameters->language != LANGUAGE_RUST || !request->parameters->imports)
		return;
	for (size_t i = 0; i < asked->n_file_to_generate; i++) {
		size_t n = 0;

		c_messages_imports(request, asked->file_to_generate[i], names, &n);
		for (size_t j = 0; j < n; j++) {
			File *copy;

			if (rust_crate_has(names[j]) || has_unit(units, *n_units, names[j]))
				continue;
			copy = arena_alloc(request->arena, sizeof(*copy));
			*copy = *request_file(request, names[j]);
			copy->n_service = 0;
			unit_build(&units[(*n_units)++], request, copy, diag);
		}
	}
}

/* Initializes the request. For C, changes names in the files: see c_files.h. Returns NULL, or an
 * error in the request. */
static const char *prepare(struct request *request, struct arena *arena, const Request *asked,
			   struct parameters *parameters, struct diag *diag)
{
	File *const *originals = asked->proto_file;
	const char *problem;
	File **copies;

	problem = request_init(request, arena, parameters, originals, asked->n_proto_file);
	if (problem || parameters->language != LANGUAGE_C)
		return problem;
	copies = c_files(request, diag);
	problem = request_init(request, arena, parameters, copies, asked->n_proto_file);
	request->originals = originals;
	return problem;
}

/* For C, adds the files of c_messages() before the others. Returns NULL, or an error message for
 * the user. */
static const char *add_messages(struct arena *arena, Response *response,
				const struct request *request, const Request *asked)
{
	ResponseFile **files;
	const char *error;
	size_t n;

	if (request->parameters->language != LANGUAGE_C)
		return NULL;
	error = c_messages(request, asked->file_to_generate, asked->n_file_to_generate, &files, &n);
	if (error || !n)
		return error;
	files = memcpy(arena_array(arena, n + response->n_file, sizeof(*files)), files,
		       n * sizeof(*files));
	if (response->n_file)
		memcpy(files + n, response->file, response->n_file * sizeof(*files));
	response->file = files;
	response->n_file += n;
	return NULL;
}

/* Fills in the response, also with errors for the user. Returns NULL, or an error in the
 * request. */
static const char *generate(struct arena *arena, const Request *asked,
			    struct parameters *parameters, Response *response)
{
	const struct backend *backend = &backends[parameters->language];
	struct unit *units = arena_array(arena, asked->n_file_to_generate + asked->n_proto_file + 1,
					 sizeof(*units));
	struct diag diag = { 0 };
	struct request request;
	const char *problem;
	size_t n_units = 0;

	problem = prepare(&request, arena, asked, parameters, &diag);
	if (!problem)
		problem = build_units(&request, asked, units, &n_units, &diag);
	if (!problem)
		build_imports(&request, asked, units, &n_units, &diag);
	/* If there are errors, names need not be checked. */
	if (!problem && !diag.count)
		backend->name(units, n_units, arena, &diag);
	response->error = (char *)diag_report(&diag, arena);
	diag_done(&diag);
	if (!response->error)
		response->error = (char *)parameters_unused(arena, parameters);
	if (problem || response->error)
		return problem;

	response->file = arena_array(arena, FILES_MAX * n_units + 1, sizeof(*response->file));
	for (size_t i = 0; i < n_units; i++)
		add_unit(arena, response, &request, &units[i], backend);
	if (n_units && parameters->language == LANGUAGE_RUST) {
		struct text text = { 0 };

		emit_rust_modules(&text, units, n_units);
		add_file(arena, response, "ipc.rs", "", &text);
	}
	response->error = (char *)add_messages(arena, response, &request, asked);
	if (response->error)
		response->n_file = 0;
	return NULL;
}

const char *plugin_run(struct arena *arena, const uint8_t *data, size_t size,
		       uint8_t **ret_response, size_t *ret_size)
{
	Response response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
	const Request *asked = wire_unpack(
		arena, &google__protobuf__compiler__code_generator_request__descriptor, data, size);
	struct parameters parameters;
	const char *problem = NULL;

	if (!asked)
		return "it is not a CodeGeneratorRequest";

	response.has_supported_features = true;
	response.supported_features =
		GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL;
	response.error = (char *)parameters_parse(arena, asked->parameter, &parameters);
	if (!response.error)
		problem = generate(arena, asked, &parameters, &response);
	if (problem)
		return problem;

	*ret_size = google__protobuf__compiler__code_generator_response__get_packed_size(&response);
	*ret_response = arena_array(arena, *ret_size, 1);
	google__protobuf__compiler__code_generator_response__pack(&response, *ret_response);
	return NULL;
}
