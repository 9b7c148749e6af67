// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers: see buffer.h. request.c, reply.c and monitor.c make them. deliver.c and result.c deliver
 * them. exchange.c releases them.
 */
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "buffer.h"
#include "message.h"
#include "node.h"
#include "object.h"
#include "proc.h"
#include "stats.h"
#include "user.h"

static_assert(IPCBUS_BUFFER_ONEWAY == (u32)true);
static_assert(IPCBUS_BUFFER_CLEAR == IPCBUS_SEND_CLEAR);

/* Sets the number of units that the message needs. Returns -EMSGSIZE if it can never fit. */
static int count_units(const struct ipcbus_region *region, struct ipcbus_message *message)
{
	const struct ipcbus_send *send = message->send;
	u32 limit = region->size / IPCBUS_UNIT, units;
	size_t bytes;

	if (send->data_size > region->size)
		return -EMSGSIZE;
	bytes = ALIGN(send->data_size, 8) + send->object_count * sizeof(struct ipcbus_object) +
		message->label_size;
	units = DIV_ROUND_UP(bytes, IPCBUS_UNIT) ?: 1;
	message->want.units = units;
	if (unlikely(message->want.flags & IPCBUS_BUFFER_COUNTED)) {
		if (message->oneway)
			limit /= 2;
		/* A message of another user may have at most half of the part for other users. */
		if (message->want.quota)
			limit = ipcbus_quota_part(limit) / 2;
	}
	return units > limit ? -EMSGSIZE : 0;
}

/* Copies the parts in order. Each part is read from user memory once. */
static int fill_parts(struct ipcbus_region *region, size_t offset, struct ipcbus_message *message)
{
	const struct ipcbus_iovec __user *parts = u64_to_user_ptr(message->send->data);
	size_t left = message->send->data_size;
	struct ipcbus_iovec part;
	int ret;

	for (message->index = 0; message->index < message->send->iov_count; message->index++) {
		if (copy_from_user(&part, &parts[message->index], sizeof(part)))
			return -EFAULT;
		if (part.size > left)
			return -EINVAL;
		/* At the end of a full region, no page exists at this offset. */
		if (!part.size)
			continue;
		ret = ipcbus_pages_copy_from_user(&region->pages, offset,
						  u64_to_user_ptr(part.base), part.size);
		if (ret)
			return ret;
		offset += part.size;
		left -= part.size;
	}
	return left ? -EINVAL : 0;
}

static int fill(struct ipcbus_region *region, struct ipcbus_buffer *buffer,
		struct ipcbus_message *message)
{
	size_t offset = ipcbus_buffer_offset(buffer);

	if (unlikely(message->send->flags & IPCBUS_SEND_IOV))
		return fill_parts(region, offset, message);
	return ipcbus_pages_copy_from_user(&region->pages, offset,
					   u64_to_user_ptr(message->send->data),
					   message->send->data_size);
}

/* Reserves and populates a buffer, copies the payload, and takes the objects. On failure this
 * function frees the buffer. */
static int make(struct ipcbus_proc *sender, struct ipcbus_proc *receiver, bool accept_fds,
		struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	struct ipcbus_region *region = &receiver->region;
	struct ipcbus_buffer *buffer;
	int ret;

	ipcbus_message_stage(message, IPCBUS_STAGE_BUFFER);
	ret = count_units(region, message);
	if (ret)
		return ret;
	buffer = ipcbus_region_reserve(region, &message->want);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	WRITE_ONCE(buffer->flags, message->want.flags);
	buffer->since = jiffies;
	if (unlikely(message->want.flags & IPCBUS_BUFFER_CHARGED)) {
		buffer->quota = message->want.quota;
		/* The buffer owns the quota's reference now. */
		message->want.quota = NULL;
	}
	WRITE_ONCE(buffer->from, sender->number);
	buffer->data_size = message->send->data_size;
	buffer->cargo.node = NULL;
	ipcbus_stat_add(IPCBUS_STAT_BUFFERS);

	ret = ipcbus_region_populate(region, buffer);
	if (likely(!ret)) {
		ipcbus_message_stage(message, IPCBUS_STAGE_COPY);
		ret = fill(region, buffer, message);
	}
	if (likely(!ret) && message->send->object_count) {
		ipcbus_message_stage(message, IPCBUS_STAGE_OBJECT);
		/* A reply is charged to the receiver, which asked for it. */
		ret = ipcbus_objects_take(sender,
					  message->send->kind > IPCBUS_SEND_ONEWAY ?
						  receiver->user : sender->user,
					  message, accept_fds, &buffer->cargo.objects);
	}
	if (unlikely(ret)) {
		ipcbus_buffer_free(region, buffer);
		return ret;
	}
	*ret_buffer = buffer;
	return 0;
}

/* Charges a message to another user's region to the sender's quota there. */
static int get_quota(struct ipcbus_proc *sender, struct ipcbus_proc *receiver,
		     struct ipcbus_message *message)
{
	struct ipcbus_quota *quota;

	/* Replies have no quota, because the receiver asked for them. */
	if (message->send->kind > IPCBUS_SEND_ONEWAY)
		return 0;
	ipcbus_message_stage(message, IPCBUS_STAGE_BUFFER);
	quota = ipcbus_quota_get(&receiver->region, sender->user->uid);
	if (IS_ERR(quota))
		return PTR_ERR(quota);
	message->want.flags |= IPCBUS_BUFFER_CHARGED;
	message->want.quota = quota;
	return 0;
}

/* Counts a call without content as a buffer of the receiver until it is delivered. It has no
 * buffer. Returns 0 or -errno. */
static noinline int count_empty(struct ipcbus_proc *sender, struct ipcbus_proc *receiver,
				struct ipcbus_message *message)
{
	int ret;

	if (message->send->kind != IPCBUS_SEND_CALL)
		return 0;
	ipcbus_message_stage(message, IPCBUS_STAGE_BUFFER);
	message->want = (struct ipcbus_reservation){};
	if (sender->user != receiver->user) {
		ret = get_quota(sender, receiver, message);
		if (ret)
			return ret;
	}
	ret = ipcbus_region_count_empty(&receiver->region, &message->want);
	if (ret && message->want.quota)
		ipcbus_quota_put(&receiver->region, message->want.quota);
	return ret;
}

int ipcbus_buffer_make(struct ipcbus_proc *sender, struct ipcbus_proc *receiver, bool accept_fds,
		       struct ipcbus_message *message, struct ipcbus_buffer **ret_buffer)
{
	int ret;

	/* A oneway always has a buffer, because releasing it queues the next oneway. */
	if (!message->send->data_size && !message->send->iov_count &&
	    !message->send->object_count && !message->oneway && !message->label_size) {
		*ret_buffer = NULL;
		return count_empty(sender, receiver, message);
	}
	message->want.flags = message->oneway | (message->send->flags & IPCBUS_SEND_CLEAR);
	message->want.quota = NULL;
	if (unlikely(sender->user != receiver->user)) {
		ret = get_quota(sender, receiver, message);
		if (ret)
			return ret;
	}
	ret = make(sender, receiver, accept_fds, message, ret_buffer);
	/* If a buffer was made, it took ownership of the quota, and this is NULL. */
	if (unlikely(message->want.quota))
		ipcbus_quota_put(&receiver->region, message->want.quota);
	return ret;
}

struct ipcbus_buffer *ipcbus_buffer_reserve(struct ipcbus_region *region, size_t size)
{
	struct ipcbus_reservation want = {
		.units = DIV_ROUND_UP(size, IPCBUS_UNIT),
		.flags = IPCBUS_BUFFER_ONEWAY,
	};
	struct ipcbus_buffer *buffer;

	if (size > region->size / 2)
		return NULL;
	buffer = ipcbus_region_reserve(region, &want);
	if (IS_ERR(buffer))
		return NULL;
	WRITE_ONCE(buffer->flags, want.flags);
	buffer->since = jiffies;
	buffer->data_size = size;
	buffer->cargo.node = NULL;
	WRITE_ONCE(buffer->from, 0);
	ipcbus_stat_add(IPCBUS_STAT_BUFFERS);
	if (!ipcbus_pages_populate(&region->pages, ipcbus_buffer_offset(buffer), size))
		return buffer;
	ipcbus_buffer_free(region, buffer);
	return NULL;
}

void ipcbus_buffer_write(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			 const void *from, size_t size)
{
	ipcbus_pages_copy_from_kernel(&region->pages, ipcbus_buffer_offset(buffer) + at, from,
				      size);
}

void ipcbus_buffer_copy(struct ipcbus_region *region, struct ipcbus_buffer *buffer, size_t at,
			struct ipcbus_region *from_region, const struct ipcbus_buffer *from,
			size_t size)
{
	ipcbus_pages_copy(&region->pages, ipcbus_buffer_offset(buffer) + at, &from_region->pages,
			  ipcbus_buffer_offset(from), size);
}

static size_t objects_offset(const struct ipcbus_buffer *buffer)
{
	return ipcbus_buffer_offset(buffer) + ALIGN(buffer->data_size, 8);
}

void ipcbus_buffer_label(struct ipcbus_region *region, struct ipcbus_buffer *buffer,
			 const struct ipcbus_message *message, const char *text)
{
	size_t at = objects_offset(buffer) +
		    message->send->object_count * sizeof(struct ipcbus_object);

	buffer->label_size = message->label_size;
	buffer->label = at;
	if (!message->label_size)
		return;
	ipcbus_pages_copy_from_kernel(&region->pages, at, text, message->label_size - 1);
	ipcbus_pages_copy_from_kernel(&region->pages, at + message->label_size - 1, "", 1);
}

int ipcbus_buffer_install(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			  u32 *ret_index)
{
	size_t size = buffer->cargo.objects->count * sizeof(struct ipcbus_object);
	struct ipcbus_object *table;
	int ret;

	table = kzalloc(size, GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	ret = ipcbus_objects_install(receiver, buffer->cargo.objects, table, ret_index);
	if (!ret)
		ipcbus_pages_copy_from_kernel(&receiver->region.pages, objects_offset(buffer),
					      table, size);
	kfree(table);
	return ret;
}

void ipcbus_buffer_deliver(struct ipcbus_proc *receiver, struct ipcbus_buffer *buffer,
			   struct ipcbus_event *event)
{
	event->buffer = ipcbus_buffer_id(buffer);
	event->offset = ipcbus_buffer_offset(buffer);
	event->data_size = buffer->data_size;
	if (buffer->cargo.objects) {
		event->objects = objects_offset(buffer);
		event->object_count = buffer->cargo.objects->count;
		buffer->cargo.objects = ipcbus_objects_keep_home(buffer->cargo.objects, receiver);
	}
	/* Pairs with the acquire in ipcbus_region_release(), which must see all of the above. */
	smp_store_release(&buffer->state, IPCBUS_BUFFER_DELIVERED);
}

void ipcbus_buffer_free(struct ipcbus_region *region, struct ipcbus_buffer *buffer)
{
	if (buffer->cargo.objects)
		ipcbus_objects_drop(buffer->cargo.objects);
	buffer->cargo.objects = NULL;
	ipcbus_region_free(region, buffer);
}

void ipcbus_cargo_drop(struct ipcbus_cargo *cargo)
{
	if (cargo->node) {
		ipcbus_node_oneway_done(cargo->node);
		ipcbus_node_put(cargo->node);
	}
	if (cargo->objects)
		ipcbus_objects_drop(cargo->objects);
}

void ipcbus_buffers_release(struct ipcbus_region *region)
{
	struct ipcbus_cargo cargo;
	u32 slot = 0;

	while (ipcbus_region_release_next(region, &slot, &cargo)) {
		ipcbus_cargo_drop(&cargo);
		cond_resched();
	}
	ipcbus_region_end(region);
}
