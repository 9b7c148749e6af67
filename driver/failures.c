// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last failures of a bus: see failures.h.
 */
#include <linux/math64.h>
#include <linux/pid.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "bus.h"
#include "failures.h"

static void keep(struct ipcbus_failure *failure)
{
	get_pid(failure->from.pid);
	get_pid(failure->from.tid);
	get_pid(failure->to);
}

static void let_go(struct ipcbus_failure *failure)
{
	put_pid(failure->from.pid);
	put_pid(failure->from.tid);
	put_pid(failure->to);
}

void ipcbus_failures_add(struct ipcbus_failures *failures, const struct ipcbus_failure *failure)
{
	struct ipcbus_failure kept = *failure;

	keep(&kept);
	spin_lock(&failures->lock);
	swap(failures->kept[failures->count % IPCBUS_FAILURES_KEPT], kept);
	failures->count++;
	spin_unlock(&failures->lock);
	let_go(&kept);
}

void ipcbus_failures_done(struct ipcbus_failures *failures)
{
	int i;

	for (i = 0; i < IPCBUS_FAILURES_KEPT; i++) {
		let_go(&failures->kept[i]);
		failures->kept[i] = (struct ipcbus_failure){};
	}
	failures->count = 0;
}

/* The nth that ever was, with references; false if it is not kept (any more). */
static bool get_nth(struct ipcbus_failures *failures, u64 n, struct ipcbus_failure *ret_failure)
{
	bool there;

	spin_lock(&failures->lock);
	there = n < failures->count && n + IPCBUS_FAILURES_KEPT >= failures->count;
	if (there) {
		*ret_failure = failures->kept[n % IPCBUS_FAILURES_KEPT];
		keep(ret_failure);
	}
	spin_unlock(&failures->lock);
	return there;
}

void ipcbus_failures_show(struct seq_file *seq, struct ipcbus_bus *bus)
{
	struct ipcbus_failures *failures = &bus->failures;
	struct ipcbus_failure failure;
	u64 n, end, seconds;
	u32 nanoseconds;

	spin_lock(&failures->lock);
	end = failures->count;
	spin_unlock(&failures->lock);
	for (n = end - min_t(u64, end, IPCBUS_FAILURES_KEPT); n < end; n++) {
		if (!get_nth(failures, n, &failure))
			continue;
		seconds = div_u64_rem(failure.time, NSEC_PER_SEC, &nanoseconds);
		seq_printf(seq, "failure time=%llu.%09u id=%llu kind=%u from=%d:%d to=%d node=%u",
			   seconds, nanoseconds, failure.id, failure.kind,
			   pid_vnr(failure.from.pid), pid_vnr(failure.from.tid),
			   pid_vnr(failure.to), failure.node);
		seq_printf(seq, " code=%u size=%llu error=%d stage=%u index=%u\n",
			   failure.code, failure.size, failure.error, failure.stage,
			   failure.index);
		let_go(&failure);
	}
}
