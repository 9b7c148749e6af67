// SPDX-License-Identifier: MIT
/*
 * The files of a request: see request.h.
 */
#include <string.h>

#include "request.h"
#include "source.h"

typedef Google__Protobuf__FileDescriptorProto File;

const char *request_init(struct request *request, struct arena *arena,
			 struct parameters *parameters, File *const *files, size_t n_files)
{
	*request = (struct request){
		.arena = arena,
		.files = files,
		.originals = files,
		.n_files = n_files,
		.parameters = parameters,
	};
	return types_collect(arena, &request->types, files, n_files);
}

const File *request_file(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->n_files; i++)
		if (!strcmp(request->files[i]->name, name))
			return request->files[i];

	return NULL;
}

/*
 * Appends the file to the set after its direct and indirect imports, each once, in the order of the
 * import statements. The order of the request depends on the other files that protoc compiles.
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
	/* The file is the last, after its imports. */
	if (!request->parameters->no_comments && set.n_file)
		set.file[set.n_file - 1]->source_code_info =
			source_comments(file->source_code_info, request->arena);

	*ret_size = google__protobuf__file_descriptor_set__get_packed_size(&set);
	data = arena_array(request->arena, *ret_size, 1);
	google__protobuf__file_descriptor_set__pack(&set, data);
	return data;
}
