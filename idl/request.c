// SPDX-License-Identifier: MIT
/*
 * The files of a request: what must hold of them, and the set of those that one
 * needs.
 */
#include <string.h>

#include "names.h"
#include "request.h"
#include "source.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__ServiceDescriptorProto Service;

/* --- What must hold ----------------------------------------------------------- */

static const char *check_fields(const Descriptor *message)
{
	for (size_t i = 0; i < message->n_oneof_decl; i++)
		if (!name_is_identifier(message->oneof_decl[i]->name))
			return "a oneof without a proper name";
	for (size_t i = 0; i < message->n_field; i++) {
		const Field *field = message->field[i];

		if (!name_is_identifier(field->name))
			return "a field without a proper name";
		if (field->has_oneof_index && (field->oneof_index < 0 ||
					       (size_t)field->oneof_index >= message->n_oneof_decl))
			return "a field of a oneof that is not there";
	}

	return NULL;
}

static const char *check_enums(Google__Protobuf__EnumDescriptorProto *const *enums, size_t n_enums)
{
	for (size_t i = 0; i < n_enums; i++) {
		if (!name_is_identifier(enums[i]->name))
			return "an enum without a proper name";
		for (size_t j = 0; j < enums[i]->n_value; j++)
			if (!name_is_identifier(enums[i]->value[j]->name))
				return "an enum value without a proper name";
	}

	return NULL;
}

static const char *check_messages(Descriptor *const *messages, size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		const Descriptor *message = messages[i];
		const char *problem;

		if (!name_is_identifier(message->name))
			return "a message without a proper name";

		problem = check_fields(message);
		if (!problem)
			problem = check_enums(message->enum_type, message->n_enum_type);
		if (problem)
			return problem;

		problem = check_messages(message->nested_type, message->n_nested_type);
		if (problem)
			return problem;
	}

	return NULL;
}

static const char *check_service(const struct types *types, const Service *service)
{
	if (!name_is_identifier(service->name))
		return "a service without a proper name";

	for (size_t i = 0; i < service->n_method; i++) {
		const Google__Protobuf__MethodDescriptorProto *method = service->method[i];

		if (!name_is_identifier(method->name))
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

	return check_enums(file->enum_type, file->n_enum_type) ?:
		       check_messages(file->message_type, file->n_message_type);
}

const char *request_init(struct request *request, struct arena *arena,
			 struct parameters *parameters, File *const *files, size_t n_files)
{
	const char *problem;

	*request = (struct request){
		.arena = arena,
		.files = files,
		.originals = files,
		.n_files = n_files,
		.parameters = parameters,
	};
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

/*
 * Appends the file to the set after what it imports, directly and indirectly, each once. In
 * the order of the import statements: that of the request depends on what else protoc was
 * to compile.
 */
static void add_with_imports(const struct request *request, const char *name, bool *seen,
			     Google__Protobuf__FileDescriptorSet *set)
{
	size_t i = 0;
	File *file;

	while (i < request->n_files && strcmp(request->files[i]->name, name))
		i++;
	if (i == request->n_files || seen[i] || !strcmp(name, "google/protobuf/descriptor.proto"))
		return;

	seen[i] = true;
	for (size_t j = 0; j < request->files[i]->n_dependency; j++)
		add_with_imports(request, request->files[i]->dependency[j], seen, set);

	file = arena_alloc(request->arena, sizeof(*file));
	*file = *request->originals[i];
	file->source_code_info = NULL;
	set->file[set->n_file++] = file;
}

const uint8_t *request_file_set(const struct request *request, const File *file,
				size_t *ret_size)
{
	Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
	uint8_t *data;

	set.file = arena_array(request->arena, request->n_files + 1, sizeof(*set.file));
	add_with_imports(request, file->name,
			 arena_array(request->arena, request->n_files + 1, sizeof(bool)), &set);
	/* The file comes after its imports. */
	if (!request->parameters->no_comments && set.n_file)
		set.file[set.n_file - 1]->source_code_info =
			source_comments(file->source_code_info, request->arena);

	*ret_size = google__protobuf__file_descriptor_set__get_packed_size(&set);
	data = arena_array(request->arena, *ret_size, 1);
	google__protobuf__file_descriptor_set__pack(&set, data);
	return data;
}
