// SPDX-License-Identifier: MIT
/*
 * The messages for C: see c_messages.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "c_messages.h"
#include "names.h"
#include "text.h"
#include "wire.h"

typedef Google__Protobuf__Compiler__CodeGeneratorRequest Request;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse Response;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File ResponseFile;
typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;

extern char **environ;

#define KIND(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name

/* Returns true for files whose messages are in libipc. */
static bool is_ours(const char *name)
{
	return !strcmp(name, "ipc/ipc.proto") || !strcmp(name, "ipc/options.proto");
}

/* --- Required imports ---------------------------------------------------------------- */

static size_t index_of(const struct request *request, const char *name)
{
	size_t i = 0;

	while (i < request->n_files && strcmp(request->files[i]->name, name))
		i++;
	return i;
}

/* Marks the files that declare the types of the fields. Files of enums are found by their names. */
static const File *file_of(const struct request *request, const Field *field)
{
	const struct type *type = types_find(&request->types, field->type_name);
	const char *dot;
	char *outer;

	if (type)
		return type->file;
	/* An enum inside a message is in the file of the message. */
	dot = strrchr(field->type_name, '.');
	outer = arena_strndup(request->arena, field->type_name, (size_t)(dot - field->type_name));
	type = types_find(&request->types, outer);
	if (type)
		return type->file;
	for (size_t i = 0; i < request->n_files; i++) {
		const File *file = request->files[i];

		for (size_t j = 0; j < file->n_enum_type; j++)
			if (!strcmp(file->enum_type[j]->name, dot + 1) &&
			    !strcmp(outer + (*outer == '.'), file->package ?: ""))
				return file;
	}
	return NULL;
}

static void mark_fields(const struct request *request, Descriptor *const *messages,
			size_t n_messages, bool *used)
{
	for (size_t i = 0; i < n_messages; i++) {
		for (size_t j = 0; j < messages[i]->n_field; j++) {
			const Field *field = messages[i]->field[j];
			const File *file = field->type_name && *field->type_name == '.' ?
						   file_of(request, field) :
						   NULL;

			if (file)
				used[index_of(request, file->name)] = true;
		}
		mark_fields(request, messages[i]->nested_type, messages[i]->n_nested_type, used);
	}
}

/* Returns true if the file, or a file that it imports publicly, is used. */
static bool provides(const struct request *request, size_t file, const bool *used)
{
	const File *f = request->files[file];

	if (used[file])
		return true;
	for (size_t i = 0; i < f->n_public_dependency; i++) {
		int32_t at = f->public_dependency[i];
		size_t next = at >= 0 && (size_t)at < f->n_dependency ?
				      index_of(request, f->dependency[at]) :
				      request->n_files;

		/* Imported files precede the files that import them. */
		if (next < file && provides(request, next, used))
			return true;
	}
	return false;
}

static bool is_public(const File *file, size_t dependency)
{
	for (size_t i = 0; i < file->n_public_dependency; i++)
		if ((size_t)file->public_dependency[i] == dependency)
			return true;
	return false;
}

/* Replaces the dependencies by the imports whose types C needs, and by public imports. Files are
 * often imported only for their options, but protoc-gen-c would include their headers. */
static void keep_imports(const struct request *request, File *copy, const File *file)
{
	bool *used = arena_array(request->arena, request->n_files + 1, sizeof(*used));

	mark_fields(request, file->message_type, file->n_message_type, used);
	for (size_t i = 0; i < file->n_service; i++)
		for (size_t j = 0; j < file->service[i]->n_method; j++) {
			const Google__Protobuf__MethodDescriptorProto *m =
				file->service[i]->method[j];

			used[index_of(request,
				      types_find(&request->types, m->input_type)->file->name)] =
				true;
			used[index_of(request,
				      types_find(&request->types, m->output_type)->file->name)] =
				true;
		}

	copy->dependency = arena_array(request->arena, file->n_dependency + 1, sizeof(char *));
	copy->public_dependency = arena_array(request->arena, file->n_dependency + 1,
					      sizeof(*copy->public_dependency));
	copy->n_dependency = copy->n_public_dependency = copy->n_weak_dependency = 0;
	for (size_t i = 0; i < file->n_dependency; i++) {
		size_t at = index_of(request, file->dependency[i]);

		if (!is_public(file, i) && (at == request->n_files || !provides(request, at, used)))
			continue;
		if (is_public(file, i))
			copy->public_dependency[copy->n_public_dependency++] =
				(int32_t)copy->n_dependency;
		copy->dependency[copy->n_dependency++] = file->dependency[i];
	}
}

static void add_imports(const struct request *request, const char *name, bool *seen,
			const char **list, size_t *n)
{
	size_t at = index_of(request, name);
	File kept;

	if (at == request->n_files || seen[at] || is_ours(name))
		return;
	seen[at] = true;
	kept = *request->files[at];
	keep_imports(request, &kept, request->files[at]);
	for (size_t i = 0; i < kept.n_dependency; i++)
		add_imports(request, kept.dependency[i], seen, list, n);
	list[(*n)++] = name;
}

void c_messages_imports(const struct request *request, const char *name, const char **list,
			size_t *n)
{
	add_imports(request, name, arena_array(request->arena, request->n_files + 1, sizeof(bool)),
		    list, n);
	/* Remove the file itself, which is the last. */
	*n -= *n > 0;
}

/* --- The request --------------------------------------------------------------------- */

/* protoc-gen-c writes defaults "inf" and "nan", which are not valid C. So it gets these numbers
 * instead, with as many digits as it writes, and mend() replaces them in its output. It writes the
 * lowest int64 as a literal, which is not valid C either. */
static const struct special {
	const char *value;
	const char *number;
	const char *c;
} specials[] = {
	{ "inf", "9.87654e+301", "__builtin_inf()" },
	{ "nan", "8.76543e+301", "__builtin_nan(\"\")" },
	{ "inf", "9.87654e+37", "__builtin_inff()" },
	{ "nan", "8.76543e+37", "__builtin_nanf(\"\")" },
	{ "", "-9223372036854775808ll", "(-9223372036854775807ll - 1)" },
};

#define N_SPECIALS (sizeof(specials) / sizeof(specials[0]))

static char *special_default(struct arena *arena, const Field *field)
{
	const char *value = field->default_value;
	bool negative = value && *value == '-';

	if (!value || (field->type != KIND(DOUBLE) && field->type != KIND(FLOAT)))
		return field->default_value;
	for (size_t i = field->type == KIND(FLOAT) ? 2 : 0; i < N_SPECIALS; i++)
		if (!strcmp(value + negative, specials[i].value))
			return arena_printf(arena, "%s%s", negative ? "-" : "", specials[i].number);
	return field->default_value;
}

/* Removes elements that protobuf-c does not support. A group then becomes an unknown field. */
static Descriptor *strip_message(struct arena *arena, const Descriptor *message)
{
	Descriptor *copy = arena_alloc(arena, sizeof(*copy));

	*copy = *message;
	copy->n_extension = 0;
	copy->n_field = 0;
	copy->field = arena_array(arena, message->n_field + 1, sizeof(*copy->field));
	for (size_t i = 0; i < message->n_field; i++) {
		Field *field = arena_alloc(arena, sizeof(*field));

		*field = *message->field[i];
		field->default_value = special_default(arena, field);
		if (field->type != KIND(GROUP))
			copy->field[copy->n_field++] = field;
	}
	copy->nested_type =
		arena_array(arena, message->n_nested_type + 1, sizeof(*copy->nested_type));
	for (size_t i = 0; i < message->n_nested_type; i++)
		copy->nested_type[i] = strip_message(arena, message->nested_type[i]);
	return copy;
}

/* Removes services as well: libipc does not use the services of protobuf-c, and their names
 * clash. */
static File *strip_file(const struct request *request, const File *file)
{
	struct arena *arena = request->arena;
	File *copy = arena_alloc(arena, sizeof(*copy));

	*copy = *file;
	copy->n_service = 0;
	copy->n_extension = 0;
	copy->source_code_info = NULL;
	copy->message_type =
		arena_array(arena, file->n_message_type + 1, sizeof(*copy->message_type));
	for (size_t i = 0; i < file->n_message_type; i++)
		copy->message_type[i] = strip_message(arena, file->message_type[i]);
	keep_imports(request, copy, file);
	return copy;
}

static void name_files(const struct request *request, char *const *names, size_t n_names,
		       Request *asked)
{
	bool *seen = arena_array(request->arena, request->n_files + 1, sizeof(*seen));
	size_t n = 0;

	asked->file_to_generate =
		arena_array(request->arena, request->n_files + 1, sizeof(*asked->file_to_generate));
	for (size_t i = 0; i < n_names; i++) {
		if (request->parameters->imports)
			add_imports(request, names[i], seen, (const char **)asked->file_to_generate,
				    &n);
		else if (!is_ours(names[i]))
			asked->file_to_generate[n++] = names[i];
	}
	asked->n_file_to_generate = n;
}

/* --- The response -------------------------------------------------------------------- */

static void replace(struct arena *arena, ResponseFile *file, const char *old, const char *new)
{
	struct text text = { 0 };
	const char *rest = file->content, *at;

	if (!strstr(rest, old))
		return;
	while ((at = strstr(rest, old))) {
		text_addn(&text, rest, (size_t)(at - rest));
		text_add(&text, new);
		rest = at + strlen(old);
	}
	text_add(&text, rest);
	file->content = arena_strndup(arena, text.data, text.size);
	text_done(&text);
}

/* Writes {{0}} as initializer of a union whose first member is bytes: {0} causes a warning. */
static void brace_oneofs(struct arena *arena, ResponseFile *file, const struct type *type)
{
	const Descriptor *message = type->descriptor;

	for (size_t i = 0; i < message->n_oneof_decl; i++) {
		size_t first = 0;
		const char *none;

		while (first < message->n_field &&
		       !(message->field[first]->has_oneof_index &&
			 (size_t)message->field[first]->oneof_index == i))
			first++;
		if (first == message->n_field || message->field[first]->type != KIND(BYTES))
			continue;
		none = arena_printf(
			arena, "%s__%s__NOT_SET",
			name_upper(arena, name_c_lower(arena, type->pb_name)),
			name_upper(arena, name_c_lower(arena, message->oneof_decl[i]->name)));
		replace(arena, file, arena_printf(arena, ", %s, {0}", none),
			arena_printf(arena, ", %s, {{0}}", none));
	}
}

/* Turns the output of protoc-gen-c into valid C without warnings. */
static void mend(const struct request *request, ResponseFile *file)
{
	for (size_t i = 0; i < N_SPECIALS; i++)
		replace(request->arena, file, specials[i].number, specials[i].c);
	for (size_t i = 0; i < request->types.count; i++) {
		const struct type *type = &request->types.list[i];
		const char *base = name_file_base(request->arena, type->file->name);

		if (type->descriptor->n_oneof_decl && !strncmp(base, file->name, strlen(base)))
			brace_oneofs(request->arena, file, type);
	}
}

/* --- protoc-gen-c --------------------------------------------------------------------- */

static FILE *memory_file(void)
{
	int fd = memfd_create("protoc-gen-ipc", MFD_CLOEXEC);

	return fd < 0 ? NULL : fdopen(fd, "w+");
}

/* Runs protoc-gen-c. Returns NULL, or an error message. Both files are no pipes, so neither process
 * can block on the other. */
static const char *spawn(struct arena *arena, FILE *input, FILE *output)
{
	char *const arguments[] = { (char *)"protoc-gen-c", NULL };
	posix_spawn_file_actions_t actions;
	int r, status = 0;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions) ||
	    posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO) ||
	    posix_spawn_file_actions_adddup2(&actions, fileno(output), STDOUT_FILENO))
		out_of_memory();
	r = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r == ENOENT)
		return "protoc-gen-c, which generates the messages in C, is not in the PATH; install "
		       "protobuf-c's compiler (protobuf-c-compiler in Debian)";
	if (r)
		return arena_printf(arena, "cannot start protoc-gen-c: %s", strerror(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return arena_printf(arena, "cannot wait for protoc-gen-c: %s",
					    strerror(errno));
	if (WIFSIGNALED(status))
		return arena_printf(arena, "protoc-gen-c was killed by signal %d",
				    WTERMSIG(status));
	if (WEXITSTATUS(status))
		return arena_printf(arena, "protoc-gen-c failed with status %d",
				    WEXITSTATUS(status));
	return NULL;
}

static const char *run_with(struct arena *arena, FILE *input, FILE *output, const uint8_t *request,
			    size_t size, uint8_t **ret_response, size_t *ret_size)
{
	char buffer[4096];
	struct text text = { 0 };
	const char *problem;
	size_t n;

	if (fwrite(request, 1, size, input) != size || fflush(input) || fseek(input, 0, SEEK_SET))
		return arena_printf(arena, "cannot write a temporary file: %s", strerror(errno));
	problem = spawn(arena, input, output);
	if (problem)
		return problem;

	rewind(output);
	while ((n = fread(buffer, 1, sizeof(buffer), output)))
		text_addn(&text, buffer, n);
	*ret_response = (uint8_t *)arena_strndup(arena, text.data ?: "", text.size);
	*ret_size = text.size;
	text_done(&text);
	return NULL;
}

/* Runs protoc-gen-c with the request as its input. Returns NULL, or an error message for the
 * user. */
static const char *run_generator(struct arena *arena, const uint8_t *request, size_t size,
				 uint8_t **ret_response, size_t *ret_size)
{
	FILE *input = memory_file(), *output = memory_file();
	const char *problem;

	if (input && output)
		problem = run_with(arena, input, output, request, size, ret_response, ret_size);
	else
		problem = arena_printf(arena, "cannot make a temporary file: %s", strerror(errno));
	if (input)
		fclose(input);
	if (output)
		fclose(output);
	return problem;
}

static const char *read_response(struct arena *arena, const uint8_t *data, size_t size,
				 Response **ret)
{
	*ret = wire_unpack(arena, &google__protobuf__compiler__code_generator_response__descriptor,
			   data, size);
	if (!*ret)
		return "protoc-gen-c did not write a response; see its message above";
	if ((*ret)->error)
		return arena_printf(arena, "protoc-gen-c: %s", (*ret)->error);
	for (size_t i = 0; i < (*ret)->n_file; i++)
		if (!(*ret)->file[i]->name || !(*ret)->file[i]->content)
			return "protoc-gen-c wrote a file without a name or content";
	return NULL;
}

const char *c_messages(const struct request *request, char *const *names, size_t n_names,
		       ResponseFile ***ret_files, size_t *ret_n_files)
{
	struct arena *arena = request->arena;
	Request asked = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_REQUEST__INIT;
	uint8_t *data, *answer;
	const char *problem;
	Response *response;
	size_t size;

	*ret_n_files = 0;
	name_files(request, names, n_names, &asked);
	if (!asked.n_file_to_generate)
		return NULL;
	asked.proto_file = arena_array(arena, request->n_files + 1, sizeof(*asked.proto_file));
	asked.n_proto_file = request->n_files;
	for (size_t i = 0; i < request->n_files; i++)
		asked.proto_file[i] = strip_file(request, request->files[i]);
	asked.parameter = (char *)"";
	size = google__protobuf__compiler__code_generator_request__get_packed_size(&asked);
	data = arena_array(arena, size, 1);
	google__protobuf__compiler__code_generator_request__pack(&asked, data);

	problem = run_generator(arena, data, size, &answer, &size);
	if (!problem)
		problem = read_response(arena, answer, size, &response);
	if (problem)
		return problem;
	for (size_t i = 0; i < response->n_file; i++)
		mend(request, response->file[i]);
	*ret_files = response->file;
	*ret_n_files = response->n_file;
	return NULL;
}
