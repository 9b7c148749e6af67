// SPDX-License-Identifier: MIT
/*
 * Received messages: see message.h. Called by rpc.c for replies, by serve.c for requests, and by
 * introspect.c.
 */
#include <errno.h>

#include "core/frame.h"
#include "core/private.h"
#include "message.h"

int message_unpack(struct message *message, const ProtobufCMessageDescriptor *descriptor,
		   bool borrow, const uint8_t *data, size_t size)
{
	struct decoder decoder = { .arena = &message->arena, .borrow_min = SIZE_MAX };
	int error;
	int r;

	if (borrow)
		decoder.borrow_min = decode_borrow_min(size);
	if (unlikely_frame(data, size)) {
		r = frame_parse(&message->frame, &data, &size);
		if (r < 0)
			return r;
		message->framed = true;
	}
	message->root = decode(&decoder, descriptor, data, size);
	message->borrows = decoder.borrows;
	if (likely(message->root))
		return 0;
	error = message->arena.error;
	return error && error != -EMSGSIZE ? error : -EBADMSG;
}
