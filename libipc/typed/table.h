/* SPDX-License-Identifier: MIT */
/*
 * Objects and file descriptors in messages.
 *
 * In the payload an Ipc__Object or Ipc__Fd is just a number. The thing itself
 * is in the driver's object table, with that number as tag: one entry for each
 * field, in the order of a walk over the message.
 *
 *   sender     walk: field -> entry            (struct table)
 *   driver     entry -> the receiver's own number
 *   receiver   entries -> claims, references that the message holds;
 *              walk: field takes the first free claim of its kind and tag, and
 *              gets the receiver's own number
 *
 * A claim that no field takes is released at once, one that a field took is
 * released with the message, unless ipc_take_*() emptied the field. A field
 * that finds no claim makes the message invalid: nobody can name what they
 * were not given.
 */
#ifndef IPC_TABLE_H
#define IPC_TABLE_H

#include "core/entry.h"
#include "message.h"

/*
 * Lists what the message holds and prepares its objects for being sent. On
 * failure they are not sent: -EBADF: a negative fd, or an object that is none
 * of this connection's; -E2BIG: more than IPCBUS_MAX_OBJECTS.
 */
int table_build(struct table *table, struct ipc *ipc, const ProtobufCMessage *message);

/*
 * Takes over all that came with an event, for a message that was initialised.
 * On failure (-ENOMEM) nothing is held.
 */
int claims_take_more(struct message *message, struct ipc *ipc, const struct ipcbus_event *event);

static inline int claims_take(struct message *message, struct ipc *ipc,
			      const struct ipcbus_event *event)
{
	return likely(!event->object_count) ? 0 : claims_take_more(message, ipc, event);
}

/* Takes a fd that no field is bound to yet out of the claims: -ENOENT. */
int claims_take_fd(struct claims *claims, uint64_t tag);
/* Gives the claims to the fields of the unpacked message: 0 or -EBADMSG. */
int claims_bind(struct message *message);
/* Releases all claims that are still the message's. */
void claims_release(struct message *message);

#endif /* IPC_TABLE_H */
