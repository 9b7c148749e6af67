/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last failures of a bus, for its file "failures". Written by report.c.
 */
#ifndef IPCBUS_FAILURES_H
#define IPCBUS_FAILURES_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include "main.h"

struct pid;
struct seq_file;

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

/* Keeps a copy. */
void ipcbus_failures_add(struct ipcbus_failures *failures, const struct ipcbus_failure *failure);
/* A line each, the oldest first, with processes as the reader sees them. */
void ipcbus_failures_show(struct seq_file *seq, struct ipcbus_bus *bus);

#endif
