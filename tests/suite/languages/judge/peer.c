// SPDX-License-Identifier: MIT
/*
 * Decodes and encodes messages of judge.proto for test-judge, as libipc does when one arrives and
 * is sent on. Standard input has, for each message, the index of its type, its size in 4 bytes and
 * its bytes; standard output has the same without the index, or a size of UINT32_MAX if the message
 * is refused. Where a codec decides as well, it must make what the descriptor makes.
 */
#include <endian.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge.ipc.h"
#include "typed/typed.h"
#include "typed/encode.h"

struct way {
	const ProtobufCMessageDescriptor *descriptor;
	const struct ipc_codec *codec;
};

static uint8_t *encoded(const ProtobufCMessage *message, size_t *ret_size)
{
	struct measure measure = { .large_min = SIZE_MAX };
	struct encoder encoder = { .large_min = SIZE_MAX };
	uint8_t *data;

	if (encode_measure(message, &measure) < 0)
		errx(1, "a message that was decoded cannot be encoded");
	data = malloc(measure.size + 1);
	encoder.at = data + measure.size;
	encode(&encoder, message);
	if (encoder.at != data)
		errx(1, "a message has not the size that was measured");
	*ret_size = measure.size;
	return data;
}

static void check(bool right, const char *what)
{
	if (!right)
		errx(1, "a codec differs from the descriptor: %s", what);
}

static void check_codec(const struct way *way, const uint8_t *in, size_t in_size,
			const ProtobufCMessage *model, const uint8_t *data, size_t size)
{
	uint64_t block[1024];
	uint8_t packed[IPC_CODEC_MAX], *end, *again;
	struct message message;
	size_t again_size;

	if (model && !model->n_unknown_fields) {
		end = way->codec->pack(model, packed, packed + sizeof(packed));
		check(!end || ((size_t)(end - packed) == size && !memcmp(packed, data, size)),
		      "it packs other bytes");
	}
	if (in_size > IPC_CODEC_MAX ||
	    !message_unpack_small(&message, way->codec, block, sizeof(block), in, in_size))
		return;
	check(model, "it accepts more");
	again = encoded(message.root, &again_size);
	check(again_size == size && !memcmp(again, data, size), "it unpacks another message");
	free(again);
}

/* Also with fields that stay in the payload. */
static uint8_t *decoded(const struct way *way, bool borrow, const uint8_t *in, size_t in_size,
			size_t *ret_size)
{
	uint8_t *data = NULL;
	struct message message;
	int r;

	message_init(&message, NULL, 0, in_size);
	r = message_unpack(&message, way->descriptor, borrow, in, in_size);
	if (r == 0)
		data = encoded(message.root, ret_size);
	if (way->codec)
		check_codec(way, in, in_size, r == 0 ? message.root : NULL, data, *ret_size);
	message_done(&message);
	return data;
}

static bool get(void *to, size_t size)
{
	return !size || fread(to, size, 1, stdin) == 1;
}

static void put(const uint8_t *data, size_t size)
{
	uint32_t head = htole32(data ? (uint32_t)size : UINT32_MAX);

	fwrite(&head, sizeof(head), 1, stdout);
	if (data)
		fwrite(data, 1, size, stdout);
}

static const struct ipc_method *method_of(const char *name)
{
	for (size_t i = 0; i < judge_interface.n_methods; i++)
		if (!strcmp(judge_interface.methods[i].name, name))
			return &judge_interface.methods[i];
	errx(1, "there is no method %s", name);
}

int main(void)
{
	const struct ipc_method *small = method_of("PassSmall");
	const struct ipc_method *large = method_of("PassLarge");
	const struct way ways[] = {
		{ small->request, request_codec(small) },
		{ small->reply, reply_codec(small) },
		{ large->request, NULL },
		{ large->reply, NULL },
	};
	uint32_t in_size;
	uint8_t index;

	if (!ways[0].codec || !ways[1].codec)
		errx(1, "a message has no codec");
	while (get(&index, 1) && get(&in_size, sizeof(in_size))) {
		/* Of exactly that length, for tools that check bounds. */
		uint8_t *in, *data;
		size_t size = 0;

		in_size = le32toh(in_size);
		in = malloc(in_size ? in_size : 1);
		if (!get(in, in_size))
			errx(1, "the input ends in a message");
		data = decoded(&ways[index % 4], index / 4 % 2, in, in_size, &size);
		put(data, size);
		free(data);
		free(in);
	}
	return 0;
}
