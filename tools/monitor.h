/* SPDX-License-Identifier: MIT */
/*
 * A monitor of the bus (<ipc/monitor.h>): a connection on which the driver's records arrive.
 */
#ifndef IPCCTL_MONITOR_H
#define IPCCTL_MONITOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ipc/monitor.h>

struct monitor;

/* Handles a record, which belongs to the library. Returns 0 to continue. To end monitor_run(),
 * returns an enum status, or MONITOR_STOP for STATUS_OK. */
typedef int (*monitor_cb)(const struct ipc_record *record, void *userdata);
#define MONITOR_STOP (-1)

/* Begins to monitor. flags: IPC_MONITOR_*. pid: only this process; 0: all processes. max_data:
 * maximum number of bytes of each payload. On failure prints an error. Returns an enum status. */
int monitor_open(struct monitor **ret_monitor, unsigned int flags, pid_t pid, size_t max_data,
		 monitor_cb cb, void *userdata);

/* monitor may be NULL. */
struct monitor *monitor_close(struct monitor *monitor);

/* Calls the callback for each record until the callback ends it, a signal arrives
 * (signal_arrived()), or the clock reaches `until` (of clock_ns(); 0: none). On failure prints
 * an error. Returns an enum status. */
int monitor_run(struct monitor *monitor, uint64_t until);

#endif
