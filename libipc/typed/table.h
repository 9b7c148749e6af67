/* SPDX-License-Identifier: MIT */
/*
 * Objects and file descriptors in messages.
 *
 * In the payload, an Ipc__Object or Ipc__Fd is only a number. The object or fd travels in the
 * driver's object table. It has an entry for each such field, with that number as its tag, in the
 * order in which message_walk() visits the fields.
 *
 *   sender     makes an entry for each field (struct table)
 *   driver     replaces each entry by the receiver's own number
 *   receiver   makes a claim of each entry: a reference that the message holds; then binds
 *              each field to the first free claim of its kind and tag, and writes the
 *              receiver's own number into the field
 *
 * claims_bind() releases a claim without a field, and claims_release() the others, except an fd
 * that ipc_take_fd() took out of its field. ipc_take_proxy() and ipc_take_object() take their own
 * reference. A field without a claim makes the message invalid, so no sender can name an object
 * that it did not send. The functions below may take ipc->lock.
 */
#ifndef IPC_TABLE_H
#define IPC_TABLE_H

#include "core/entry.h"
#include "message.h"

/*
 * Fills the table with the objects, proxies and fds of the message. It has only the numbers of
 * proxies and fds: the program must keep them until the message was sent. The caller must send the
 * message or call table_unsent(). On failure there is nothing to undo:
 *
 *   -EBADF    a field has a negative fd, or an object of another connection
 *   -E2BIG    there are more than IPCBUS_MAX_OBJECTS
 *   -EBADMSG  as message_walk()
 */
int table_build(struct table *table, struct ipc *ipc, const ProtobufCMessage *message);

/*
 * Moves all objects of an event into claims of the message, which the caller must have initialized.
 * On failure (-ENOMEM, -EMFILE) they were released.
 */
int claims_take_more(struct message *message, struct ipc *ipc, const struct ipcbus_event *event);

static inline int claims_take(struct message *message, struct ipc *ipc,
			      const struct ipcbus_event *event)
{
	return likely(!event->object_count) ? 0 : claims_take_more(message, ipc, event);
}

/*
 * Binds the fields of the unpacked message to its claims. On failure the message still has the
 * claims.
 *
 *   -EBADMSG   a field has no claim, or the file of an Ipc__Memory is no memory of fixed size
 *   -EMSGSIZE  the files are larger than ipc_set_message_max() allows
 */
int claims_bind(struct ipc *ipc, struct message *message);
void claims_release_more(struct message *message);

static inline void claims_release(struct message *message)
{
	if (unlikely(message->claims))
		claims_release_more(message);
}

#endif /* IPC_TABLE_H */
