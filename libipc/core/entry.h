/* SPDX-License-Identifier: MIT */
/*
 * Objects, proxies and fds that travel beside the bytes of a message. The library has each
 * as a struct ipc_raw_entry, the driver as a struct ipcbus_object.
 */
#ifndef IPC_ENTRY_H
#define IPC_ENTRY_H

#include "conn/private.h"

/* The object table of a message that will be sent. Each of its objects counts as being
 * sent until the message was sent, or table_unsent() is called. */
struct table {
	unsigned int n;
	struct ipcbus_object objects[IPCBUS_MAX_OBJECTS];
	uint64_t ids[IPCBUS_MAX_OBJECTS];	/* ipc_object_id() of nodes */
};

/*
 * Both append an entry; table_append_node() appends an object of this connection. On
 * failure the table is unchanged:
 *
 *   -E2BIG  the table is full
 *   -EBADF  the id is that of no object of this connection
 */
int table_append(struct table *table, uint32_t type, uint64_t value, uint64_t tag);
int table_append_node(struct table *table, struct ipc *ipc, uint64_t id, uint64_t tag);
/* Must be called if the message with this table was not sent. */
void table_unsent(const struct table *table, struct ipc *ipc);
/* Makes the table part of *send, which refers to it. */
static inline void table_attach(const struct table *table, struct ipcbus_send *send)
{
	send->objects = (uintptr_t)table->objects;
	send->object_count = table->n;
}

static inline const struct ipcbus_object *event_objects(const struct ipc *ipc,
							 const struct ipcbus_event *event)
{
	return device_at(&ipc->device, event->objects);
}

/* Whether the message contains objects of this connection. Its buffer keeps them alive. */
bool event_has_own(const struct ipc *ipc, const struct ipcbus_event *event);
/* Moves the references of all received objects into entries, which must have space for them. On
 * failure (-ENOMEM, -EMFILE), *ret_n entries have a reference, and the others were released. */
int entries_take(struct ipc_raw_entry *entries, size_t *ret_n, struct ipc *ipc,
		 const struct ipcbus_event *event);
/* The same for one object. */
int entry_take(struct ipc_raw_entry *entry, struct ipc *ipc, const struct ipcbus_object *object);
void entry_release(struct ipc_raw_entry *entry);
/* Releases the received objects from index first on. */
void objects_refuse(struct ipc *ipc, const struct ipcbus_event *event, unsigned int first);

static inline void event_refuse(struct ipc *ipc, const struct ipcbus_event *event)
{
	if (unlikely(event->object_count))
		objects_refuse(ipc, event, 0);
}

#endif /* IPC_ENTRY_H */
