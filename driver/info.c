// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a proc may ask: see info.h.
 */
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>

#include "bus.h"
#include "expiry.h"
#include "info.h"
#include "open.h"
#include "proc.h"
#include "sender.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"
#include "work.h"

int ipcbus_info(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_info *args = data;

	*args = (struct ipcbus_info){
		.size = args->size,
		.version = IPCBUS_VERSION,
		.features = IPCBUS_FEATURE_LABEL | IPCBUS_FEATURE_PRIORITY | IPCBUS_FEATURE_MOUNT,
		.region_size = proc->region.size,
		.max_nodes = IPCBUS_LIMIT_NODES,
		.max_handles = IPCBUS_LIMIT_HANDLES,
		.max_buffers = IPCBUS_LIMIT_BUFFERS,
		.max_threads = IPCBUS_LIMIT_THREADS,
		.user_procs = ipcbus_user_limit(IPCBUS_USE_PROCS),
		.user_nodes = ipcbus_user_limit(IPCBUS_USE_NODES),
		.user_handles = ipcbus_user_limit(IPCBUS_USE_HANDLES),
		.user_watches = ipcbus_user_limit(IPCBUS_USE_WATCHES),
		.user_calls = ipcbus_user_limit(IPCBUS_USE_CALLS),
		.user_files = ipcbus_user_limit(IPCBUS_USE_FILES),
		.user_threads = ipcbus_user_limit(IPCBUS_USE_THREADS),
		.user_memory = ipcbus_user_limit(IPCBUS_USE_MEMORY),
	};
	return 0;
}

int ipcbus_call_info(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_call_info *args = data;
	struct ipcbus_transaction *t;
	int ret = -ESRCH;

	if (args->flags || args->deadline)
		return -EINVAL;
	spin_lock(&proc->lock);
	t = ipcbus_open_find_locked(proc, args->call);
	if (t) {
		args->flags = READ_ONCE(t->state) == IPCBUS_PENDING ? 0 : IPCBUS_CALL_CANCELED;
		args->deadline = t->deadline ? ipcbus_deadline_to_user(t) : 0;
		ret = 0;
	}
	spin_unlock(&proc->lock);
	return ret;
}

/* Of a call that is open in proc: its thread is counted as long as it is. */
static int sender_of_call(struct ipcbus_proc *proc, u64 id, struct ipcbus_sender_id *ret_id)
{
	struct ipcbus_transaction *t;
	int ret = -ESRCH;

	spin_lock(&proc->lock);
	t = ipcbus_open_find_locked(proc, id);
	if (t) {
		*ret_id = t->from ? t->from->sender_id : t->sender_id;
		ret = 0;
	}
	spin_unlock(&proc->lock);
	return ret;
}

int ipcbus_sender_info(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_sender_info *args = data;
	struct ipcbus_sender_id id;
	int ret;

	if (args->flags || args->pid || args->reserved || !args->call == !args->buffer)
		return -EINVAL;
	if (args->call)
		ret = sender_of_call(proc, args->call, &id);
	else
		ret = ipcbus_region_sender(&proc->region, args->buffer, &id);
	if (ret)
		return ret;
	if (ipcbus_sender_id_exists(&id, proc->pid_ns, &args->pid))
		args->flags = IPCBUS_SENDER_ALIVE;
	return 0;
}

/* --- fdinfo --------------------------------------------------------------------- */

void ipcbus_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct ipcbus_proc *proc = file->private_data;
	struct ipcbus_region *region = &proc->region;
	u32 buffers, left, queued, threads;

	spin_lock(&region->lock);
	buffers = region->buffers;
	left = ipcbus_region_left_locked(region);
	spin_unlock(&region->lock);
	spin_lock(&proc->lock);
	queued = proc->work.count;
	threads = proc->thread_count;
	spin_unlock(&proc->lock);

	seq_printf(seq, "ipcbus-region:\t%zu\n", READ_ONCE(region->size));
	seq_printf(seq, "ipcbus-space:\t%zu\n", (size_t)left * IPCBUS_UNIT);
	seq_printf(seq, "ipcbus-buffers:\t%u\n", buffers);
	seq_printf(seq, "ipcbus-nodes:\t%d\n", atomic_read(&proc->node_count));
	seq_printf(seq, "ipcbus-handles:\t%u\n", READ_ONCE(proc->handle_count));
	seq_printf(seq, "ipcbus-threads:\t%u\n", threads);
	seq_printf(seq, "ipcbus-queued:\t%u\n", queued);
}
