// SPDX-License-Identifier: MIT
/* Monitors; see <ipc/monitor.h>. Records arrive as events, which dispatch.c passes on. */
#include <errno.h>

#include "dispatch.h"
#include "ipcbus-monitor.h"

_Static_assert(IPC_MONITOR_MESSAGES == IPCBUS_MONITOR_MESSAGES &&
	       IPC_MONITOR_FAILURES == IPCBUS_MONITOR_FAILURES, "flags of a monitor");
_Static_assert((int)IPC_RECORD_CALL == (int)IPCBUS_RECORD_CALL &&
	       (int)IPC_RECORD_ONEWAY == (int)IPCBUS_RECORD_ONEWAY &&
	       (int)IPC_RECORD_REPLY == (int)IPCBUS_RECORD_REPLY &&
	       (int)IPC_RECORD_ERROR == (int)IPCBUS_RECORD_ERROR &&
	       (int)IPC_RECORD_FAILED == (int)IPCBUS_RECORD_FAILED, "kinds of records");
_Static_assert(IPC_RECORD_CLEAR == IPCBUS_SEND_CLEAR && IPC_RECORD_REPLACE == IPCBUS_SEND_REPLACE,
	       "flags of a record");
_Static_assert((int)IPC_RECORD_OBJECT == (int)IPCBUS_OBJECT_NODE &&
	       (int)IPC_RECORD_FILE == (int)IPCBUS_OBJECT_FD, "types of objects");
_Static_assert(sizeof(struct ipc_record_object) == sizeof(struct ipcbus_record_object) &&
	       offsetof(struct ipc_record_object, owner) ==
		       offsetof(struct ipcbus_record_object, owner) &&
	       offsetof(struct ipc_record_object, node) ==
		       offsetof(struct ipcbus_record_object, node) &&
	       offsetof(struct ipc_record_object, tag) ==
		       offsetof(struct ipcbus_record_object, tag), "objects of a record");

static void end_monitor(struct ipc_slot *slot, bool waits)
{
	struct ipcbus_monitor none = { .flags = 0 };

	(void)waits;
	if (!slots_remove(slot))
		return;
	/* Records that still arrive are discarded. */
	if (!slot->ipc->foreign)
		device_request(&slot->ipc->device, IPCBUS_IOC_MONITOR, &none);
	slot_drop(slot);
}

static const struct slot_type monitor_type = {
	.size = sizeof(struct callback), .end = end_monitor,
};

static int monitor_start(struct ipc *ipc, const struct ipcbus_monitor *monitor, ipc_record_cb cb,
			 void *userdata, struct ipc_slot **ret_slot)
{
	struct ipc_slot *before = ret_slot ? *ret_slot : NULL, *slot;
	struct slots earlier = TAILQ_HEAD_INITIALIZER(earlier);
	struct ipcbus_monitor arg = *monitor;
	int r;

	r = slot_new(ipc, &monitor_type, userdata, &slot);
	if (r < 0)
		return r;
	((struct callback *)slot)->cb = (void (*)(void))cb;

	/* The first record may arrive before device_request() returns. */
	ipc_lock(ipc);
	slots_take_locked(&ipc->monitor, &earlier);
	slots_append_locked(&ipc->monitor, slot);
	slot_give(slot, ret_slot ?: &slot);
	ipc_unlock(ipc);
	slots_close(&earlier);
	r = device_request(&ipc->device, IPCBUS_IOC_MONITOR, &arg);
	if (r == 0) {
		if (!ret_slot)
			ipc_slot_detach(slot);
		return 0;
	}
	if (ret_slot)
		*ret_slot = before;
	ipc_slot_end(slot);
	return r;
}

int ipc_monitor(struct ipc *ipc, unsigned int flags, pid_t pid, size_t max_data, ipc_record_cb cb,
		void *userdata, struct ipc_slot **ret_slot)
{
	struct ipcbus_monitor monitor = {
		.flags = flags,
		.pid = (uint32_t)pid,
		.max_data = max_data < UINT32_MAX ? (uint32_t)max_data : UINT32_MAX,
	};
	int r = pid >= 0 && flags && cb ? ipc_check(ipc) : -EINVAL;

	return r < 0 ? r : monitor_start(ipc, &monitor, cb, userdata, ret_slot);
}

/* The driver writes it: the head, whose size a newer driver may change, and then the data. */
static struct ipc_record parse_record(const struct ipcbus_monitor_record *from)
{
	return (struct ipc_record){
		.size = sizeof(struct ipc_record),
		.kind = from->kind,
		.time = from->time,
		.id = from->id,
		.parent = from->parent,
		.lost = from->lost,
		.flags = from->flags,
		.method = from->code,
		.node = from->node,
		.owner = from->owner,
		.error = from->error,
		.stage = from->stage,
		.index = from->index,
		.data_size = from->data_size,
		.data_kept = from->data_kept,
		.from_pid = (pid_t)from->from_pid,
		.from_tid = (pid_t)from->from_tid,
		.from_uid = from->from_uid,
		.from_gid = from->from_gid,
		.to_pid = (pid_t)from->to_pid,
		.to_tid = (pid_t)from->to_tid,
		.data = (const unsigned char *)from + from->size,
		.n_objects = from->object_count,
		.objects = (const void *)((const unsigned char *)from + from->objects),
	};
}

static void call_monitor(struct ipc_slot *slot, const void *record)
{
	ipc_record_cb cb = (ipc_record_cb)((struct callback *)slot)->cb;

	cb(slot->ipc, record, slot->userdata);
}

void monitor_deliver(struct thread *t, const struct ipcbus_event *event)
{
	struct ipc_record record = parse_record(device_at(&t->ipc->device, event->offset));

	slots_call(t->ipc, &t->ipc->monitor, call_monitor, &record);
	thread_release_later(t, event->buffer, event->data_size);
}
