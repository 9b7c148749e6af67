// SPDX-License-Identifier: MIT
/*
 * Unpacking what a stranger sent: whatever it is, it ends in a message or in
 * an error, within the limits on memory and depth.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "typed/message.h"
#include "test-run.h"
#include "test.pb-c.h"
#include "typed/walk.h"

static uint64_t block[256];

/* Unpacks and frees; what comes out is in arena.error and the result. */
static int unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t size)
{
	struct message message;
	int r;

	message_init(&message, block, sizeof(block), size);
	r = message_unpack(&message, descriptor, MESSAGE_RECURSIVE, data, size);
	if (r == 0)
		ck_assert_ptr_eq(message.root->descriptor, descriptor);
	message_done(&message);
	return r;
}

START_TEST(a_message_lies_at_the_start_of_its_block)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	const Ipc__Test__EchoRequest *got;
	struct message message;
	uint8_t data[64];
	size_t size;

	request.text = "hello";
	request.number = 7;
	size = ipc__test__echo_request__pack(&request, data);
	message_init(&message, block, sizeof(block), size);
	ck_assert_int_eq(message_unpack(&message, &ipc__test__echo_request__descriptor, 0, data,
					size), 0);
	ck_assert_ptr_eq(message.root, block);
	got = (const Ipc__Test__EchoRequest *)message.root;
	ck_assert_str_eq(got->text, "hello");
	ck_assert_uint_eq(got->number, 7);
	ck_assert_ptr_null(message.arena.chunks);
	message_done(&message);
}
END_TEST

START_TEST(nothing_is_an_empty_message)
{
	ck_assert_int_eq(unpack(&ipc__none__descriptor, NULL, 0), 0);
	ck_assert_int_eq(unpack(&ipc__test__cargo__descriptor, NULL, 0), 0);
	ck_assert_int_eq(unpack(&ipc__object__descriptor, NULL, 0), 0);
}
END_TEST

START_TEST(every_truncation_is_an_error_or_a_shorter_message)
{
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	Ipc__Fd fd = IPC__FD__INIT;
	Ipc__Object *objects[] = { &object, &object };
	Ipc__Fd *fds[] = { &fd };
	uint8_t data[256];
	size_t size;

	object.id = 3;
	fd.fd = 4;
	cargo.object = &object;
	cargo.objects = objects;
	cargo.n_objects = 2;
	cargo.fds = fds;
	cargo.n_fds = 1;
	cargo.ballast.data = (uint8_t *)"ballast";
	cargo.ballast.len = 7;
	size = ipc__test__cargo__pack(&cargo, data);
	ck_assert_int_eq(unpack(&ipc__test__cargo__descriptor, data, size), 0);
	for (size_t n = 0; n < size; n++) {
		/* Of exactly that length, for tools that check bounds. */
		uint8_t *copy = malloc(n ? n : 1);
		int r;

		memcpy(copy, data, n);
		r = unpack(&ipc__test__cargo__descriptor, copy, n);
		ck_assert(r == 0 || r == -EBADMSG);
		free(copy);
	}
}
END_TEST

START_TEST(noise)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&ipc__test__cargo__descriptor, &ipc__test__tree__descriptor,
		&ipc__test__echo_request__descriptor, &ipc__error__descriptor,
	};
	uint8_t data[64];

	srand(1);
	for (int round = 0; round < 100000; round++) {
		size_t size = (size_t)rand() % sizeof(data);
		int r;

		/* Mostly small numbers, which are more often valid tags and sizes. */
		for (size_t i = 0; i < size; i++)
			data[i] = (uint8_t)(rand() % 4 ? rand() % 96 : rand());
		r = unpack(types[round % 4], data, size);
		ck_assert(r == 0 || r == -EBADMSG);
	}
}
END_TEST

/* The bytes of a Tree whose left children lie depth deep; the caller frees. */
static uint8_t *deep_tree(unsigned int depth, size_t *ret_size)
{
	size_t space = (size_t)depth * 6 + 1;
	uint8_t *data = malloc(space);
	uint8_t *at = data + space;

	ck_assert_ptr_nonnull(data);
	for (unsigned int i = 0; i < depth; i++) {
		size_t inner = (size_t)(data + space - at);
		uint8_t prefix[6];
		size_t n = 0;

		prefix[n++] = 2 << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
		for (; inner > 127; inner >>= 7)
			prefix[n++] = (uint8_t)(inner | 0x80);
		prefix[n++] = (uint8_t)inner;
		at -= n;
		memcpy(at, prefix, n);
	}
	*ret_size = (size_t)(data + space - at);
	memmove(data, at, *ret_size);
	return data;
}

static int unpack_tree(unsigned int depth)
{
	size_t size;
	uint8_t *data = deep_tree(depth, &size);
	int r;

	r = unpack(&ipc__test__tree__descriptor, data, size);
	free(data);
	return r;
}

START_TEST(depth_has_a_limit)
{
	ck_assert_int_eq(unpack_tree(0), 0);
	ck_assert_int_eq(unpack_tree(1), 0);
	ck_assert_int_eq(unpack_tree(MESSAGE_MAX_DEPTH), 0);
	ck_assert_int_eq(unpack_tree(MESSAGE_MAX_DEPTH + 1), -EBADMSG);
	ck_assert_int_eq(unpack_tree(1000000), -EBADMSG);
}
END_TEST

/* Text that looks like a deep message is text. */
START_TEST(only_messages_are_deep)
{
	size_t size;
	uint8_t *deep = deep_tree(1000, &size);
	Ipc__Test__Cargo cargo = IPC__TEST__CARGO__INIT;
	uint8_t *data;

	cargo.ballast.data = deep;
	cargo.ballast.len = size;
	data = malloc(ipc__test__cargo__get_packed_size(&cargo));
	size = ipc__test__cargo__pack(&cargo, data);
	ck_assert_int_eq(unpack(&ipc__test__cargo__descriptor, data, size), 0);
	free(data);
	free(deep);
}
END_TEST

START_TEST(wire_errors_are_found_while_looking_for_depth)
{
	static const struct {
		uint8_t data[12];
		size_t size;
	} bad[] = {
		{ { 0x80 }, 1 },					/* tag without end */
		{ { 0x08, 0x80 }, 2 },					/* number without end */
		{ { 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 11 },
		{ { 0x09, 1, 2, 3 }, 4 },				/* 64 bits of 24 */
		{ { 0x0d, 1 }, 2 },					/* 32 bits of 8 */
		{ { 0x12, 5, 0 }, 3 },					/* longer than the rest */
		{ { 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 }, 11 },
		{ { 0x0b }, 1 },					/* a group */
		{ { 0x0e }, 1 },					/* no such wire type */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(wire_check_depth(&ipc__test__tree__descriptor, bad[i].data,
						  bad[i].size), -EBADMSG);
}
END_TEST

/*
 * The same field again and again: protobuf-c merges each with the ones before,
 * which costs memory in the square of the size unless something stops it.
 */
START_TEST(merging_is_limited)
{
	enum { TIMES = 2000, EACH = 20 };
	uint8_t *data = malloc(TIMES * (2 + EACH * 2));
	size_t size = 0;

	for (int i = 0; i < TIMES; i++) {
		data[size++] = 2 << 3 | 2;	/* left */
		data[size++] = EACH * 2;
		for (int j = 0; j < EACH; j++) {
			data[size++] = 3 << 3 | 2;	/* more: an empty Tree */
			data[size++] = 0;
		}
	}
	ck_assert_int_eq(unpack(&ipc__test__tree__descriptor, data, size), -EBADMSG);
	free(data);
}
END_TEST

/* What is merely large is no reason to refuse it. */
START_TEST(many_small_fields_fit)
{
	enum { COUNT = 100000 };
	uint8_t *data = malloc(COUNT * 2);

	for (int i = 0; i < COUNT; i++) {
		data[i * 2] = 3 << 3 | 2;	/* more: an empty Tree of 56 bytes */
		data[i * 2 + 1] = 0;
	}
	ck_assert_int_eq(unpack(&ipc__test__tree__descriptor, data, COUNT * 2), 0);
	free(data);
}
END_TEST

int main(void)
{
	return RUN_TESTS("message", a_message_lies_at_the_start_of_its_block,
			 nothing_is_an_empty_message,
			 every_truncation_is_an_error_or_a_shorter_message, noise,
			 depth_has_a_limit, only_messages_are_deep,
			 wire_errors_are_found_while_looking_for_depth, merging_is_limited,
			 many_small_fields_fit);
}
