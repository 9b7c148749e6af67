// SPDX-License-Identifier: MIT
/*
 * Options as protobuf-c returns them: as unknown fields, with unchecked bytes.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "../tests/run-cases.h"
#include "options.h"

typedef Google__Protobuf__FieldDescriptorProto Field;
typedef Google__Protobuf__FileDescriptorProto File;

static struct arena arena;
static struct bad_option bad;

/* Parses a file of the package with an option for methods. */
static const Extensions__Method *read_one(const char *package, uint32_t number,
					  ProtobufCWireType type, const char *bytes, size_t size)
{
	Google__Protobuf__MethodOptions options = GOOGLE__PROTOBUF__METHOD_OPTIONS__INIT;
	ProtobufCMessageUnknownField unknown = { number, type, size, (uint8_t *)bytes };
	Field field = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__INIT, *fields[] = { &field };
	File file = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT, *files[] = { &file };

	field.name = (char *)"some";
	field.extendee = (char *)".google.protobuf.MethodOptions";
	field.number = (int32_t)number;
	file.package = (char *)package;
	file.extension = fields;
	file.n_extension = 1;
	options.base.unknown_fields = &unknown;
	options.base.n_unknown_fields = 1;
	return options_of_method(&arena, &options, files, 1, &bad);
}

START_TEST(an_option_has_its_value)
{
	const Extensions__Method *options =
		read_one("ipc", 50602, PROTOBUF_C_WIRE_TYPE_VARINT, "\x96\x01", 2);

	ck_assert_ptr_nonnull(options);
	ck_assert(options->has_id);
	ck_assert_uint_eq(options->id, 150);
	ck_assert(!options->oneway);
}
END_TEST

START_TEST(no_options_are_no_error)
{
	ck_assert_ptr_nonnull(options_of_method(&arena, NULL, NULL, 0, &bad));
	ck_assert_ptr_nonnull(options_of_service(&arena, NULL, NULL, 0, &bad));
	ck_assert_ptr_null(options_c_package(&arena, NULL));
}
END_TEST

START_TEST(a_value_of_another_type_is_refused)
{
	ck_assert_ptr_null(
		read_one("ipc", 50602, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, "\x03" "abc", 4));
	ck_assert_uint_eq(bad.number, 0);
	ck_assert_ptr_nonnull(bad.problem);
}
END_TEST

START_TEST(what_is_unknown_is_refused)
{
	ck_assert_ptr_null(read_one("ipc", 50699, PROTOBUF_C_WIRE_TYPE_VARINT, "\x01", 1));
	ck_assert_uint_eq(bad.number, 50699);
}
END_TEST

START_TEST(other_packages_do_not_matter)
{
	const Extensions__Method *options =
		read_one("acme", 50601, PROTOBUF_C_WIRE_TYPE_VARINT, "\x01", 1);

	ck_assert_ptr_nonnull(options);
	ck_assert(!options->oneway);
}
END_TEST

static void teardown(void)
{
	arena_done(&arena);
}

int main(void)
{
	return RUN_CASES("options", NULL, teardown, an_option_has_its_value,
			 no_options_are_no_error, a_value_of_another_type_is_refused,
			 what_is_unknown_is_refused, other_packages_do_not_matter);
}
