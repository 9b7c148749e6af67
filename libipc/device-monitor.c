// SPDX-License-Identifier: MIT
/*
 * What speaks to the driver's monitors: beside device.c, in the same way.
 */
#include <errno.h>
#include <ipc/monitor.h>
#include <string.h>
#include <sys/ioctl.h>

#include "device.h"
#include "ipcbus-monitor.h"

_Static_assert(IPC_MONITOR_MESSAGES == IPCBUS_MONITOR_MESSAGES &&
	       IPC_MONITOR_FAILURES == IPCBUS_MONITOR_FAILURES &&
	       IPC_MONITOR_REPORTS == IPCBUS_MONITOR_REPORTS, "what a monitor sees");
_Static_assert((int)IPC_TAP_CALL == (int)IPCBUS_TAP_CALL &&
	       (int)IPC_TAP_ONEWAY == (int)IPCBUS_TAP_ONEWAY &&
	       (int)IPC_TAP_REPLY == (int)IPCBUS_TAP_REPLY &&
	       (int)IPC_TAP_ERROR == (int)IPCBUS_TAP_ERROR &&
	       (int)IPC_TAP_FAILED == (int)IPCBUS_TAP_FAILED &&
	       (int)IPC_TAP_SPAM == (int)IPCBUS_TAP_SPAM &&
	       (int)IPC_TAP_STARVED == (int)IPCBUS_TAP_STARVED, "kinds of records");

int device_monitor(const struct device *device, unsigned int flags, pid_t pid, size_t max_data)
{
	struct ipcbus_monitor arg = {
		.size = sizeof(arg),
		.flags = flags,
		.pid = (uint32_t)pid,
		.max_data = max_data < UINT32_MAX ? (uint32_t)max_data : UINT32_MAX,
	};

	return ioctl(device->fd, IPCBUS_IOC_MONITOR, &arg) < 0 ? -errno : 0;
}

static void take_objects(const struct device_event *event, const struct ipcbus_tap *from,
			 struct ipc_tap *tap, struct ipc_tap_object *to)
{
	const struct ipcbus_tap_object *objects = (const void *)(event->payload + from->objects);

	for (unsigned int i = 0; i < from->object_count; i++)
		to[i] = (struct ipc_tap_object){
			.is_fd = objects[i].type == IPCBUS_OBJECT_FD,
			.pid = (pid_t)objects[i].pid,
			.node = objects[i].node,
			.tag = objects[i].tag,
		};
	tap->n_objects = from->object_count;
	tap->objects = to;
}

static void take_parties(const struct ipcbus_tap *from, struct ipc_tap *tap)
{
	tap->from_pid = (pid_t)from->from_pid;
	tap->from_tid = (pid_t)from->from_tid;
	tap->from_uid = from->from_uid;
	tap->from_gid = from->from_gid;
	tap->to_pid = (pid_t)from->to_pid;
	tap->to_tid = (pid_t)from->to_tid;
}

/* A newer driver's head is longer: what is known of it is at its beginning. */
bool device_tap(const struct device_event *event, struct ipc_tap *ret_tap,
		struct ipc_tap_object *ret_objects)
{
	struct ipcbus_tap from;

	if (event->size < sizeof(from))
		return false;
	memcpy(&from, event->payload, sizeof(from));
	if (from.size < sizeof(from) || from.object_count > DEVICE_MAX_OBJECTS)
		return false;

	*ret_tap = (struct ipc_tap){
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
		.data = event->payload + from.size,
	};
	take_parties(&from, ret_tap);
	take_objects(event, &from, ret_tap, ret_objects);
	return true;
}
