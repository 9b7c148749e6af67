// SPDX-License-Identifier: MIT
/*
 * Monitors: <ipc/monitor.h>. Records come as events, through dispatch.c.
 */
#include <errno.h>
#include <string.h>

#include "ipcbus-monitor.h"
#include "monitor.h"

_Static_assert(IPC_MONITOR_MESSAGES == IPCBUS_MONITOR_MESSAGES &&
	       IPC_MONITOR_FAILURES == IPCBUS_MONITOR_FAILURES &&
	       IPC_MONITOR_REPORTS == IPCBUS_MONITOR_REPORTS, "what a monitor sees");
_Static_assert((int)IPC_RECORD_CALL == (int)IPCBUS_RECORD_CALL &&
	       (int)IPC_RECORD_ONEWAY == (int)IPCBUS_RECORD_ONEWAY &&
	       (int)IPC_RECORD_REPLY == (int)IPCBUS_RECORD_REPLY &&
	       (int)IPC_RECORD_ERROR == (int)IPCBUS_RECORD_ERROR &&
	       (int)IPC_RECORD_FAILED == (int)IPCBUS_RECORD_FAILED &&
	       (int)IPC_RECORD_SPAM == (int)IPCBUS_RECORD_SPAM &&
	       (int)IPC_RECORD_STARVED == (int)IPCBUS_RECORD_STARVED, "kinds of records");
_Static_assert(IPC_RECORD_CLEAR == IPCBUS_SEND_CLEAR && IPC_RECORD_REPLACE == IPCBUS_SEND_REPLACE &&
	       IPC_RECORD_OBJECTS_MAX == IPCBUS_MAX_OBJECTS, "what a record is of");

int ipc_monitor(struct ipc *ipc, unsigned int flags, pid_t pid, size_t max_data, ipc_record_cb cb,
		void *userdata)
{
	struct ipcbus_monitor monitor = {
		.flags = flags,
		.pid = (uint32_t)pid,
		.max_data = max_data < UINT32_MAX ? (uint32_t)max_data : UINT32_MAX,
	};

	if (!ipc || pid < 0 || (flags && !cb))
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	/* Set first: the first record may come before the driver's reply. */
	ipc_lock(ipc);
	if (flags) {
		ipc->record_cb = cb;
		ipc->record_userdata = userdata;
	}
	ipc_unlock(ipc);
	return device_monitor(&ipc->device, &monitor);
}

/* --- Records ----------------------------------------------------------------------- */

static void take_objects(const unsigned char *table, unsigned int n, struct ipc_record_object *to)
{
	for (unsigned int i = 0; i < n; i++) {
		struct ipcbus_record_object object;

		memcpy(&object, table + i * sizeof(object), sizeof(object));
		to[i] = (struct ipc_record_object){
			.is_fd = object.type == IPCBUS_OBJECT_FD,
			.pid = (pid_t)object.pid,
			.node = object.node,
			.tag = object.tag,
		};
	}
}

static void take_parties(const struct ipcbus_monitor_record *from, struct ipc_record *record)
{
	record->from_pid = (pid_t)from->from_pid;
	record->from_tid = (pid_t)from->from_tid;
	record->from_uid = from->from_uid;
	record->from_gid = from->from_gid;
	record->to_pid = (pid_t)from->to_pid;
	record->to_tid = (pid_t)from->to_tid;
}

/* What the head says lies within size bytes. */
static bool is_whole(const struct ipcbus_monitor_record *head, size_t size)
{
	uint64_t table = (uint64_t)head->object_count * sizeof(struct ipcbus_record_object);

	if (head->size < sizeof(*head) || head->size > size ||
	    head->data_kept > size - head->size || head->data_kept > head->data_size)
		return false;
	return head->object_count <= IPCBUS_MAX_OBJECTS &&
	       (!table || (head->objects <= size && table <= size - head->objects));
}

/* A newer driver's head is longer: what is known of it is at its beginning. */
int ipc_record_parse(const void *record, size_t size, struct ipc_record *ret_record,
		     struct ipc_record_object *ret_objects)
{
	const unsigned char *bytes = record;
	struct ipcbus_monitor_record from;

	if (!ret_record || !ret_objects || (size && !record))
		return -EINVAL;
	if (size < sizeof(from))
		return -EBADMSG;
	memcpy(&from, bytes, sizeof(from));
	if (!is_whole(&from, size))
		return -EBADMSG;

	*ret_record = (struct ipc_record){
		.kind = from.kind,
		.time = from.time,
		.id = from.id,
		.parent = from.parent,
		.lost = from.lost,
		.flags = from.flags,
		.code = from.code,
		.node = from.node,
		.error = from.error,
		.stage = from.stage,
		.index = from.index,
		.value = from.value,
		.data_size = from.data_size,
		.data_kept = from.data_kept,
		.data = bytes + from.size,
		.n_objects = from.object_count,
		.objects = ret_objects,
		.raw = record,
		.raw_size = size,
	};
	take_parties(&from, ret_record);
	take_objects(bytes + from.objects, from.object_count, ret_objects);
	return 0;
}

void monitor_deliver(struct thread *t, const struct ipcbus_event *event)
{
	struct ipc_record_object objects[IPCBUS_MAX_OBJECTS];
	struct ipc_record record;
	struct ipc *ipc = t->ipc;
	ipc_record_cb cb;
	void *userdata;

	ipc_lock(ipc);
	cb = ipc->record_cb;
	userdata = ipc->record_userdata;
	ipc_unlock(ipc);
	if (cb && ipc_record_parse(device_at(&ipc->device, event->offset), event->data_size,
				   &record, objects) == 0)
		cb(ipc, &record, userdata);
	thread_release_later(t, event->buffer, event->data_size);
}
