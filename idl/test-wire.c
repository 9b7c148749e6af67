// SPDX-License-Identifier: MIT
/*
 * The wire format: soundness, depth, and options in unknown fields.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/run-cases.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "wire.h"

#define FILE_SET (&google__protobuf__file_descriptor_set__descriptor)

static bool unpacks(const ProtobufCMessageDescriptor *type, const void *bytes, size_t size)
{
	struct arena arena = { 0 };
	bool sound = wire_unpack(&arena, type, bytes, size);

	arena_done(&arena);
	return sound;
}

static bool sound(const char *bytes, size_t size)
{
	return unpacks(FILE_SET, bytes, size);
}

START_TEST(well_formed_bytes_are_sound)
{
	ck_assert(sound("", 0));
	ck_assert(sound("\x0a\x00", 2));	       /* an empty file */
	ck_assert(sound("\x0a\x03\x0a\x01x", 5));      /* a file with a name */
	ck_assert(sound("\x78\x96\x01", 3));	       /* unknown varint */
	ck_assert(sound("\x7d\1\2\3\4", 5));	       /* unknown 32 bits */
	ck_assert(sound("\x79\1\2\3\4\5\6\7\10", 9)); /* unknown 64 bits */
	ck_assert(sound("\x0b\x0c", 2));	       /* a group */
	ck_assert(sound("\x7b\x0a\1\x7c\x7b\x7c\x7c", 7)); /* a group with a field and a group */
}
END_TEST

START_TEST(malformed_bytes_are_not)
{
	ck_assert(!sound("\x0a", 1));			 /* no length */
	ck_assert(!sound("\x0a\x05xx", 4));		 /* too short */
	ck_assert(!sound("\x0a\x02\x0a\x05", 4));	 /* too short inside */
	ck_assert(!sound("\x78", 1));			 /* no value */
	ck_assert(!sound("\x78\x80\x80", 3));		 /* no end of a value */
	ck_assert(!sound("\x7d\1\2\3", 4));		 /* cut 32 bits */
	ck_assert(!sound("\x79\1\2\3\4\5\6\7", 8));	 /* cut 64 bits */
	ck_assert(!sound("\x08\x01", 2));		 /* known field, another wire type */
	ck_assert(!sound("\x0b", 1));			 /* no end of a group */
	ck_assert(!sound("\x0b\x14", 2));		 /* the end of another group */
	ck_assert(!sound("\x0c", 1));			 /* an end without a begin */
	ck_assert(!sound("\x0e", 1));			 /* no such wire type */
	ck_assert(!sound("\x02\x00", 2));		 /* field 0 */
	ck_assert(!sound("\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12));
	ck_assert(!sound("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11));
}
END_TEST

/* Nests messages to this depth, in nested_type, the only field that nests. */
static size_t nest(uint8_t *out, size_t depth)
{
	size_t size = 0;

	for (size_t i = 0; i < depth; i++) {
		uint8_t head[8] = { 0x1a };
		size_t n = 1;

		for (size_t rest = size; ; rest >>= 7) {
			head[n++] = (uint8_t)(rest & 0x7f) | (rest >> 7 ? 0x80 : 0);
			if (!(rest >> 7))
				break;
		}
		memmove(out + n, out, size);
		memcpy(out, head, n);
		size += n;
	}

	return size;
}

START_TEST(depth_is_limited)
{
	const ProtobufCMessageDescriptor *message = &google__protobuf__descriptor_proto__descriptor;
	static uint8_t bytes[1 << 20];
	size_t size;

	size = nest(bytes, WIRE_DEPTH_MAX);
	ck_assert(unpacks(message, bytes, size));
	size = nest(bytes, WIRE_DEPTH_MAX + 1);
	ck_assert(!unpacks(message, bytes, size));
	size = nest(bytes, 20000);
	ck_assert(!unpacks(message, bytes, size));
}
END_TEST

START_TEST(groups_are_left_out)
{
	/* A file with a name and options.java_package "j", with a group in both, and another group
	 * at the end. */
	static const uint8_t bytes[] = "\x0a\x0e\x0a\1n\x42\x07\x7b\x08\1\x7c\x0a\1j\x7b\x7c";
	struct arena arena = { 0 };
	const Google__Protobuf__FileDescriptorSet *set =
		wire_unpack(&arena, FILE_SET, bytes, sizeof(bytes) - 1);

	ck_assert_ptr_nonnull(set);
	ck_assert_uint_eq(set->n_file, 1);
	ck_assert_str_eq(set->file[0]->name, "n");
	ck_assert_str_eq(set->file[0]->options->java_package, "j");
	arena_done(&arena);
}
END_TEST

int main(void)
{
	return RUN_CASES("wire", NULL, NULL, well_formed_bytes_are_sound, malformed_bytes_are_not,
			 depth_is_limited, groups_are_left_out);
}
