/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffer
 *
 * A buffer holds one message in its receiver's region (mem/region.h): the payload,
 * then the table of objects, then the sender's label. Whose buffer is it?
 *
 *   the sender's       from ipcbus_buffer_make() on, in the sending thread
 *   the transaction's  once the message is queued
 *   the receiver's     from ipcbus_buffer_deliver() on; user space may release it at
 *                      any time, from any thread
 *
 * Until delivery the owner frees it with ipcbus_buffer_free().
 */
#ifndef IPCBUS_BUFFER_H
#define IPCBUS_BUFFER_H

#include "main.h"
#include "mem/region.h"

/*
 * Makes the buffer of a message that the current thread sends: space, payload and
 * objects. Returns NULL in *ret_buffer for a call or reply of nothing at all. Such a call
 * counts as a buffer, in the quota that message->want has then, if any, until
 * ipcbus_region_end_empty(). May sleep. Fails with
 *
 *   -EMSGSIZE  it could never fit
 *   -EAGAIN    a oneway: there is no space now, within the quota
 *   -EDQUOT    a call beyond the quota, or too many buffers
 *   -ENOSPC    no free range is large enough
 *   -ENOMEM
 *   -EOWNERDEAD  the receiver is dead
 *   -EFAULT    the payload cannot be read
 *   -EINVAL    the parts do not add up
 *
 * and with what ipcbus_objects_take() returns.
 */
int ipcbus_buffer_make(struct ipcbus_proc *sender, struct ipcbus_proc *receiver, bool accept_fds,
		       struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer);

/* Writes the label for which the message reserved space. */
void ipcbus_buffer_label(struct ipcbus_region *region, struct ipcbus_buffer *buffer,
			 const struct ipcbus_message *message, const char *text);

/*
 * Installs the objects in the receiver, whose thread is the current one, and writes
 * their table behind the payload. On failure nothing is installed, and *ret_index says
 * which object failed.
 */
int ipcbus_buffer_install(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			  u32 *ret_index);

/* Hands the buffer to the receiver and says in the event where it is. */
void ipcbus_buffer_deliver(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			   struct ipcbus_event *event);

/*
 * The driver's own message. The receiver gets it like a oneway, and it counts like
 * one. It is reserved, and then written from kernel memory or from another buffer.
 * NULL if there is no space or no memory.
 */
struct ipcbus_buffer *ipcbus_buffer_reserve(struct ipcbus_region *region, size_t size);
void ipcbus_buffer_write(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			 const void *from, size_t size);
void ipcbus_buffer_copy(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			struct ipcbus_region *from_region, const struct ipcbus_buffer *from,
			size_t size);

/* Frees a buffer that was not delivered, with the objects in it. */
void ipcbus_buffer_free(struct ipcbus_region *region, struct ipcbus_buffer *buffer);

/* The same if there is one. */
static inline void ipcbus_buffer_drop(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	if (buffer)
		ipcbus_buffer_free(region, buffer);
}

/* Drops what a released buffer held: the node's next oneway may go, and nodes that
 * came home lose a reference. */
void ipcbus_cargo_drop(struct ipcbus_cargo *cargo);

/* The receiver is dead: releases all that it has and ends its region. Senders may still fill
 * buffers, for which they will find no use. */
void ipcbus_buffers_release(struct ipcbus_region *region);

#endif
