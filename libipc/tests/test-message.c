// SPDX-License-Identifier: MIT
/*
 * Decoding of arbitrary bytes: the result is a message or an error, within the limits of memory and
 * depth, and equal to protobuf's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "typed/message.h"
#include "test-run.h"
#include "test.pb-c.h"

static uint64_t block[256];

/* Unpacks and frees. The outcome is in arena.error and the result. */
static int unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t size)
{
	struct message message;
	int r;

	message_init(&message, block, sizeof(block), size);
	r = message_unpack(&message, descriptor, /* borrow= */ false, data, size);
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
	ck_assert_int_eq(message_unpack(&message, &ipc__test__echo_request__descriptor,
					/* borrow= */ false, data, size), 0);
	ck_assert_ptr_eq(message.root, block);
	got = (const Ipc__Test__EchoRequest *)message.root;
	ck_assert_str_eq(got->text, "hello");
	ck_assert_uint_eq(got->number, 7);
	ck_assert_ptr_null(message.arena.chunks);
	message_done(&message);
}
END_TEST

START_TEST(zero_bytes_are_an_empty_message)
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
		/* Exactly that long, for tools that check bounds. */
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

/* Returns the bytes of a Tree with @depth nested left children; the caller frees them. */
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

/* Text with the bytes of a deep message is still text. */
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

START_TEST(malformed_bytes_are_refused)
{
	static const struct {
		uint8_t data[12];
		size_t size;
	} bad[] = {
		{ { 0x80 }, 1 },					/* truncated tag */
		{ { 0x08, 0x80 }, 2 },					/* truncated number */
		{ { 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 11 },
		{ { 0x09, 1, 2, 3 }, 4 },				/* 64 bits in 3 bytes */
		{ { 0x0d, 1 }, 2 },					/* 32 bits in 1 byte */
		{ { 0x12, 5, 0 }, 3 },					/* longer than the rest */
		{ { 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 }, 11 },
		{ { 0x0b }, 1 },					/* unterminated group */
		{ { 0x0c }, 1 },					/* end without group */
		{ { 0x0b, 0x14 }, 2 },					/* end of another group */
		{ { 0x0e }, 1 },					/* invalid wire type */
		{ { 0x80, 0x00, 1 }, 3 },				/* field number 0 */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(unpack(&ipc__test__tree__descriptor, bad[i].data, bad[i].size),
				 -EBADMSG);
}
END_TEST

static Ipc__Test__Sack *unpack_sack(struct message *message, const uint8_t *data, size_t size)
{
	message_init(message, block, sizeof(block), size);
	ck_assert_int_eq(message_unpack(message, &ipc__test__sack__descriptor,
					/* borrow= */ false, data, size), 0);
	return (Ipc__Test__Sack *)message->root;
}

START_TEST(a_group_and_a_wrong_wire_type_are_unknown_fields)
{
	/* Group 3 with a number in it; field 1, a bool, encoded as bytes. */
	static const uint8_t data[] = { 0x1b, 0x08, 1, 0x1c, 0x0a, 1, 0 };
	struct message message;
	Ipc__Test__Sack *sack = unpack_sack(&message, data, sizeof(data));
	struct encoder measure = { .large_min = SIZE_MAX };
	uint8_t again[sizeof(data)];
	struct encoder encoder = {
		.data = again, .left = sizeof(again), .large_min = SIZE_MAX
	};

	ck_assert_uint_eq(sack->base.n_unknown_fields, 2);
	ck_assert(!sack->flag);
	ck_assert_int_eq(encode(&measure, &sack->base), 0);
	ck_assert_uint_eq(encoder_measured(&measure), sizeof(data));
	ck_assert_int_eq(encode(&encoder, &sack->base), 0);
	ck_assert_uint_eq(encoder.left, 0);
	ck_assert_mem_eq(again, data, sizeof(data));
	message_done(&message);
}
END_TEST

START_TEST(minus_zero_is_sent)
{
	Ipc__Test__Sack sack = IPC__TEST__SACK__INIT;
	struct encoder measure = { .large_min = SIZE_MAX };

	ck_assert_int_eq(encode(&measure, &sack.base), 0);
	ck_assert_uint_eq(encoder_measured(&measure), 0);
	sack.real = -0.0f;
	sack.wide_real = -0.0;
	ck_assert_int_eq(encode(&measure, &sack.base), 0);
	ck_assert_uint_eq(encoder_measured(&measure), 5 + 9);
}
END_TEST

START_TEST(text_is_utf8_without_nul)
{
	static const struct {
		const char *text;
		size_t size;
		bool valid;
	} texts[] = {
		{ "", 0, true },
		{ "eight ch", 8, true },
		{ "nine char", 9, true },
		{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf", 16, true },
		{ "\0", 1, false },
		{ "allowed\0../../etc", 17, false },
		{ "\xc3\xa4 and \0", 8, false },
		{ "\x80", 1, false },			/* a continuation byte */
		{ "\xc3(", 2, false },
		{ "12345678\xc3", 9, false },		/* truncated */
		{ "\xc0\x80", 2, false },		/* longer than needed */
		{ "\xe0\x9f\xbf", 3, false },
		{ "\xf0\x8f\xbf\xbf", 4, false },
		{ "\xed\xa0\x80", 3, false },		/* a surrogate */
		{ "\xf4\x90\x80\x80", 4, false },	/* beyond U+10FFFF */
	};
	uint8_t data[32] = { 15 << 3 | 2 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		Ipc__Test__Sack sack = IPC__TEST__SACK__INIT;
		struct encoder measure = { .large_min = SIZE_MAX };

		data[1] = (uint8_t)texts[i].size;
		memcpy(data + 2, texts[i].text, texts[i].size);
		ck_assert_int_eq(unpack(&ipc__test__sack__descriptor, data, texts[i].size + 2),
				 texts[i].valid ? 0 : -EBADMSG);
		/* A sender's text ends at its NUL. */
		if (memchr(texts[i].text, 0, texts[i].size))
			continue;
		sack.text = (char *)texts[i].text;
		ck_assert_int_eq(encode(&measure, &sack.base),
				 texts[i].valid ? 0 : -EINVAL);
	}
}
END_TEST

START_TEST(a_message_that_comes_twice_is_merged)
{
	/* left { leaf: "x" more {} }, left { leaf: "y" more {} } */
	static const uint8_t data[] = {
		0x12, 5, 0x0a, 1, 'x', 0x1a, 0, 0x12, 5, 0x0a, 1, 'y', 0x1a, 0,
	};
	struct message message;
	const Ipc__Test__Tree *tree;

	message_init(&message, block, sizeof(block), sizeof(data));
	ck_assert_int_eq(message_unpack(&message, &ipc__test__tree__descriptor,
					/* borrow= */ false, data, sizeof(data)), 0);
	tree = (const Ipc__Test__Tree *)message.root;
	ck_assert_str_eq(tree->left->leaf, "y");
	ck_assert_uint_eq(tree->left->n_more, 2);
	message_done(&message);
}
END_TEST

/* Many occurrences of a field are merged without more memory than their parts need. */
START_TEST(merging_takes_linear_memory)
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
	ck_assert_int_eq(unpack(&ipc__test__tree__descriptor, data, size), 0);
	free(data);
}
END_TEST

/* A message is not refused for its size alone. */
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
			 zero_bytes_are_an_empty_message,
			 every_truncation_is_an_error_or_a_shorter_message, noise,
			 depth_has_a_limit, only_messages_are_deep,
			 malformed_bytes_are_refused,
			 a_group_and_a_wrong_wire_type_are_unknown_fields, minus_zero_is_sent,
			 text_is_utf8_without_nul, a_message_that_comes_twice_is_merged,
			 merging_takes_linear_memory, many_small_fields_fit);
}
