/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Monitors: procs that asked to see their bus's traffic (IPCBUS_IOC_MONITOR).
 * report.c hands each record over; a copy is made for every monitor that wants
 * it, kernel to kernel, into the monitor's own region. Where there is no room
 * the record is lost and counted: traffic neither waits nor fails.
 */
#ifndef IPCBUS_MONITOR_H
#define IPCBUS_MONITOR_H

#include <linux/atomic.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "ipcbus-monitor.h"
#include "main.h"

struct pid;

#define IPCBUS_MONITORS_MAX	8

/**
 * struct ipcbus_monitors - the monitors of a bus
 * @lock: protects the rest, and what each wants; leaf
 * @count: how many; may be read without
 * @proc: who; not counted: each takes itself out when it is shut down
 */
struct ipcbus_monitors {
	spinlock_t lock;
	u32 count;
	struct ipcbus_proc *proc[IPCBUS_MONITORS_MAX];
};

/**
 * struct ipcbus_monitor_wish - what a proc that monitors wants (monitors' lock)
 * @flags: IPCBUS_MONITOR_*; 0: it is no monitor
 * @max_data: bytes of payload to copy at most
 * @pid: only what this process sends or gets; counted, or NULL
 * @lost: records that found no room since the last that did; no lock
 */
struct ipcbus_monitor_wish {
	u32 flags;
	u32 max_data;
	struct pid *pid;
	atomic64_t lost;
};

/**
 * struct ipcbus_record - what a monitor is to learn
 * @wanted_by: IPCBUS_MONITOR_*: who wants it
 * @head: as the monitor gets it, but for what depends on the monitor: its size,
 *	what is kept, and who from and to are
 * @from: the sender: its process, its thread, its proc; each NULL if not known
 * @to: the receiver, likewise
 * @uid: of the sender
 * @gid: likewise
 * @region: the one that @buffer is in
 * @buffer: the message, which nobody else has yet; or NULL
 */
struct ipcbus_record {
	u32 wanted_by;
	struct ipcbus_monitor_record head;
	struct {
		struct pid *pid;
		struct pid *tid;
		const struct ipcbus_proc *proc;
	} from, to;
	kuid_t uid;
	kgid_t gid;
	struct ipcbus_region *region;
	const struct ipcbus_buffer *buffer;
};

/* May sleep. */
void ipcbus_monitors_record(struct ipcbus_monitors *monitors, const struct ipcbus_record *record);

int ipcbus_monitor_set(struct ipcbus_proc *proc, void *data);
/* The proc goes. */
void ipcbus_monitor_release(struct ipcbus_proc *proc);

#endif
