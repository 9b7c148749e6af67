/* SPDX-License-Identifier: MIT */
/*
 * Received bytes that stay where they are. A large field of type bytes is not copied out of the
 * payload: the message points into the region.
 *
 * protobuf-c copies every field. So it unpacks a *cut* payload, in which large fields are empty.
 * Then these fields get the bytes that they have in the payload. The result is the message that
 * protobuf-c makes of the whole payload, besides the place of these bytes.
 *
 * Nothing is cut in difficult cases, and protobuf-c copies as ever: if a field that is
 * not repeated is there twice, because protobuf-c merges such messages; deeper than CUT_DEPTH;
 * and if most of the payload is in small fields.
 */
#ifndef IPC_BORROW_H
#define IPC_BORROW_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a field that is not copied. */
#define BORROW_MIN	((size_t)4 << 10)

#define CUT_LOCAL	512

struct cut {
	uint8_t *data;			/* local, or allocated */
	size_t size;			/* of the cut payload */
	size_t space;
	size_t max;			/* a larger one is not worthwhile */
	size_t budget;			/* fields that may still be looked at */
	bool found;			/* a field that was emptied */
	uint8_t local[CUT_LOCAL];
};

/*
 * Cuts a payload of a message of this type. True: cut->data is to be unpacked in its place;
 * then the caller must call cut_bind(), if that succeeded, and cut_done(). False: nothing was
 * cut, and there is nothing to undo.
 */
bool cut_init(struct cut *cut, const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
	      size_t size);
/* Sets the fields of the unpacked message that were emptied. data and size as before. */
void cut_bind(ProtobufCMessage *message, const uint8_t *data, size_t size);
void cut_done(struct cut *cut);

#endif /* IPC_BORROW_H */
