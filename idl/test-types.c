// SPDX-License-Identifier: MIT
/*
 * Types that contain objects or themselves, and groups, in graphs of message types that are written
 * here as text.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/run-cases.h"
#include "types.h"

typedef Google__Protobuf__DescriptorProto Descriptor;
typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;

#define TYPE_MESSAGE GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE
#define TYPE_GROUP   GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP
#define TYPE_STRING  GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING

static struct arena arena;
static struct types types;

static void setup(void)
{
	types = (struct types){ 0 };
}

static void teardown(void)
{
	arena_done(&arena);
}

/* "B" is a field of that type, "string" a field of type string, "group B" a group. */
static Field *field(const char *word)
{
	Field *f = arena_alloc(&arena, sizeof(*f));
	bool group = !strncmp(word, "group ", 6);

	google__protobuf__field_descriptor_proto__init(f);
	f->name = (char *)"f";
	f->number = 1;
	f->has_type = true;
	f->type = group ? TYPE_GROUP : strcmp(word, "string") ? TYPE_MESSAGE : TYPE_STRING;
	if (f->type != TYPE_STRING)
		f->type_name = arena_printf(&arena, ".ipc.%s", group ? word + 6 : word);

	return f;
}

/* "A: B, string" is message ipc.A with two fields. */
static Descriptor *message(const char *line)
{
	Descriptor *m = arena_alloc(&arena, sizeof(*m));
	const char *colon = strchr(line, ':');

	google__protobuf__descriptor_proto__init(m);
	m->name = arena_strndup(&arena, line, (size_t)(colon - line));
	m->field = arena_array(&arena, 16, sizeof(*m->field));
	for (const char *word = colon + 1; *word;) {
		size_t length;

		word += strspn(word, " ,");
		length = strcspn(word, ",");
		if (length)
			m->field[m->n_field++] = field(arena_strndup(&arena, word, length));
		word += length;
	}

	return m;
}

/* Puts all messages into a file of package ipc, with the real Object and Fd. */
static const char *collect(const char *const *lines)
{
	File *file = arena_alloc(&arena, sizeof(*file));
	File **files = arena_alloc(&arena, sizeof(*files));

	google__protobuf__file_descriptor_proto__init(file);
	file->package = (char *)"ipc";
	file->message_type = arena_array(&arena, 16, sizeof(*file->message_type));
	for (; *lines; lines++)
		file->message_type[file->n_message_type++] = message(*lines);

	files[0] = file;
	return types_collect(&arena, &types, files, 1);
}

static struct type *type(const char *name)
{
	return types_find(&types, arena_printf(&arena, ".ipc.%s", name));
}

START_TEST(objects_are_seen_at_any_depth)
{
	static const char *const lines[] = {
		"Object: string", "Fd:",      "Direct: string, Object", "Deep: Deeper",
		"Deeper: Direct", "None: ",   "Files: Fd",		"Both: Fd, Object",
		"Other: None",	  "Loop: Loop2", "Loop2: Loop, Object",	NULL,
	};
	static const char *const holders[] = { "Object", "Fd",	 "Direct", "Deep", "Deeper",
					       "Files",	 "Both", "Loop",   "Loop2" };

	ck_assert_ptr_null(collect(lines));
	for (size_t i = 0; i < sizeof(holders) / sizeof(holders[0]); i++)
		ck_assert_msg(type(holders[i])->holds & TYPE_HOLDS_OBJECTS, "%s", holders[i]);
	ck_assert_uint_eq(type("None")->holds, 0);
	ck_assert_uint_eq(type("Other")->holds, 0);
}
END_TEST

START_TEST(circles_are_seen_and_what_leads_there)
{
	static const char *const lines[] = {
		"Self: Self", "A: B",	      "B: C, End", "C: A",	   "End: string",
		"Twice: End, End", "To: A", "Before: To, End", NULL,
	};
	static const char *const endless[] = { "Self", "A", "B", "C", "To", "Before" };

	ck_assert_ptr_null(collect(lines));
	for (size_t i = 0; i < sizeof(endless) / sizeof(endless[0]); i++)
		ck_assert_msg(type(endless[i])->endless, "%s", endless[i]);
	ck_assert(!type("End")->endless);
	ck_assert(!type("Twice")->endless);
}
END_TEST

START_TEST(groups_are_found)
{
	static const char *const lines[] = {
		"A: B", "B: A, C", "C: string, group Result", "Result: string", "D: Result", NULL,
	};

	ck_assert_ptr_null(collect(lines));
	ck_assert_ptr_eq(type("A")->group, type("C")->descriptor->field[1]);
	ck_assert_ptr_eq(type("A")->group_owner, type("C"));
	ck_assert_ptr_eq(type("C")->group_owner, type("C"));
	ck_assert_ptr_null(type("D")->group);
}
END_TEST

START_TEST(unknown_types_are_refused)
{
	static const char *const lines[] = { "A: Nowhere", NULL };

	ck_assert_ptr_nonnull(collect(lines));
}
END_TEST

START_TEST(doubled_types_are_refused)
{
	static const char *const lines[] = { "A:", "B:", "A:", NULL };

	ck_assert_ptr_nonnull(collect(lines));
}
END_TEST

START_TEST(names_need_a_dot)
{
	static const char *const lines[] = { "A:", NULL };

	ck_assert_ptr_null(collect(lines));
	ck_assert_ptr_nonnull(types_find(&types, ".ipc.A"));
	ck_assert_ptr_null(types_find(&types, "ipc.A"));
	ck_assert_ptr_null(types_find(&types, ".ipc.B"));
	ck_assert_ptr_null(types_find(&types, ""));
}
END_TEST

/* Longer than any stack would allow for recursion. */
START_TEST(long_chains_are_no_trouble)
{
	const size_t count = 200000;
	File *file = arena_alloc(&arena, sizeof(*file));

	google__protobuf__file_descriptor_proto__init(file);
	file->package = (char *)"ipc";
	file->n_message_type = count;
	file->message_type = arena_array(&arena, count, sizeof(*file->message_type));
	for (size_t i = 0; i < count; i++)
		file->message_type[i] = message(arena_printf(&arena, "M%zu: %s%zu", i,
							      i + 1 < count ? "M" : "M0, M",
							      i + 1 < count ? i + 1 : 0));

	ck_assert_ptr_null(types_collect(&arena, &types, &file, 1));
	ck_assert(type("M0")->endless);
	ck_assert(type("M199999")->endless);
}
END_TEST

int main(void)
{
	return RUN_CASES("types", setup, teardown, objects_are_seen_at_any_depth,
			 circles_are_seen_and_what_leads_there, groups_are_found,
			 unknown_types_are_refused, doubled_types_are_refused, names_need_a_dot,
			 long_chains_are_no_trouble);
}
