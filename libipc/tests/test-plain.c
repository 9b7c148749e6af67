// SPDX-License-Identifier: MIT
/*
 * Plain messages, and those with a codec: of any bytes plain_unpack() and the codec make what
 * protobuf-c makes of them, or nothing, and of any message plain_pack() and the codec make the
 * bytes that protobuf-c makes, or none. Usual messages they do not leave to protobuf-c.
 *
 *   test-plain [ROUNDS [SEED]]   so many messages by chance of each kind; CK_FORK=no without a
 *                                limit of time
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "codec.ipc.h"
#include "codec2.ipc.h"
#include "test-run.h"
#include "test.pb-c.h"
#include "typed/typed.h"
#include "typed/walk.h"

#define BUDGET		((size_t)1 << 20)
#define FIELDS		32

static unsigned int rounds = 20000, seed = 1;

/* Sack as a proto2 file would have it: fields with a flag of their own, and one that has to be
 * there. */
static ProtobufCFieldDescriptor optional_fields[FIELDS], required_fields[FIELDS];
static ProtobufCMessageDescriptor optional_sack, required_sack;

/* Whose functions are compared with protobuf-c's: of a codec, or if that is NULL of plain.c. */
struct way {
	const ProtobufCMessageDescriptor *descriptor;
	const struct ipc_codec *codec;
};

static const struct way sack_way = { &ipc__test__sack__descriptor, NULL };
static struct way pouch_way, button_way, purse_way;

static void find_codecs(void)
{
	const struct ipc_method *sew = &tailor_interface.methods[0];
	const struct ipc_method *pay = &purser_interface.methods[0];

	pouch_way = (struct way){ sew->request, request_codec(sew) };
	button_way = (struct way){ sew->reply, reply_codec(sew) };
	purse_way = (struct way){ pay->request, request_codec(pay) };
	ck_assert(pouch_way.codec && button_way.codec && purse_way.codec);
	ck_assert_ptr_eq(request_codec(pay), reply_codec(pay));
}

static void begin(void)
{
	const ProtobufCMessageDescriptor *sack = &ipc__test__sack__descriptor;

	srand(seed);
	find_codecs();
	ck_assert_uint_le(sack->n_fields, FIELDS);
	memcpy(optional_fields, sack->fields, sack->n_fields * sizeof(*sack->fields));
	memcpy(required_fields, sack->fields, sack->n_fields * sizeof(*sack->fields));
	/* Where the first field is, each of the others has its flag. */
	for (unsigned int i = 1; i < sack->n_fields; i++) {
		if (sack->fields[i].label != PROTOBUF_C_LABEL_NONE || sack->fields[i].id > 2047 ||
		    sack->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			continue;
		optional_fields[i].label = PROTOBUF_C_LABEL_OPTIONAL;
		if (sack->fields[i].type != PROTOBUF_C_TYPE_STRING)
			optional_fields[i].quantifier_offset = offsetof(Ipc__Test__Sack, flag);
	}
	required_fields[0].label = PROTOBUF_C_LABEL_REQUIRED;
	optional_sack = required_sack = *sack;
	optional_sack.fields = optional_fields;
	required_sack.fields = required_fields;
}

/* --- Comparing ------------------------------------------------------------------------ */

/* ck_assert() writes down where it is, each time. */
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

/* Both have the same fields, none of which repeats or is a message. */
static void same(const ProtobufCMessageDescriptor *descriptor, const ProtobufCMessage *a,
		 const ProtobufCMessage *b)
{
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		const void *of_a = field_at(a, field->offset), *of_b = field_at(b, field->offset);

		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			must(*(const size_t *)field_at(b, field->quantifier_offset) == 0);
			continue;
		}
		if (field->quantifier_offset && !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			must(*flag_of(field, (void *)a) == *flag_of(field, (void *)b));
		switch (field->type) {
		case PROTOBUF_C_TYPE_MESSAGE:
			must(!*(const void *const *)of_a);
			must(!*(const void *const *)of_b);
			break;
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

static ProtobufCMessage *unpack(const struct way *way, struct arena *arena, const uint8_t *data,
				size_t size)
{
	struct message message;

	if (!way->codec)
		return plain_unpack(way->descriptor, arena, data, size);
	if (size > IPC_CODEC_MAX)
		return NULL;
	message_unpack_small(&message, way->codec, arena->next,
			     (size_t)(arena->end - arena->next), data, size);
	return message.root;
}

/* True if it is unpacked. The arena has no byte more than space. */
static bool compare_unpacked(const struct way *way, const uint8_t *data, size_t size,
			     size_t space)
{
	const ProtobufCMessageDescriptor *descriptor = way->descriptor;
	ProtobufCMessage *plain, *model;
	struct arena arena;
	uint8_t *block, *copy;

	/* Of exactly that length, for tools that check bounds. */
	copy = malloc(size ? size : 1);
	block = malloc(space ? space : 1);
	must(copy && block);
	memcpy(copy, data, size);
	/* Memory of the message before. */
	memset(block, 0xa5, space);
	arena_init(&arena, block, space, BUDGET);
	plain = unpack(way, &arena, copy, size);
	model = protobuf_c_message_unpack(descriptor, NULL, size, copy);
	if (plain) {
		must((void *)plain == block);
		must(model);
		same(descriptor, plain, model);
	} else {
		must(arena.next == block);
		must(arena.budget == BUDGET);
	}
	must(!arena.chunks);
	must(arena.error == 0);
	if (model)
		protobuf_c_message_free_unpacked(model, NULL);
	free(block);
	free(copy);
	return plain;
}

static bool pack(const struct way *way, const ProtobufCMessage *message, uint8_t *to,
		 size_t *ret_size)
{
	uint8_t *end;

	if (!way->codec)
		return plain_pack(message, to, ret_size);
	end = way->codec->pack(message, to, to + IPC_CODEC_MAX);
	if (end)
		*ret_size = (size_t)(end - to);
	return end;
}

/* True if it is packed. */
static bool compare_packed(const struct way *way, const ProtobufCMessage *message, uint8_t *data,
			   size_t *ret_size)
{
	uint8_t *plain = malloc(PLAIN_MAX);
	bool is_plain;
	size_t size;

	must(plain);
	*ret_size = protobuf_c_message_pack(message, data);
	is_plain = pack(way, message, plain, &size);
	if (is_plain) {
		must(size == *ret_size);
		must(!memcmp(plain, data, size));
	}
	free(plain);
	return is_plain;
}

/* --- Messages by chance --------------------------------------------------------------- */

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
	/* The sign of a number of 32 and of 64 bits: of reals that is -0. */
	case 3:
		return rand() % 2 ? (uint64_t)1 << 31 : (uint64_t)1 << 63;
	default:
		return value >> (rand() % 64);
	}
}

static char text[PLAIN_MAX + 1];

/* The end of the text, so long. */
static char *text_by_chance(size_t max)
{
	size_t size = rand() % 4 ? (size_t)rand() % 8 : (size_t)rand() % max;

	if (!text[0])
		memset(text, 'x', sizeof(text) - 1);
	return text + sizeof(text) - 1 - size;
}

/* Some fields, at most so many bytes of each. */
static void fill(ProtobufCMessage *message, const ProtobufCMessageDescriptor *descriptor,
		 size_t max)
{
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		void *member = (char *)message + field->offset;
		uint64_t number = number_by_chance();

		if (field->label == PROTOBUF_C_LABEL_REPEATED || field->id > 2047 ||
		    field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF || rand() % 3 == 0)
			continue;
		/* Those of optional_sack are in one that is a field itself. */
		if (field->quantifier_offset &&
		    field->quantifier_offset != offsetof(Ipc__Test__Sack, flag))
			*flag_of(field, message) = 1;
		switch (field->type) {
		case PROTOBUF_C_TYPE_MESSAGE:
			break;
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
			/* Programs may have other true values than 1. */
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
			/* Longer forms of numbers. */
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
	static uint8_t data[FIELDS * (PLAIN_MAX + 16)];
	union {
		ProtobufCMessage base;
		Ipc__Test__Sack sack;
		Ipc__Test__Pouch pouch;
		Ipc__Test__Button button;
		Ipc__Test__Purse purse;
	} message;
	unsigned int damaged = 0;

	for (unsigned int round = 0; round < rounds; round++) {
		size_t max = rand() % 8 ? 64 : PLAIN_MAX;
		size_t size;
		bool plain;

		way->descriptor->message_init(&message.base);
		fill(&message.base, way->descriptor, max);
		message.base.descriptor = way->descriptor;
		plain = compare_packed(way, &message.base, data, &size);
		if (size < 512)
			must(plain);
		must(!plain || size <= PLAIN_MAX);
		plain = compare_unpacked(way, data, size, 8 * PLAIN_MAX);
		must(plain == (size <= PLAIN_MAX));
		compare_unpacked(way, data, size, (size_t)rand() % 64 * 8);
		damage(data, &size);
		damaged += compare_unpacked(way, data, size, 8 * PLAIN_MAX);
	}
	/* Some of the damage makes another message. */
	must(damaged > rounds / 20);
}

START_TEST(fields_without_labels)
{
	begin();
	check_by_chance(&sack_way);
}
END_TEST

START_TEST(fields_with_flags)
{
	begin();
	check_by_chance(&(struct way){ &optional_sack, NULL });
}
END_TEST

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
	const struct way request = { &ipc__test__echo_request__descriptor, NULL };
	const struct way cargo = { &ipc__test__cargo__descriptor, NULL };
	const struct way none = { &ipc__none__descriptor, NULL };
	const struct way *const ways[] = {
		&sack_way, &request, &cargo, &none, &pouch_way, &button_way, &purse_way,
	};
	const unsigned int n_ways = sizeof(ways) / sizeof(ways[0]);
	unsigned int plain = 0;
	uint8_t data[64];

	begin();
	for (unsigned int round = 0; round < n_ways * rounds; round++) {
		size_t size = (size_t)rand() % (rand() % 2 ? 6 : sizeof(data));

		/* Mostly small numbers, which are more often valid tags and sizes. */
		for (size_t i = 0; i < size; i++)
			data[i] = (uint8_t)(rand() % 4 ? rand() % 144 : rand());
		plain += compare_unpacked(ways[round % n_ways], data, size, 8 * PLAIN_MAX);
	}
	ck_assert_uint_gt(plain, rounds / 20);
}
END_TEST

/* --- What is not plain ------------------------------------------------------------------ */

static void is_left(const Ipc__Test__Sack *sack)
{
	uint8_t data[2 * PLAIN_MAX];
	size_t size;

	ck_assert(!compare_packed(&sack_way, &sack->base, data, &size));
	ck_assert(!compare_unpacked(&sack_way, data, size, 8 * PLAIN_MAX));
}

START_TEST(other_fields_are_left_to_protobuf_c)
{
	Ipc__Test__Sack sack = IPC__TEST__SACK__INIT, more = sack;
	Ipc__Test__Box box = IPC__TEST__BOX__INIT;
	uint32_t number = 7;
	char *word = "word";

	sack.box = &box;
	is_left(&sack);
	sack = more;
	sack.numbers = &number;
	sack.n_numbers = 1;
	is_left(&sack);
	sack = more;
	sack.texts = &word;
	sack.n_texts = 1;
	is_left(&sack);
	sack = more;
	sack.choice_case = IPC__TEST__SACK__CHOICE_CHOSEN_NUMBER;
	is_left(&sack);
	sack.choice_case = IPC__TEST__SACK__CHOICE_CHOSEN_TEXT;
	sack.chosen_text = word;
	is_left(&sack);
}
END_TEST

START_TEST(long_tags_are_left_to_protobuf_c)
{
	Ipc__Test__Sack sack = IPC__TEST__SACK__INIT;
	uint8_t data[16];
	size_t size;

	sack.first_of_three_bytes = 1;
	ck_assert(compare_packed(&sack_way, &sack.base, data, &size));
	ck_assert(!compare_unpacked(&sack_way, data, size, PLAIN_MAX));
}
END_TEST

START_TEST(unknown_fields_are_left_to_protobuf_c)
{
	/* Numbers 4 and 0 of a message that has 1 and 2; a group. */
	static const uint8_t unknown[][2] = { { 0x20, 1 }, { 0x00, 1 }, { 0x0b, 0x0c } };
	ProtobufCMessageUnknownField field = { .tag = 4, .len = 1, .data = (uint8_t *)"\1" };
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	const struct way way = { request.base.descriptor, NULL };
	uint8_t data[16];
	size_t size;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		ck_assert(!compare_unpacked(&way, unknown[i], 2, PLAIN_MAX));
	request.base.unknown_fields = &field;
	request.base.n_unknown_fields = 1;
	ck_assert(!compare_packed(&way, &request.base, data, &size));
}
END_TEST

START_TEST(required_fields_are_left_to_protobuf_c)
{
	const struct way way = { &required_sack, NULL };
	Ipc__Test__Sack sack = IPC__TEST__SACK__INIT;
	uint8_t data[16] = { 0 };
	size_t size;

	begin();
	ck_assert(!compare_unpacked(&way, data, 0, PLAIN_MAX));
	sack.flag = true;
	sack.base.descriptor = &required_sack;
	ck_assert(!compare_packed(&way, &sack.base, data, &size));
	ck_assert(!compare_unpacked(&way, data, size, PLAIN_MAX));
}
END_TEST

START_TEST(a_budget_is_kept)
{
	static const uint8_t data[] = { 0x0a, 5, 'h', 'e', 'l', 'l', 'o' };
	const ProtobufCMessageDescriptor *descriptor = &ipc__test__echo_request__descriptor;
	/* Whole steps of 8 bytes count, but the last need not be whole. */
	size_t needed = descriptor->sizeof_message + 6;
	uint64_t block[64];
	struct arena arena;

	for (size_t budget = 0; budget < needed + 8; budget++) {
		arena_init(&arena, block, sizeof(block), budget);
		ck_assert_int_eq(!!plain_unpack(descriptor, &arena, data, sizeof(data)),
				 budget >= needed);
	}
}
END_TEST

START_TEST(codecs_leave_the_unusual_to_protobuf_c)
{
	/* An unknown field, one twice, one before another, another wire type, an end that is
	 * missing, a size beyond the end, a form of true, a number of eleven bytes. */
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
		{ 2, { 0x08, 2 } },
		{ 3, { 0x08, 0x81, 0 } },
		{ 12, { 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 } },
	};

	find_codecs();
	for (size_t i = 0; i < sizeof(unusual) / sizeof(unusual[0]); i++)
		ck_assert(!compare_unpacked(&pouch_way, unusual[i].data, unusual[i].size,
					    PLAIN_MAX));
}
END_TEST

START_TEST(codecs_need_memory_for_all)
{
	Ipc__Test__Button button = IPC__TEST__BUTTON__INIT;
	size_t size, needed;
	uint8_t data[64];

	find_codecs();
	button.a = "1234567";
	button.b = (ProtobufCBinaryData){ 3, (uint8_t *)"abc" };
	ck_assert(compare_packed(&button_way, &button.base, data, &size));
	needed = sizeof(button) + size + 16 * 8;
	for (size_t space = 0; space < needed + 64; space += 8)
		ck_assert_int_eq(compare_unpacked(&button_way, data, size, space),
				 space >= needed);
}
END_TEST

/* Up to the last byte, also with numbers behind the bytes. */
START_TEST(codecs_have_space_for_all)
{
	static uint8_t bytes[2 * IPC_CODEC_MAX];
	Ipc__Test__Pouch pouch = IPC__TEST__POUCH__INIT;
	uint8_t data[4 * IPC_CODEC_MAX];
	size_t size;

	find_codecs();
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

int main(int argc, char **argv)
{
	if (argc > 1)
		rounds = (unsigned int)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		seed = (unsigned int)strtoul(argv[2], NULL, 10);
	return RUN_TESTS("plain", fields_without_labels, fields_with_flags, noise,
			 other_fields_are_left_to_protobuf_c, long_tags_are_left_to_protobuf_c,
			 unknown_fields_are_left_to_protobuf_c,
			 required_fields_are_left_to_protobuf_c, a_budget_is_kept, codecs,
			 codecs_of_fields_with_flags, codecs_of_many_strings,
			 codecs_leave_the_unusual_to_protobuf_c, codecs_need_memory_for_all,
			 codecs_have_space_for_all);
}
