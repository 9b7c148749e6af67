// SPDX-License-Identifier: MIT
/*
 * A monitor's connection: see monitor.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "monitor.h"

/* The driver uses half of the region for records. */
#define REGION_SIZE ((size_t)64 << 20)

struct monitor {
	struct ipc *ipc;
	monitor_cb cb;
	void *userdata;
	int result; /* of the callback; if not 0, it ended monitor_run() */
};

static int fail_to_open(int error)
{
	switch (error) {
	case -EPERM:
		return fail_with(STATUS_DENIED, fail_root_hint(),
				 "no permission to monitor the bus %s", ctl_bus_path());
	case -EDQUOT:
		return fail_with(STATUS_FAILED, "end another ipcctl top or monitor first",
				 "the bus %s has its maximum number of monitors", ctl_bus_path());
	case -ESRCH:
		return fail_with(STATUS_NOT_FOUND, "ipcctl stats lists the connections to the bus",
				 "no such process on the bus %s", ctl_bus_path());
	case -ENOTTY:
		return fail_with(STATUS_FAILED, "see ipcctl doctor",
				 "the bus is too old to be monitored");
	default:
		return fail_errno(error, "monitor the bus");
	}
}

static void on_record(struct ipc *ipc, const struct ipc_record *record, void *userdata)
{
	struct monitor *monitor = userdata;

	(void)ipc;
	if (!monitor->result)
		monitor->result = monitor->cb(record, monitor->userdata);
}

int monitor_open(struct monitor **ret_monitor, unsigned int flags, pid_t pid, size_t max_data,
		 monitor_cb cb, void *userdata)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	int status, r;

	if (!monitor)
		return fail_memory();
	monitor->cb = cb;
	monitor->userdata = userdata;
	status = bus_open_sized(&monitor->ipc, REGION_SIZE);
	if (!status) {
		r = ipc_monitor(monitor->ipc, flags, pid, max_data, on_record, monitor,
				/* ret_slot= */ NULL);
		status = r < 0 ? fail_to_open(r) : STATUS_OK;
	}
	if (status)
		monitor_close(monitor);
	else
		*ret_monitor = monitor;
	return status;
}

struct monitor *monitor_close(struct monitor *monitor)
{
	if (monitor)
		ipc_unref(monitor->ipc);
	free(monitor);
	return NULL;
}

int monitor_run(struct monitor *monitor, uint64_t until)
{
	uint64_t now = 0;
	int r = 0;

	while (!monitor->result && !signal_arrived() && (!until || (now = clock_ns()) < until)) {
		r = ipc_process(monitor->ipc);
		if (r == 0)
			r = ipc_wait_event(monitor->ipc,
					   until ? (until - now) / 1000 + 1 : IPC_NEVER);
		if (r < 0 && r != -EINTR)
			return fail_errno(r, "monitor the bus");
	}
	return monitor->result > 0 ? monitor->result : STATUS_OK;
}
