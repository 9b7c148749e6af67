// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last failures of a bus: see failures.h.
 */
#include <linux/math64.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>

#include "failures.h"

void ipcbus_failures_add(struct ipcbus_failures *failures, const struct ipcbus_failure *failure)
{
	struct ipcbus_failure_kept kept = {
		.failure = *failure,
		.from = pid_nr(failure->from.pid),
		.tid = pid_nr(failure->from.tid),
		.to = pid_nr(failure->to),
	};

	kept.failure.from.pid = NULL;
	kept.failure.from.tid = NULL;
	kept.failure.to = NULL;
	spin_lock(&failures->lock);
	failures->kept[failures->count % IPCBUS_FAILURES_KEPT] = kept;
	failures->count++;
	spin_unlock(&failures->lock);
}

/* The nth that ever was; false if it is not kept (any more). */
static bool get_nth(struct ipcbus_failures *failures, u64 n, struct ipcbus_failure_kept *ret_kept)
{
	bool there;

	spin_lock(&failures->lock);
	there = n < failures->count && n + IPCBUS_FAILURES_KEPT >= failures->count;
	if (there)
		*ret_kept = failures->kept[n % IPCBUS_FAILURES_KEPT];
	spin_unlock(&failures->lock);
	return there;
}

/* As the reader knows the process; 0 if it cannot see it, or could not any more. */
static u32 number_for(struct pid_namespace *reader, u32 number)
{
	if (reader == &init_pid_ns)
		return number;
	rcu_read_lock();
	number = pid_nr_ns(find_pid_ns(number, &init_pid_ns), reader);
	rcu_read_unlock();
	return number;
}

void ipcbus_failures_show(struct seq_file *seq, struct ipcbus_failures *failures)
{
	struct pid_namespace *reader = task_active_pid_ns(current);
	struct ipcbus_failure_kept kept;
	u64 n, end, seconds;
	u32 nanoseconds;

	spin_lock(&failures->lock);
	end = failures->count;
	spin_unlock(&failures->lock);
	for (n = end - min_t(u64, end, IPCBUS_FAILURES_KEPT); n < end; n++) {
		if (!get_nth(failures, n, &kept))
			continue;
		seconds = div_u64_rem(kept.failure.time, NSEC_PER_SEC, &nanoseconds);
		seq_printf(seq, "failure time=%llu.%09u id=%llu kind=%u from=%u:%u to=%u node=%u",
			   seconds, nanoseconds, kept.failure.id, kept.failure.kind,
			   number_for(reader, kept.from), number_for(reader, kept.tid),
			   number_for(reader, kept.to), kept.failure.node);
		seq_printf(seq, " code=%u size=%llu error=%d stage=%u index=%u\n",
			   kept.failure.code, kept.failure.size, kept.failure.error,
			   kept.failure.stage, kept.failure.index);
	}
}
