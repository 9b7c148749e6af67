/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Record
 *
 * What observers learn about messages, and who they are. observe.c fills in records and
 * failures. Tracepoints, the list of failures and monitors take them from there. This
 * header knows nothing of what is observed.
 */
#ifndef IPCBUS_RECORD_H
#define IPCBUS_RECORD_H

#include <linux/atomic.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>

#include "ipcbus-monitor.h"
#include "main.h"

struct pid;

/* Who does something, or has it done. */
struct ipcbus_party {
	s32 pid;
	s32 tid;
};

/* --- Failures ------------------------------------------------------------------- */

#define IPCBUS_FAILURES_KEPT	64

/**
 * struct ipcbus_failure - a message that was not sent, or failed on its way
 * @time: nanoseconds of CLOCK_MONOTONIC
 * @id: the message's; 0 if it came to none
 * @from: the sender's thread and its process; counted where kept, or NULL
 * @to: the target's process, likewise
 * @kind: enum ipcbus_send_kind
 * @node: the target, or 0
 * @code: the message's
 * @size: of its payload
 * @error: -errno
 * @stage: enum ipcbus_stage
 * @index: which buffer, part or object
 */
struct ipcbus_failure {
	u64 time;
	u64 id;
	struct {
		struct pid *pid;
		struct pid *tid;
	} from;
	struct pid *to;
	u32 kind;
	u32 node;
	u32 code;
	u64 size;
	s32 error;
	u32 stage;
	u32 index;
};

/**
 * struct ipcbus_failure_kept - one that is over
 * @failure: without its processes
 * @from: the sender's process by its number in the first pid namespace: the
 *	list keeps no dead process alive, not even its identity
 * @tid: its thread, likewise
 * @to: the receiver's process, likewise
 */
struct ipcbus_failure_kept {
	struct ipcbus_failure failure;
	u32 from;
	u32 tid;
	u32 to;
};

/**
 * struct ipcbus_failures - the last ones of a bus
 * @lock: protects the rest; leaf
 * @count: how many there ever were; the last is at (count - 1) % KEPT
 * @kept: a ring
 */
struct ipcbus_failures {
	spinlock_t lock;
	u64 count;
	struct ipcbus_failure_kept kept[IPCBUS_FAILURES_KEPT];
};

#define IPCBUS_FAILURES_INIT(failures) { .lock = __SPIN_LOCK_UNLOCKED((failures).lock) }

/* --- Monitors ------------------------------------------------------------------- */

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
 * @lost: records that found no space since the last that did; no lock
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

#endif
