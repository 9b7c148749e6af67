// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that show one bus: see files.h.
 *
 *   procs          a line each: PID NODES HANDLES REGION
 *   users          a line each: UID PROCS NODES HANDLES WATCHES CALLS FILES THREADS KIB
 *   state          procs with all they have
 *   transactions   messages on their way
 *   failures       the last of those
 *
 * docs/tracing.md says what is in the last three.
 */
#include <linux/pid.h>
#include <linux/seq_file.h>

#include "bus.h"
#include "failures.h"
#include "files.h"
#include "proc.h"
#include "state.h"
#include "user.h"

static void procs_show(struct seq_file *seq, struct ipcbus_bus *bus)
{
	struct ipcbus_proc *proc;

	mutex_lock(&bus->lock);
	list_for_each_entry(proc, &bus->procs, bus_entry)
		seq_printf(seq, "%d %d %u %zu\n", pid_vnr(proc->pid),
			   atomic_read(&proc->node_count), READ_ONCE(proc->handle_count),
			   READ_ONCE(proc->region.size));
	mutex_unlock(&bus->lock);
}

static void failures_show(struct seq_file *seq, struct ipcbus_bus *bus)
{
	ipcbus_failures_show(seq, &bus->failures);
}

const struct ipcbus_file ipcbus_file[] = {
	{ "procs", procs_show },
	{ "users", ipcbus_users_show },
	{ "state", ipcbus_state_show },
	{ "transactions", ipcbus_transactions_show },
	{ "failures", failures_show },
	{}
};
