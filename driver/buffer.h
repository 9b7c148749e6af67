/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffer
 *
 * A buffer holds a message in its receiver's region (mem/region.h): the payload, the object
 * table, and the sender's label. The owner of a buffer:
 *
 *   the sending thread  from ipcbus_buffer_make() on
 *   the transaction     once the message is queued
 *   the receiver        from ipcbus_buffer_deliver() on. User space may release the buffer at any
 *                       time, from any thread.
 *
 * Until delivery, the owner must free the buffer with ipcbus_buffer_free().
 */
#ifndef IPCBUS_BUFFER_H
#define IPCBUS_BUFFER_H

#include "main.h"
#include "mem/region.h"

/*
 * Makes the buffer of a message that the current thread sends: reserves space, copies the payload,
 * takes the objects. If a call or reply has no content, sets *ret_buffer to NULL. Such a call
 * counts as a buffer until ipcbus_region_end_empty(), and is charged to message->want.quota if that
 * is set. May sleep. Returns
 *
 *   -EMSGSIZE    the message is too large for the region or the quota
 *   -EAGAIN      oneway: no space within the quota at the moment
 *   -EDQUOT      call: quota exceeded; or too many buffers
 *   -ENOSPC      no free range is large enough
 *   -ENOMEM      out of memory
 *   -EOWNERDEAD  the receiver is dead
 *   -EFAULT      the payload cannot be read
 *   -EINVAL      the sizes of the parts do not add up to data_size
 *
 * and the errors of ipcbus_objects_take().
 */
int ipcbus_buffer_make(struct ipcbus_proc *sender, struct ipcbus_proc *receiver, bool accept_fds,
		       struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer);

/* Writes the label, for which the message has reserved space. */
void ipcbus_buffer_label(struct ipcbus_region *region, struct ipcbus_buffer *buffer,
			 const struct ipcbus_message *message, const char *text);

/* Installs the objects in the receiver, which must be the current process, and writes the object
 * table after the payload. On failure installs none, and *ret_index is the object that failed. */
int ipcbus_buffer_install(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			  u32 *ret_index);

/* Hands the buffer to the receiver, and fills in its position in the event. */
void ipcbus_buffer_deliver(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			   struct ipcbus_event *event);

/* A message of the driver itself, which counts like a oneway. It is reserved first, and then
 * written from kernel memory or copied from another buffer. Reserving may return NULL. */
struct ipcbus_buffer *ipcbus_buffer_reserve(struct ipcbus_region *region, size_t size);
void ipcbus_buffer_write(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			 const void *from, size_t size);
void ipcbus_buffer_copy(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			struct ipcbus_region *from_region, const struct ipcbus_buffer *from,
			size_t size);

/* Frees a buffer that was not delivered, and drops its objects. */
void ipcbus_buffer_free(struct ipcbus_region *region, struct ipcbus_buffer *buffer);

static inline void ipcbus_buffer_drop(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	if (buffer)
		ipcbus_buffer_free(region, buffer);
}

/* Drops the cargo of a released buffer. The node's next oneway is queued, and nodes that the
 * message brought home lose a reference. */
void ipcbus_cargo_drop(struct ipcbus_cargo *cargo);

/* Releases all buffers of a dead receiver and ends its region. Senders may still fill buffers. */
void ipcbus_buffers_release(struct ipcbus_region *region);

#endif
