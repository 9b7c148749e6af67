/* SPDX-License-Identifier: MIT */
/*
 * Objects, proxies and fds that travel beside the bytes of a message: struct
 * ipc_raw_entry of the library, struct ipcbus_object of the driver.
 */
#ifndef IPC_ENTRY_H
#define IPC_ENTRY_H

#include "private.h"

/* What is sent with a message. Its objects are prepared for being sent. */
struct table {
	unsigned int n;
	struct ipcbus_object objects[IPCBUS_MAX_OBJECTS];
};

/* One entry more: -E2BIG; for an object -EBADF: it is none of this connection's. On
 * failure there is none. */
int table_append(struct table *table, uint32_t type, uint64_t value, uint64_t tag);
int table_append_node(struct table *table, struct ipc *ipc, uint64_t node, uint64_t tag);
/* The message with these was not sent. */
void table_unsent(const struct table *table, struct ipc *ipc);
/* The table becomes part of what is sent. */
static inline void table_attach(const struct table *table, struct ipcbus_send *send)
{
	send->objects = (uintptr_t)table->objects;
	send->object_count = table->n;
}

/* What came with an event, event->object_count of them. */
static inline const struct ipcbus_object *event_objects(const struct ipc *ipc,
							 const struct ipcbus_event *event)
{
	return device_at(&ipc->device, event->objects);
}

/* The reference that came becomes the entry's: -ENOMEM, and then nobody's. */
int entry_take(struct ipc_raw_entry *entry, struct ipc *ipc, const struct ipcbus_object *object);
void entry_release(struct ipc_raw_entry *entry);
/* Releases what came, for want of memory to hold it. */
void objects_refuse(struct ipc *ipc, const struct ipcbus_object *objects, unsigned int n);

static inline void event_refuse(struct ipc *ipc, const struct ipcbus_event *event)
{
	if (unlikely(event->object_count))
		objects_refuse(ipc, event_objects(ipc, event), event->object_count);
}

#endif /* IPC_ENTRY_H */
