// SPDX-License-Identifier: MIT
/*
 * Monitors: <ipc/monitor.h>. Records come as events, in dispatch.c; device-monitor.c
 * takes them apart.
 */
#include <errno.h>

#include "monitor.h"

int ipc_monitor(struct ipc *ipc, unsigned int flags, pid_t pid, size_t max_data, ipc_record_cb cb,
		void *userdata)
{
	if (!ipc || pid < 0 || (flags && !cb))
		return -EINVAL;
	if (ipc->foreign)
		return -ECHILD;

	/* Set first: the first record may come before the driver's answer. */
	ipc_lock(ipc);
	if (flags) {
		ipc->record_cb = cb;
		ipc->record_userdata = userdata;
	}
	ipc_unlock(ipc);
	return device_monitor(&ipc->device, flags, pid, max_data);
}

int ipc_record_parse(const void *record, size_t size, struct ipc_record *ret_record,
		  struct ipc_record_object *ret_objects)
{
	if (!ret_record || !ret_objects || (size && !record))
		return -EINVAL;
	return device_record(record, size, ret_record, ret_objects);
}

void monitor_deliver(struct thread *t, const struct device_event *event)
{
	struct ipc_record_object objects[DEVICE_MAX_OBJECTS];
	struct ipc_record tap;
	struct ipc *ipc = t->ipc;
	ipc_record_cb cb;
	void *userdata;

	ipc_lock(ipc);
	cb = ipc->record_cb;
	userdata = ipc->record_userdata;
	ipc_unlock(ipc);
	if (cb && device_record(event->payload, event->size, &tap, objects) == 0)
		cb(ipc, &tap, userdata);
	thread_release_later(t, event->buffer, event->size);
}
