// SPDX-License-Identifier: MIT
/*
 * The files of a request: what must hold of them, and the set of those that one
 * needs.
 */
#include <string.h>

#include "names.h"
#include "request.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__ServiceDescriptorProto Service;

/* --- What must hold ----------------------------------------------------------- */

static bool is_identifier(const char *name)
{
	return name && name_is_identifier(name);
}

static const char *check_messages(Descriptor *const *messages, size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		const Descriptor *message = messages[i];
		const char *problem;

		if (!is_identifier(message->name))
			return "a message without a proper name";

		for (size_t j = 0; j < message->n_field; j++)
			if (!is_identifier(message->field[j]->name))
				return "a field without a proper name";

		problem = check_messages(message->nested_type, message->n_nested_type);
		if (problem)
			return problem;
	}

	return NULL;
}

static const char *check_service(const struct types *types, const Service *service)
{
	if (!is_identifier(service->name))
		return "a service without a proper name";

	for (size_t i = 0; i < service->n_method; i++) {
		const Google__Protobuf__MethodDescriptorProto *method = service->method[i];

		if (!is_identifier(method->name))
			return "a method without a proper name";
		if (!method->input_type || !types_find(types, method->input_type) ||
		    !method->output_type || !types_find(types, method->output_type))
			return "a method's type is not among the messages";
	}

	return NULL;
}

static const char *check_file(const File *file)
{
	if (!file->name)
		return "a file without a name";
	if (file->package && *file->package && !name_is_dotted(file->package))
		return "a package without a proper name";

	return check_messages(file->message_type, file->n_message_type);
}

const char *request_init(struct request *request, struct arena *arena, File *const *files,
			 size_t n_files)
{
	const char *problem;

	*request = (struct request){ .arena = arena, .files = files, .n_files = n_files };
	for (size_t i = 0; i < n_files; i++) {
		problem = check_file(files[i]);
		if (problem)
			return problem;
	}

	problem = types_collect(arena, &request->types, files, n_files);
	for (size_t i = 0; i < n_files; i++)
		for (size_t j = 0; !problem && j < files[i]->n_service; j++)
			problem = check_service(&request->types, files[i]->service[j]);

	return problem;
}

const File *request_file(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->n_files; i++)
		if (!strcmp(request->files[i]->name, name))
			return request->files[i];

	return NULL;
}

/* --- The set of files that one needs ------------------------------------------- */

static size_t file_index(const struct request *request, const char *name)
{
	size_t i = 0;

	while (i < request->n_files && strcmp(request->files[i]->name, name))
		i++;

	return i;
}

/* Marks what the file imports, directly and indirectly, and itself. */
static bool *mark_imports(const struct request *request, const File *file)
{
	bool *marked = arena_array(request->arena, request->n_files + 1, sizeof(*marked));
	size_t *todo = arena_array(request->arena, request->n_files + 1, sizeof(*todo));
	size_t n_todo = 0;

	todo[n_todo++] = file_index(request, file->name);
	marked[todo[0]] = true;
	while (n_todo) {
		const File *importer = request->files[todo[--n_todo]];

		for (size_t i = 0; i < importer->n_dependency; i++) {
			size_t import = file_index(request, importer->dependency[i]);

			if (import == request->n_files || marked[import] ||
			    !strcmp(importer->dependency[i], "google/protobuf/descriptor.proto"))
				continue;
			marked[import] = true;
			todo[n_todo++] = import;
		}
	}

	return marked;
}

const uint8_t *request_file_set(const struct request *request, const File *file,
				size_t *ret_size)
{
	Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
	const bool *marked = mark_imports(request, file);
	uint8_t *data;

	set.file = arena_array(request->arena, request->n_files, sizeof(*set.file));
	for (size_t i = 0; i < request->n_files; i++) {
		File *copy;

		if (!marked[i])
			continue;
		copy = arena_alloc(request->arena, sizeof(*copy));
		*copy = *request->files[i];
		copy->source_code_info = NULL;
		set.file[set.n_file++] = copy;
	}

	*ret_size = google__protobuf__file_descriptor_set__get_packed_size(&set);
	data = arena_array(request->arena, *ret_size, 1);
	google__protobuf__file_descriptor_set__pack(&set, data);
	return data;
}
