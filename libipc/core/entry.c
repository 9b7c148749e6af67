// SPDX-License-Identifier: MIT
/* Entries of messages; see entry.h. */
#include <errno.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "entry.h"
#include "object.h"
#include "proxy.h"

int table_append(struct table *table, uint32_t type, uint64_t value, uint64_t tag)
{
	if (table->n == IPCBUS_MAX_OBJECTS)
		return -E2BIG;

	table->objects[table->n++] = (struct ipcbus_object){
		.type = type,
		.value = value,
		.tag = tag,
	};
	return 0;
}

int table_append_node(struct table *table, struct ipc *ipc, uint64_t id, uint64_t tag)
{
	uint64_t node;
	int r;

	if (table->n == IPCBUS_MAX_OBJECTS)
		return -E2BIG;
	r = object_sending(ipc, id_cookie(id), &node);
	if (r < 0)
		return r;
	table->ids[table->n] = id;
	return table_append(table, IPCBUS_OBJECT_NODE, node, tag);
}

void table_unsent(const struct table *table, struct ipc *ipc)
{
	for (unsigned int i = 0; i < table->n; i++)
		if (table->objects[i].type == IPCBUS_OBJECT_NODE)
			object_idle(ipc, id_cookie(table->ids[i]));
}

_Static_assert((int)IPC_RAW_OBJECT == (int)IPCBUS_OBJECT_NODE &&
	       (int)IPC_RAW_PROXY == (int)IPCBUS_OBJECT_HANDLE &&
	       (int)IPC_RAW_FD == (int)IPCBUS_OBJECT_FD &&
	       IPC_RAW_ENTRIES_MAX == IPCBUS_MAX_OBJECTS, "entries are the driver's objects");

int entry_take(struct ipc_raw_entry *entry, struct ipc *ipc, const struct ipcbus_object *object)
{
	*entry = (struct ipc_raw_entry){ .type = object->type, .tag = object->tag };
	switch (object->type) {
	case IPCBUS_OBJECT_NODE:
		entry->object = object_from_cookie(ipc, object->cookie);
		return 0;
	case IPCBUS_OBJECT_HANDLE:
		return proxy_arrived_at(ipc, (uint32_t)object->value, object, &entry->proxy);
	case IPCBUS_OBJECT_FD:
		entry->fd = descriptor_move((int32_t)object->value);
		return entry->fd < 0 ? -errno : 0;
	default:
		return -EPROTO;
	}
}

void entry_release(struct ipc_raw_entry *entry)
{
	switch (entry->type) {
	case IPC_RAW_OBJECT:
		ipc_object_unref(entry->object);
		break;
	case IPC_RAW_PROXY:
		ipc_proxy_unref(entry->proxy);
		break;
	case IPC_RAW_FD:
		if (entry->fd >= 0)
			close(entry->fd);
		break;
	}
}

int ipc_take_fd(int32_t *fd)
{
	int taken;

	if (!fd)
		return -EINVAL;
	if (*fd < 0)
		return -ENOENT;

	taken = *fd;
	*fd = -1;
	return taken;
}

bool event_has_own(const struct ipc *ipc, const struct ipcbus_event *event)
{
	const struct ipcbus_object *objects = event_objects(ipc, event);
	bool has = false;

	for (unsigned int i = 0; i < event->object_count && !has; i++)
		has = objects[i].type == IPCBUS_OBJECT_NODE;
	return has;
}

int entries_take(struct ipc_raw_entry *entries, size_t *ret_n, struct ipc *ipc,
		 const struct ipcbus_event *event)
{
	const struct ipcbus_object *objects = event_objects(ipc, event);
	unsigned int i;
	int r;

	for (i = 0, r = 0; i < event->object_count && r == 0; i++)
		r = entry_take(&entries[i], ipc, &objects[i]);
	*ret_n = r < 0 ? i - 1 : i;
	if (r < 0)
		objects_refuse(ipc, event, i);
	return r;
}

void objects_refuse(struct ipc *ipc, const struct ipcbus_event *event, unsigned int first)
{
	const struct ipcbus_object *objects = event_objects(ipc, event);
	struct ipc_raw_entry entry;

	for (unsigned int i = first; i < event->object_count; i++)
		if (entry_take(&entry, ipc, &objects[i]) == 0)
			entry_release(&entry);
}
