// SPDX-License-Identifier: MIT
/*
 * Generated codecs, compared with the generic decoder and encoder: a codec gives the same result,
 * or leaves the message to them. It must handle usual messages itself. tests/suite/languages/judge
 * compares decoder and encoder with protobuf.
 *
 *   test-codec [ROUNDS [SEED]]   number of random messages of each kind; CK_FORK=no for no time
 *                                limit
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.ipc.h"
#include "codec2.ipc.h"
#include "test-run.h"
#include "typed/typed.h"
#include "typed/message.h"

static unsigned int rounds = 20000, seed = 1;

struct way {
	const ProtobufCMessageDescriptor *descriptor;
	const struct ipc_codec *codec;
};

static struct way pouch_way, button_way, purse_way;

static void begin(void)
{
	const struct ipc_method *sew = &tailor_interface.methods[0];
	const struct ipc_method *pay = &purser_interface.methods[0];

	srand(seed);
	pouch_way = (struct way){ sew->request, sew->request_codec };
	button_way = (struct way){ sew->reply, sew->reply_codec };
	purse_way = (struct way){ pay->request, pay->request_codec };
	ck_assert(pouch_way.codec && button_way.codec && purse_way.codec);
	ck_assert_ptr_eq(pay->request_codec, pay->reply_codec);
}

/* --- Comparison ----------------------------------------------------------------------- */

/* ck_assert() is too slow: it records its location each time. */
#define must(what)                                  \
	do {                                        \
		if (!(what))                        \
			ck_abort_msg("%s", #what);  \
	} while (0)

static void same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	must(a->len == b->len);
	must(!a->data == !b->data);
	must(!a->len || !memcmp(a->data, b->data, a->len));
}

static void same_text(const char *const *a, const char *const *b)
{
	must(*a && *b ? !strcmp(*a, *b) : *a == *b);
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	default:
		return 4;
	}
}

static protobuf_c_boolean *flag_of(const ProtobufCFieldDescriptor *field, void *message)
{
	return (protobuf_c_boolean *)((char *)message + field->quantifier_offset);
}

/* Both have the same fields, each of which is a number, string or bytes. */
static void same(const ProtobufCMessageDescriptor *descriptor, const ProtobufCMessage *a,
		 const ProtobufCMessage *b)
{
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		const void *of_a = field_at(a, field->offset), *of_b = field_at(b, field->offset);

		if (field->quantifier_offset)
			must(*flag_of(field, (void *)a) == *flag_of(field, (void *)b));
		switch (field->type) {
		case PROTOBUF_C_TYPE_STRING:
			same_text(of_a, of_b);
			break;
		case PROTOBUF_C_TYPE_BYTES:
			same_bytes(of_a, of_b);
			break;
		default:
			must(!memcmp(of_a, of_b, size_of(field->type)));
			break;
		}
	}
	must(a->n_unknown_fields == 0);
	must(b->n_unknown_fields == 0);
}

/* Returns true if the codec unpacks it into a block of @space bytes. */
static bool compare_unpacked(const struct way *way, const uint8_t *data, size_t size,
			     size_t space)
{
	struct message message, model;
	uint8_t *block, *copy;
	int r;

	if (size > IPC_CODEC_MAX)
		return false;
	/* Exactly that long, for tools that check bounds. */
	copy = malloc(size ? size : 1);
	block = malloc(space ? space : 1);
	must(copy && block);
	memcpy(copy, data, size);
	/* The memory has contents of an earlier message. */
	memset(block, 0xa5, space);
	message_init(&model, NULL, 0, size);
	r = message_unpack(&model, way->descriptor, /* borrow= */ false, copy, size);
	if (message_unpack_small(&message, way->codec, block, space, copy, size)) {
		must((void *)message.root == block);
		must(r == 0);
		same(way->descriptor, message.root, model.root);
	}
	message_done(&model);
	free(block);
	free(copy);
	return message.root;
}

/* Returns true if the codec packs it. */
static bool compare_packed(const struct way *way, const ProtobufCMessage *message, uint8_t *data,
			   size_t *ret_size)
{
	struct encoder measure = { .large_min = SIZE_MAX };
	struct encoder encoder = { .large_min = SIZE_MAX };
	uint8_t *packed = malloc(IPC_CODEC_MAX);
	uint8_t *end;

	must(packed);
	must(encode(&measure, message) == 0);
	*ret_size = encoder_measured(&measure);
	encoder.data = data;
	encoder.left = *ret_size;
	must(encode(&encoder, message) == 0);
	must(!encoder.left);
	end = way->codec->pack(message, packed, packed + IPC_CODEC_MAX);
	if (end) {
		must((size_t)(end - packed) == *ret_size);
		must(!memcmp(packed, data, *ret_size));
	}
	free(packed);
	return end;
}

/* --- Random messages ------------------------------------------------------------------ */

static uint64_t number_by_chance(void)
{
	uint64_t value = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();

	switch (rand() % 6) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return UINT64_MAX;
	/* The sign bit of 32-bit and 64-bit numbers. In floating point this is -0. */
	case 3:
		return rand() % 2 ? (uint64_t)1 << 31 : (uint64_t)1 << 63;
	default:
		return value >> (rand() % 64);
	}
}

static char text[IPC_CODEC_MAX + 1];

/* Returns the last @max or fewer characters of a text. */
static char *text_by_chance(size_t max)
{
	size_t size = rand() % 4 ? (size_t)rand() % 8 : (size_t)rand() % max;

	if (!text[0])
		memset(text, 'x', sizeof(text) - 1);
	return text + sizeof(text) - 1 - size;
}

/* Sets some fields, with at most @max bytes each. */
static void fill(ProtobufCMessage *message, const ProtobufCMessageDescriptor *descriptor,
		 size_t max)
{
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		void *member = (char *)message + field->offset;
		uint64_t number = number_by_chance();

		if (rand() % 3 == 0)
			continue;
		if (field->quantifier_offset)
			*flag_of(field, message) = 1;
		switch (field->type) {
		case PROTOBUF_C_TYPE_STRING:
			*(char **)member = text_by_chance(max);
			break;
		case PROTOBUF_C_TYPE_BYTES:
			*(ProtobufCBinaryData *)member = (ProtobufCBinaryData){
				.data = (uint8_t *)text,
				.len = strlen(text_by_chance(max)),
			};
			break;
		case PROTOBUF_C_TYPE_BOOL:
			/* Programs may use other true values than 1. */
			*(protobuf_c_boolean *)member = rand() % 3;
			break;
		default:
			memcpy(member, &number, size_of(field->type));
			break;
		}
	}
}

static void damage(uint8_t *data, size_t *size)
{
	for (int n = rand() % 3; *size && n >= 0; n--) {
		size_t at = (size_t)rand() % *size;

		switch (rand() % 4) {
		case 0:
			*size = at;
			break;
		case 1:
			data[at] ^= (uint8_t)(1 << rand() % 8);
			break;
		case 2:
			data[at] = (uint8_t)rand();
			break;
		default:
			/* Longer encodings of numbers. */
			memmove(data + at + 1, data + at, *size - at);
			data[at] |= 0x80;
			++*size;
			break;
		}
	}
}

static void check_by_chance(const struct way *way)
{
	/* Strings and bytes of all fields. */
	static uint8_t data[16 * (IPC_CODEC_MAX + 16)];
	union {
		ProtobufCMessage base;
		Ipc__Test__Pouch pouch;
		Ipc__Test__Button button;
		Ipc__Test__Purse purse;
	} message;
	unsigned int damaged = 0;

	for (unsigned int round = 0; round < rounds; round++) {
		size_t max = rand() % 8 ? 64 : IPC_CODEC_MAX;
		size_t size;
		bool plain;

		way->descriptor->message_init(&message.base);
		fill(&message.base, way->descriptor, max);
		message.base.descriptor = way->descriptor;
		plain = compare_packed(way, &message.base, data, &size);
		if (size < 512)
			must(plain);
		must(!plain || size <= IPC_CODEC_MAX);
		plain = compare_unpacked(way, data, size, 8 * IPC_CODEC_MAX);
		must(plain == (size <= IPC_CODEC_MAX));
		compare_unpacked(way, data, size, (size_t)rand() % 64 * 8);
		damage(data, &size);
		damaged += compare_unpacked(way, data, size, 8 * IPC_CODEC_MAX);
	}
	/* Some damaged messages are valid, but different. */
	must(damaged > rounds / 20);
}

START_TEST(codecs)
{
	begin();
	check_by_chance(&pouch_way);
}
END_TEST

START_TEST(codecs_of_fields_with_flags)
{
	begin();
	check_by_chance(&purse_way);
}
END_TEST

START_TEST(codecs_of_many_strings)
{
	begin();
	check_by_chance(&button_way);
}
END_TEST

START_TEST(noise)
{
	const struct way *const ways[] = { &pouch_way, &button_way, &purse_way };
	const unsigned int n_ways = sizeof(ways) / sizeof(ways[0]);
	unsigned int plain = 0;
	uint8_t data[64];

	begin();
	for (unsigned int round = 0; round < n_ways * rounds; round++) {
		size_t size = (size_t)rand() % (rand() % 2 ? 6 : sizeof(data));

		/* Mostly small numbers, which are more often valid tags and sizes. */
		for (size_t i = 0; i < size; i++)
			data[i] = (uint8_t)(rand() % 4 ? rand() % 144 : rand());
		plain += compare_unpacked(ways[round % n_ways], data, size, 8 * IPC_CODEC_MAX);
	}
	ck_assert_uint_gt(plain, rounds / 20);
}
END_TEST

/* --- Edge cases ----------------------------------------------------------------------- */

START_TEST(codecs_leave_the_unusual_to_the_decoder)
{
	/*
	 * An unknown field, a repeated field, another order, another wire type, a missing end, a
	 * size beyond the end, text with a NUL, text beyond ASCII, an eleven-byte number.
	 */
	static const struct {
		size_t size;
		uint8_t data[14];
	} unusual[] = {
		{ 3, { 0xa0, 0x01, 1 } },
		{ 4, { 0x10, 1, 0x10, 2 } },
		{ 4, { 0x18, 1, 0x10, 1 } },
		{ 2, { 0x11, 1 } },
		{ 1, { 0x10 } },
		{ 2, { 0x10, 0x80 } },
		{ 3, { 0x7a, 2, 'x' } },
		{ 4, { 0x7a, 0x80, 0x80, 0 } },
		{ 4, { 0x2d, 1, 1, 1 } },
		{ 5, { 0x7a, 3, 'a', 0, 'b' } },
		{ 4, { 0x7a, 2, 0xc3, 0xa4 } },
		{ 12, { 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 } },
	};

	begin();
	for (size_t i = 0; i < sizeof(unusual) / sizeof(unusual[0]); i++)
		ck_assert(!compare_unpacked(&pouch_way, unusual[i].data, unusual[i].size,
					    IPC_CODEC_MAX));
}
END_TEST

START_TEST(codecs_need_memory_for_all)
{
	Ipc__Test__Button button = IPC__TEST__BUTTON__INIT;
	size_t size, needed;
	uint8_t data[64];

	begin();
	button.a = "1234567";
	button.b = (ProtobufCBinaryData){ 3, (uint8_t *)"abc" };
	ck_assert(compare_packed(&button_way, &button.base, data, &size));
	needed = sizeof(button) + size + 16 * 8;
	for (size_t space = 0; space < needed + 64; space += 8)
		ck_assert_int_eq(compare_unpacked(&button_way, data, size, space),
				 space >= needed);
}
END_TEST

/* Space is used up to the last byte, also with numbers behind the bytes. */
START_TEST(codecs_have_space_for_all)
{
	static uint8_t bytes[2 * IPC_CODEC_MAX];
	Ipc__Test__Pouch pouch = IPC__TEST__POUCH__INIT;
	uint8_t data[4 * IPC_CODEC_MAX];
	size_t size;

	begin();
	pouch.data.data = bytes;
	pouch.number = pouch.kind = -1;
	pouch.wide = -1;
	pouch.wide_positive = UINT64_MAX;
	pouch.wide_small = INT64_MIN;
	pouch.wide_real = pouch.wide_fixed = pouch.wide_sfixed = 1;
	for (pouch.data.len = 0; pouch.data.len < sizeof(bytes); pouch.data.len++)
		ck_assert_int_eq(compare_packed(&pouch_way, &pouch.base, data, &size),
				 pouch.data.len <= IPC_CODEC_MAX - 7 * 16 - 22);
}
END_TEST

START_TEST(codecs_leave_text_beyond_ascii_to_the_encoder)
{
	Ipc__Test__Pouch pouch = IPC__TEST__POUCH__INIT;
	uint8_t data[64];
	size_t size;

	begin();
	pouch.text = "12345678 \xc3\xa4";
	ck_assert(!compare_packed(&pouch_way, &pouch.base, data, &size));
	pouch.text = "12345678 a";
	ck_assert(compare_packed(&pouch_way, &pouch.base, data, &size));
}
END_TEST

static int unpack_pledge(const uint8_t *data, size_t size)
{
	struct message message;
	int r;

	message_init(&message, NULL, 0, size);
	r = message_unpack(&message, &ipc__test__pledge__descriptor, /* borrow= */ false, data,
			   size);
	message_done(&message);
	return r;
}

/* A later occurrence of a message may supply fields that an earlier occurrence lacks. */
START_TEST(required_fields_are_checked_in_merged_messages)
{
	/* The fields name and number of message inner, together or in two parts. */
	static const uint8_t whole[] = { 0x1a, 5, 0x0a, 1, 'x', 0x10, 1, 0x0a, 0, 0x10, 1 };
	static const uint8_t halves[] = {
		0x0a, 0, 0x1a, 3, 0x0a, 1, 'x', 0x1a, 2, 0x10, 1, 0x10, 1,
	};

	ck_assert_int_eq(unpack_pledge(whole, sizeof(whole)), 0);
	ck_assert_int_eq(unpack_pledge(whole, sizeof(whole) - 2), -EBADMSG);
	ck_assert_int_eq(unpack_pledge(whole + 7, 4), 0);
	ck_assert_int_eq(unpack_pledge(whole + 7, 2), -EBADMSG);
	ck_assert_int_eq(unpack_pledge(NULL, 0), -EBADMSG);
	ck_assert_int_eq(unpack_pledge(halves, sizeof(halves)), 0);
	ck_assert_int_eq(unpack_pledge(halves, 7), -EBADMSG);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc > 1)
		rounds = (unsigned int)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		seed = (unsigned int)strtoul(argv[2], NULL, 10);
	return RUN_TESTS("codec", codecs, codecs_of_fields_with_flags, codecs_of_many_strings, noise,
			 codecs_leave_the_unusual_to_the_decoder, codecs_need_memory_for_all,
			 codecs_have_space_for_all, codecs_leave_text_beyond_ascii_to_the_encoder,
			 required_fields_are_checked_in_merged_messages);
}
