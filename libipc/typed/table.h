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
 * A claim that no field takes is given back at once, one that a field took is
 * given back with the message, unless ipc_take_*() emptied the field. A field
 * that finds no claim makes the message invalid: nobody can name what he was
 * not given.
 */
#ifndef IPC_TABLE_H
#define IPC_TABLE_H

#include "message.h"
#include "core/private.h"

/* What is sent with a message. */
struct table {
	unsigned int n;
	struct device_object objects[DEVICE_MAX_OBJECTS];
};

/*
 * Lists what the message holds and prepares its objects for being sent. On
 * failure they are not sent: -EBADF: a negative fd, or an object that is none
 * of this connection's; -E2BIG: more than DEVICE_MAX_OBJECTS.
 */
int table_build(struct table *table, struct ipc *ipc, const ProtobufCMessage *message);
/* One entry more: -E2BIG. */
int table_append(struct table *table, enum device_object_type type, uint64_t value,
		 uint64_t tag);
/* The message with these was not sent. */
void table_unsent(const struct table *table, struct ipc *ipc);

/*
 * Takes over all that came with an event, for a message that was initialised.
 * On failure (-ENOMEM) nothing is held.
 */
int claims_take(struct message *message, struct ipc *ipc, const struct device_event *event);
/* Gives all that came with an event back, for want of a message to hold it. */
void claims_refuse(struct ipc *ipc, const struct device_event *event);
/* Takes a fd that no field is bound to yet out of the claims: -ENOENT. */
int claims_take_fd(struct claims *claims, uint64_t tag);
/* Gives the claims to the fields of the unpacked message: 0 or -EBADMSG. */
int claims_bind(struct message *message);
/* Gives back all claims that are still the message's. */
void claims_release(struct message *message);

#endif /* IPC_TABLE_H */
