// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that show one bus: see files.h.
 *
 *   procs          a line each: PID NODES HANDLES REGION
 *   state          procs with all they have
 *   transactions   messages on their way
 *
 * docs/tracing.md says what is in the last two.
 */
#include <linux/pid.h>
#include <linux/seq_file.h>

#include "bus.h"
#include "files.h"
#include "proc.h"
#include "state.h"

static bool procs_show(struct seq_file *seq, struct ipcbus_proc *proc,
		       struct ipcbus_place *unused)
{
	seq_printf(seq, "%d %d %u %zu\n", pid_vnr(proc->pid), atomic_read(&proc->node_count),
		   READ_ONCE(proc->handle_count), READ_ONCE(proc->region.size));
	return false;
}

const struct ipcbus_file ipcbus_file[] = {
	{ "procs", .show = procs_show },
	{ "state", .show = ipcbus_state_show },
	{ "transactions", .show = ipcbus_transactions_show },
	{}
};

/* --- Reading ------------------------------------------------------------------ */

/**
 * struct reading - an open one
 * @file: which
 * @bus: of which bus; the opened inode keeps it
 * @proc: whose turn it is, counted; NULL behind the last one
 * @place: of the piece whose turn it is
 * @end: behind that piece, once it was shown
 * @more: another piece of @proc is there
 */
struct reading {
	const struct ipcbus_file *file;
	struct ipcbus_bus *bus;
	struct ipcbus_proc *proc;
	struct ipcbus_place place;
	struct ipcbus_place end;
	bool more;
};

static void next_proc(struct reading *reading)
{
	reading->proc = ipcbus_proc_next(reading->bus, reading->proc);
	reading->place = (struct ipcbus_place){};
}

/* At the beginning, or again where the reader is. */
static void *reading_start(struct seq_file *seq, loff_t *pos)
{
	struct reading *reading = seq->private;

	if (!*pos) {
		if (reading->proc)
			ipcbus_proc_put(reading->proc);
		reading->proc = NULL;
		next_proc(reading);
	}
	return reading->proc ? reading : NULL;
}

static void *reading_next(struct seq_file *seq, void *unused, loff_t *pos)
{
	struct reading *reading = seq->private;

	++*pos;
	if (reading->more)
		reading->place = reading->end;
	else
		next_proc(reading);
	return reading->proc ? reading : NULL;
}

static void reading_stop(struct seq_file *seq, void *unused)
{
}

/* A piece is shown again, as it is then, if the buffer had no space for it. */
static int reading_show(struct seq_file *seq, void *unused)
{
	struct reading *reading = seq->private;

	reading->end = reading->place;
	reading->more = reading->file->show(seq, reading->proc, &reading->end);
	return 0;
}

static const struct seq_operations reading_ops = {
	.start = reading_start,
	.next = reading_next,
	.stop = reading_stop,
	.show = reading_show,
};

int ipcbus_files_open(struct file *file, const struct ipcbus_file *which, struct ipcbus_bus *bus)
{
	struct reading *reading;

	reading = __seq_open_private(file, &reading_ops, sizeof(*reading));
	if (!reading)
		return -ENOMEM;
	reading->file = which;
	reading->bus = bus;
	return 0;
}

int ipcbus_files_release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;
	struct reading *reading = seq->private;

	if (reading->proc)
		ipcbus_proc_put(reading->proc);
	return seq_release_private(inode, file);
}
