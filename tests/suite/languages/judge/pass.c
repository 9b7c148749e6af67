// SPDX-License-Identifier: MIT
/*
 * Decodes and encodes a message of judge.proto, as libipc does when it receives and forwards it. If
 * a codec handles the type, its result must equal that of the descriptor. peer.c passes the judge's
 * inputs, and tests/suite/fuzz/codec.c the inputs of libFuzzer.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "judge.ipc.h"
#include "pass.h"
#include "typed/typed.h"

struct way {
	const ProtobufCMessageDescriptor *descriptor;
	const struct ipc_codec *codec;
};

static uint8_t *encoded(const ProtobufCMessage *message, size_t *ret_size)
{
	struct encoder measure = { .large_min = SIZE_MAX };
	struct encoder encoder = { .large_min = SIZE_MAX };
	uint8_t *data;

	if (encode(&measure, message) < 0)
		errx(1, "a message that was decoded cannot be encoded");
	*ret_size = encoder_measured(&measure);
	data = malloc(*ret_size + 1);
	encoder.data = data;
	encoder.left = *ret_size;
	if (encode(&encoder, message) < 0 || encoder.left)
		errx(1, "a message has not the size that was measured");
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
	uint64_t block[32];
	uint8_t *data = NULL;
	struct message message;
	int r;

	message_init(&message, block, sizeof(block), in_size);
	r = message_unpack(&message, way->descriptor, borrow, in, in_size);
	if (r == 0)
		data = encoded(message.root, ret_size);
	if (way->codec)
		check_codec(way, in, in_size, r == 0 ? message.root : NULL, data, *ret_size);
	message_done(&message);
	return data;
}

static const struct ipc_method *method_of(const char *name)
{
	for (size_t i = 0; i < judge_interface.n_methods; i++)
		if (!strcmp(judge_interface.methods[i].name, name))
			return &judge_interface.methods[i];
	errx(1, "there is no method %s", name);
}

uint8_t *pass(uint8_t index, const uint8_t *in, size_t in_size, size_t *ret_size)
{
	const struct ipc_method *method = method_of(index & 2 ? "PassLarge" : "PassSmall");
	const struct way way = {
		.descriptor = index & 1 ? method->reply : method->request,
		.codec = index & 1 ? method->reply_codec : method->request_codec,
	};

	if (!(index & 2) && !way.codec)
		errx(1, "a message has no codec");
	*ret_size = 0;
	return decoded(&way, index / 4 % 2, in, in_size, ret_size);
}
