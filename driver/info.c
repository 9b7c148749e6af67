// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a proc reports about itself: see info.h.
 */
#include <linux/fs.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>

#include "bus.h"
#include "info.h"
#include "proc.h"
#include "user.h"

int ipcbus_info(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_info *args = data;

	*args = (struct ipcbus_info){
		.size = args->size,
		.version = IPCBUS_VERSION,
		.features = IPCBUS_FEATURES_ALL,
		.region_size = proc->region.size,
		.max_nodes = READ_ONCE(proc->bus->limits.nodes),
		.max_handles = READ_ONCE(proc->bus->limits.handles),
		.max_buffers = IPCBUS_LIMIT_BUFFERS,
		.max_threads = READ_ONCE(proc->bus->limits.threads),
		.user_procs = ipcbus_user_limit(proc->bus, IPCBUS_USE_PROCS),
		.user_nodes = ipcbus_user_limit(proc->bus, IPCBUS_USE_NODES),
		.user_handles = ipcbus_user_limit(proc->bus, IPCBUS_USE_HANDLES),
		.user_watches = ipcbus_user_limit(proc->bus, IPCBUS_USE_WATCHES),
		.user_calls = ipcbus_user_limit(proc->bus, IPCBUS_USE_CALLS),
		.user_files = ipcbus_user_limit(proc->bus, IPCBUS_USE_FILES),
	};
	return 0;
}

static u32 count_threads(struct ipcbus_proc *proc)
{
	struct ipcbus_thread *thread;
	unsigned long number;
	u32 count = 0;

	rcu_read_lock();
	xa_for_each(&proc->threads, number, thread)
		count++;
	rcu_read_unlock();
	return count;
}

/* Work that no thread took yet. */
static u32 count_queued(struct ipcbus_proc *proc)
{
	struct ipcbus_work *work;
	u32 count = 0;

	spin_lock(&proc->lock);
	list_for_each_entry(work, &proc->work, entry)
		count++;
	spin_unlock(&proc->lock);
	return count;
}

void ipcbus_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct ipcbus_proc *proc = file->private_data;
	struct ipcbus_region *region = &proc->region;
	u32 buffers, left;

	spin_lock(&region->lock);
	buffers = region->buffers;
	left = ipcbus_region_left_locked(region);
	spin_unlock(&region->lock);

	seq_printf(seq, "ipcbus-region:\t%zu\n", READ_ONCE(region->size));
	seq_printf(seq, "ipcbus-space:\t%zu\n", (size_t)left * IPCBUS_UNIT);
	seq_printf(seq, "ipcbus-buffers:\t%u\n", buffers);
	seq_printf(seq, "ipcbus-nodes:\t%d\n", atomic_read(&proc->node_count));
	seq_printf(seq, "ipcbus-handles:\t%u\n", READ_ONCE(proc->handle_count));
	seq_printf(seq, "ipcbus-threads:\t%u\n", count_threads(proc));
	seq_printf(seq, "ipcbus-queued:\t%u\n", count_queued(proc));
}
