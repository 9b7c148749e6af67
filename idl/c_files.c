// SPDX-License-Identifier: MIT
/*
 * Names in C of messages, fields and enums: see c_files.h.
 */
#include <string.h>

#include "c_files.h"
#include "names.h"
#include "scope.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__EnumDescriptorProto Enum;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__OneofDescriptorProto Oneof;

#define KIND(name)  GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name
#define LABEL(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_##name

struct copier {
	struct arena *arena;
	const File *file;
	struct scope scope;  /* C names at file scope of this file and of its imports */
	struct scope *types; /* all types of the run: maps ".a.Old" to ".a.New" */
	struct diag *diag;
};

/* Returns a copy of an array of pointers. The caller then replaces its elements. */
static void *copy_array(struct arena *arena, const void *array, size_t n)
{
	void *copy = arena_array(arena, n + 1, sizeof(void *));

	if (n)
		memcpy(copy, array, n * sizeof(void *));
	return copy;
}

#define COPY(arena, original)                                                        \
	({                                                                           \
		__typeof__(*(original)) *copy_ = arena_alloc(arena, sizeof(*copy_)); \
		*copy_ = *(original);                                                \
		copy_;                                                               \
	})

/* --- Types -------------------------------------------------------------------------- */

/* The names that protoc-gen-c derives from a message. '*' stands for its name, as a class, in lower
 * case and in upper case. */
static const char *const class_forms[] = { "*", "*_Closure", NULL };
static const char *const lower_forms[] = {
	"*__init",
	"*__get_packed_size",
	"*__pack",
	"*__pack_to_buffer",
	"*__unpack",
	"*__free_unpacked",
	"*__descriptor",
	"*__field_descriptors",
	"*__field_indices_by_name",
	"*__number_ranges",
	"*__enum_values_by_number",
	"*__value_ranges",
	"*__enum_values_by_name",
	NULL,
};
static const char *const upper_forms[] = { "*__INIT", NULL };

static bool is_reserved(const char *name)
{
	return name_is_reserved(name) || !strcmp(name, "FILE") || !strcmp(name, "DIR");
}

static void enter_type(struct copier *c, const char *full_name)
{
	const char *pb_name = types_pb_name(c->arena, c->file, full_name);
	const char *lower = name_c_lower(c->arena, pb_name);

	scope_enter_all(&c->scope, name_c_class(c->arena, pb_name), class_forms, full_name);
	scope_enter_all(&c->scope, lower, lower_forms, full_name);
	scope_enter_all(&c->scope, name_upper(c->arena, lower), upper_forms, full_name);
}

static bool type_is_free(struct copier *c, const char *full_name)
{
	const char *pb_name = types_pb_name(c->arena, c->file, full_name);
	const char *lower = name_c_lower(c->arena, pb_name);

	return scope_are_free(&c->scope, name_c_class(c->arena, pb_name), class_forms) &&
	       scope_are_free(&c->scope, lower, lower_forms) &&
	       scope_are_free(&c->scope, name_upper(c->arena, lower), upper_forms);
}

static const char *join(struct arena *arena, const char *scope, const char *name)
{
	return arena_printf(arena, "%s%s%s", scope, *scope ? "." : "", name);
}

/* Chooses and enters the name of a message or enum. scope has the C names, old is the name in the
 * file. */
static char *choose_type(struct copier *c, const char *scope, const char *old, char *name)
{
	const char *original = name;

	while (!type_is_free(c, join(c->arena, scope, name)))
		name = arena_printf(c->arena, "%sT", name);
	enter_type(c, join(c->arena, scope, name));
	scope_enter(c->types, arena_printf(c->arena, ".%s", join(c->arena, old, original)),
		    arena_printf(c->arena, ".%s", join(c->arena, scope, name)));
	return name;
}

/* Returns "P__FOO_BAR", the prefix that protoc-gen-c gives enumerators in the type. */
static const char *upper_of(struct copier *c, const char *full_name)
{
	return name_upper(c->arena,
			  name_c_lower(c->arena, types_pb_name(c->arena, c->file, full_name)));
}

static char *choose_value(struct copier *c, char *name, const char *const *forms)
{
	const char *chosen = scope_choose(&c->scope, name, forms, name);

	return chosen == name ? name : arena_strndup(c->arena, chosen, strlen(chosen));
}

static Enum *copy_enum(struct copier *c, const char *scope, const char *old, Enum *original)
{
	Enum *copy = COPY(c->arena, original);
	const char *full_name = join(c->arena, old, original->name);
	const char *forms[] = { NULL, NULL };

	copy->name = choose_type(c, scope, old, original->name);
	forms[0] = arena_printf(c->arena, "%s__*", upper_of(c, join(c->arena, scope, copy->name)));
	copy->value = copy_array(c->arena, original->value, original->n_value);
	for (size_t i = 0; i < original->n_value; i++) {
		copy->value[i] = COPY(c->arena, original->value[i]);
		copy->value[i]->name = choose_value(c, original->value[i]->name, forms);
		scope_enter(c->types,
			    arena_printf(c->arena, ".%s=%s", full_name, original->value[i]->name),
			    copy->value[i]->name);
	}
	return copy;
}

/* --- Fields ------------------------------------------------------------------------- */

/* A message and the members of its structure. */
struct members {
	struct copier *c;
	struct scope scope;
	const char *upper; /* "P__FOO_BAR" */
	const char *class; /* "P__FooBar" */
	const File *file;
};

static bool oneof_is_free(struct members *m, const char *name)
{
	struct arena *arena = m->c->arena;
	const char *lower = name_c_lower(arena, name);

	return scope_is_free(&m->scope, arena_printf(arena, "%s_case", lower)) &&
	       scope_is_free(&m->c->scope, arena_printf(arena, "%s__%sCase", m->class,
							name_c_class(arena, name))) &&
	       scope_is_free(&m->c->scope, arena_printf(arena, "%s__%s__NOT_SET", m->upper,
							name_upper(arena, lower)));
}

static Oneof *copy_oneof(struct members *m, Oneof *original)
{
	struct arena *arena = m->c->arena;
	Oneof *copy = COPY(arena, original);
	const char *lower;

	while (!oneof_is_free(m, copy->name))
		copy->name = arena_printf(arena, "%sT", copy->name);
	lower = name_c_lower(arena, copy->name);
	scope_enter(&m->scope, arena_printf(arena, "%s_case", lower), copy->name);
	scope_enter(&m->c->scope,
		    arena_printf(arena, "%s__%sCase", m->class, name_c_class(arena, copy->name)),
		    copy->name);
	scope_enter(&m->c->scope,
		    arena_printf(arena, "%s__%s__NOT_SET", m->upper, name_upper(arena, lower)),
		    copy->name);
	return copy;
}

/* Returns true if protobuf-c has a flag for the field. */
static bool has_flag(const File *file, const Field *field)
{
	return field->label == LABEL(OPTIONAL) && !field->has_oneof_index &&
	       field->type != KIND(STRING) && field->type != KIND(MESSAGE) &&
	       !(file->syntax && !strcmp(file->syntax, "proto3"));
}

/* Returns the members of a field. '*' stands for its name in lower case. */
static const char *const *member_forms(struct members *m, const Field *field)
{
	const char **forms = arena_array(m->c->arena, 3, sizeof(*forms));
	size_t n = 0;

	forms[n++] = "*";
	if (field->label == LABEL(REPEATED))
		forms[n++] = "n_*";
	else if (has_flag(m->file, field))
		forms[n++] = "has_*";
	return forms;
}

/* Returns the enumerator of a field in a oneof. */
static const char *enumerator(struct members *m, const Descriptor *message, const Field *field,
			      const char *name)
{
	struct arena *arena = m->c->arena;
	const Oneof *oneof;

	if (!field->has_oneof_index)
		return NULL;
	oneof = message->oneof_decl[field->oneof_index];
	return arena_printf(arena, "%s__%s_%s", m->upper,
			    name_upper(arena, name_c_lower(arena, oneof->name)),
			    name_upper(arena, name_c_lower(arena, name)));
}

static Field *copy_field(struct members *m, const Descriptor *message, Field *original)
{
	struct arena *arena = m->c->arena;
	Field *copy = COPY(arena, original);
	const char *const *forms = member_forms(m, original);
	const char *value;

	while (!scope_are_free(&m->scope, name_c_member(arena, copy->name), forms) ||
	       ((value = enumerator(m, message, original, copy->name)) &&
		!scope_is_free(&m->c->scope, value)))
		copy->name = arena_printf(arena, "%s_", copy->name);

	scope_enter_all(&m->scope, name_c_member(arena, copy->name), forms, copy->name);
	value = enumerator(m, message, original, copy->name);
	if (value)
		scope_enter(&m->c->scope, value, copy->name);
	copy->proto3_optional = false;
	copy->has_proto3_optional = false;
	return copy;
}

static Descriptor *copy_message(struct copier *c, const char *scope, const char *old,
				Descriptor *original);

static void copy_nested(struct copier *c, const char *scope, const char *old, Descriptor *copy)
{
	copy->nested_type = copy_array(c->arena, copy->nested_type, copy->n_nested_type);
	for (size_t i = 0; i < copy->n_nested_type; i++)
		copy->nested_type[i] = copy_message(c, scope, old, copy->nested_type[i]);
	copy->enum_type = copy_array(c->arena, copy->enum_type, copy->n_enum_type);
	for (size_t i = 0; i < copy->n_enum_type; i++)
		copy->enum_type[i] = copy_enum(c, scope, old, copy->enum_type[i]);
}

static Descriptor *copy_message(struct copier *c, const char *scope, const char *old,
				Descriptor *original)
{
	Descriptor *copy = COPY(c->arena, original);
	struct members m = {
		.c = c,
		.scope = { .arena = c->arena, .reserved = name_is_reserved },
		.file = c->file,
	};
	const char *full_name, *pb_name;

	copy->name = choose_type(c, scope, old, original->name);
	full_name = join(c->arena, scope, copy->name);
	copy_nested(c, full_name, join(c->arena, old, original->name), copy);

	pb_name = types_pb_name(c->arena, c->file, full_name);
	m.class = name_c_class(c->arena, pb_name);
	m.upper = upper_of(c, full_name);
	scope_enter(&m.scope, "base", "");
	copy->oneof_decl = copy_array(c->arena, original->oneof_decl, original->n_oneof_decl);
	for (size_t i = 0; i < original->n_oneof_decl; i++)
		copy->oneof_decl[i] = copy_oneof(&m, original->oneof_decl[i]);
	copy->field = copy_array(c->arena, original->field, original->n_field);
	for (size_t i = 0; i < original->n_field; i++)
		copy->field[i] = copy_field(&m, copy, original->field[i]);
	scope_done(&m.scope);
	return copy;
}

/* --- References --------------------------------------------------------------------- */

/* Returns the new name of a type, or the old name if it has no new name. */
static char *new_name(const struct scope *types, char *old)
{
	const char *new = old ? scope_find(types, old) : NULL;

	return new ? arena_strndup(types->arena, new, strlen(new)) : old;
}

static void refer(struct scope *types, Descriptor *const *messages, size_t n_messages)
{
	for (size_t i = 0; i < n_messages; i++) {
		for (size_t j = 0; j < messages[i]->n_field; j++) {
			Field *field = messages[i]->field[j];
			const char *value = NULL;

			if (field->type == KIND(ENUM) && field->default_value && field->type_name)
				value = scope_find(types, arena_printf(types->arena, "%s=%s",
								       field->type_name,
								       field->default_value));
			if (value)
				field->default_value =
					arena_strndup(types->arena, value, strlen(value));
			field->type_name = new_name(types, field->type_name);
		}
		refer(types, messages[i]->nested_type, messages[i]->n_nested_type);
	}
}

static void refer_methods(struct scope *types, File *file)
{
	file->service = copy_array(types->arena, file->service, file->n_service);
	for (size_t i = 0; i < file->n_service; i++) {
		Google__Protobuf__ServiceDescriptorProto *service =
			COPY(types->arena, file->service[i]);

		file->service[i] = service;
		service->method = copy_array(types->arena, service->method, service->n_method);
		for (size_t j = 0; j < service->n_method; j++) {
			service->method[j] = COPY(types->arena, service->method[j]);
			service->method[j]->input_type =
				new_name(types, service->method[j]->input_type);
			service->method[j]->output_type =
				new_name(types, service->method[j]->output_type);
		}
	}
}

/* --- Files -------------------------------------------------------------------------- */

/* Enters a type of an import. If two imports that do not import each other have types with the same
 * C name, that is an error. */
static void enter_imported(struct copier *c, const char *full_name, const File *of,
			   struct path place)
{
	const char *class = name_c_class(c->arena, types_pb_name(c->arena, c->file, full_name));
	const char *taken = scope_find(&c->scope, class);

	if (taken)
		diag_add(c->diag, of->name, of->source_code_info, place,
			 "%s and %s of imported files are both %s in C; rename one of them, or "
			 "give its file the option (pb_c_file).c_package",
			 taken, full_name, class);
	enter_type(c, full_name);
}

static void enter_all(struct copier *c, const char *scope, Descriptor *const *messages,
		      size_t n_messages, Enum *const *enums, size_t n_enums, const File *of,
		      struct path place)
{
	for (size_t i = 0; i < n_enums; i++)
		enter_imported(c, join(c->arena, scope, enums[i]->name), of, place);
	for (size_t i = 0; i < n_messages; i++) {
		const Descriptor *m = messages[i];
		const char *name = join(c->arena, scope, m->name);

		enter_imported(c, name, of, place);
		enter_all(c, name, m->nested_type, m->n_nested_type, m->enum_type, m->n_enum_type,
			  of, place);
	}
}

/* Names of imports can clash with names of the file: a.b.C and a.B.C are both A__B__C. */
static void enter_imports(struct copier *c, File *const *copies, size_t n_copies, const File *file,
			  bool *seen)
{
	for (size_t i = 0; i < file->n_dependency; i++)
		for (size_t j = 0; j < n_copies; j++) {
			const File *import = copies[j], *own = c->file;

			if (seen[j] || strcmp(import->name, file->dependency[i]))
				continue;
			seen[j] = true;
			c->file = import;
			enter_all(c, import->package ?: "", import->message_type,
				  import->n_message_type, import->enum_type, import->n_enum_type,
				  file, path_element((struct path){ 0 }, FILE_DEPENDENCY, i));
			c->file = own;
			enter_imports(c, copies, n_copies, import, seen);
		}
}

static File *copy_file(struct arena *arena, struct scope *types, File *const *copies,
		       size_t n_copies, File *original, struct diag *diag)
{
	File *copy = COPY(arena, original);
	const char *package = original->package ?: "";
	struct copier c = {
		.arena = arena,
		.file = original,
		.scope = { .arena = arena, .reserved = is_reserved },
		.types = types,
		.diag = diag,
	};

	enter_imports(&c, copies, n_copies, original,
		      arena_array(arena, n_copies + 1, sizeof(bool)));
	copy->enum_type = copy_array(arena, original->enum_type, original->n_enum_type);
	for (size_t i = 0; i < original->n_enum_type; i++)
		copy->enum_type[i] = copy_enum(&c, package, package, original->enum_type[i]);
	copy->message_type = copy_array(arena, original->message_type, original->n_message_type);
	for (size_t i = 0; i < original->n_message_type; i++)
		copy->message_type[i] =
			copy_message(&c, package, package, original->message_type[i]);
	scope_done(&c.scope);
	return copy;
}

File **c_files(const struct request *request, struct diag *diag)
{
	File **copies = arena_array(request->arena, request->n_files + 1, sizeof(*copies));
	struct scope types = { .arena = request->arena };

	for (size_t i = 0; i < request->n_files; i++)
		copies[i] = copy_file(request->arena, &types, copies, i, request->files[i], diag);
	for (size_t i = 0; i < request->n_files; i++) {
		refer(&types, copies[i]->message_type, copies[i]->n_message_type);
		refer_methods(&types, copies[i]);
	}
	scope_done(&types);
	return copies;
}
