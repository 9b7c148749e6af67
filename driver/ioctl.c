// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table of all ioctls. Each row names an operation, which is implemented in another file. It works
 * on the driver's own copy of the argument. Only this file copies arguments in and out.
 */
#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "bus.h"
#include "calls.h"
#include "cancel.h"
#include "freeze.h"
#include "handle.h"
#include "monitor.h"
#include "node.h"
#include "proc.h"
#include "thread.h"
#include "transaction.h"
#include "user.h"

/* --- Queries ----------------------------------------------------------------- */

static int get_info(struct ipcbus_proc *proc, void *data)
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

static int get_call_info(struct ipcbus_proc *proc, void *data)
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

/* Returns the sender of a call that is open in proc. An open call keeps its thread. */
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

static int get_sender_info(struct ipcbus_proc *proc, void *data)
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

/* --- All ioctls ------------------------------------------------------------- */

/**
 * enum ioctl_out - when the argument is copied back to user space
 * @OUT_NEVER: the argument has no outputs
 * @OUT_ON_SUCCESS: if the operation succeeded
 * @OUT_ALWAYS: also if the operation failed, because the outputs give details
 */
enum ioctl_out {
	OUT_NEVER,
	OUT_ON_SUCCESS,
	OUT_ALWAYS,
};

/**
 * struct ioctl_row - an ioctl
 * @cmd: IPCBUS_IOC_*
 * @size: bytes of its structure; 0 if it has none and its argument must be 0
 * @out: when to copy the structure back
 * @op: the operation
 * @undo: reverts @op if the outputs cannot be written; may be NULL
 */
struct ioctl_row {
	unsigned int cmd;
	u16 size;
	enum ioctl_out out;
	int (*op)(struct ipcbus_proc *proc, void *args);
	void (*undo)(struct ipcbus_proc *proc, void *args);
};

/* Space for any argument. Each argument begins with its size. */
union ioctl_args {
	u32 size;
	struct ipcbus_info info;
};

#define IOCTL(name, type, when, ...)					\
	[_IOC_NR(IPCBUS_IOC_##name)] = {				\
		.cmd = IPCBUS_IOC_##name,				\
		.size = sizeof(type) +					\
			BUILD_BUG_ON_ZERO(sizeof(type) > sizeof(union ioctl_args)), \
		.out = OUT_##when,					\
		__VA_ARGS__						\
	}

static const struct ioctl_row rows[] = {
	/* EXCHANGE has no row: see ipcbus_ioctl(). */
	IOCTL(INFO, struct ipcbus_info, ON_SUCCESS, .op = get_info),
	IOCTL(SET_MANAGER, struct ipcbus_node, NEVER, .op = ipcbus_manager_set),
	IOCTL(NODE_CREATE, struct ipcbus_node, ON_SUCCESS, .op = ipcbus_node_create,
	      .undo = ipcbus_node_uncreate),
	IOCTL(NODE_DESTROY, struct ipcbus_node, NEVER, .op = ipcbus_node_destroy),
	IOCTL(HANDLE_PUT, struct ipcbus_handle, NEVER, .op = ipcbus_handle_put),
	IOCTL(WATCH, struct ipcbus_handle, NEVER, .op = ipcbus_handle_watch),
	IOCTL(UNWATCH, struct ipcbus_handle, NEVER, .op = ipcbus_handle_unwatch),
	[_IOC_NR(IPCBUS_IOC_THREAD_EXIT)] = {
		.cmd = IPCBUS_IOC_THREAD_EXIT,
		.op = ipcbus_thread_leave,
	},
	IOCTL(CANCEL, struct ipcbus_cancel, NEVER, .op = ipcbus_cancel),
	IOCTL(CALL_INFO, struct ipcbus_call_info, ON_SUCCESS, .op = get_call_info),
	IOCTL(NODE_INFO, struct ipcbus_node_info, ON_SUCCESS, .op = ipcbus_node_info),
	IOCTL(FREEZE, struct ipcbus_freeze, ALWAYS, .op = ipcbus_freeze),
	IOCTL(SENDER_INFO, struct ipcbus_sender_info, ON_SUCCESS, .op = get_sender_info),
	IOCTL(MONITOR, struct ipcbus_monitor, NEVER, .op = ipcbus_monitor_set),
};

/* Returns whether two ioctl numbers name the same ioctl. Ignores the size in the number, which
 * differs in programs that were built with another version. */
static bool is_cmd(unsigned int cmd, unsigned int other)
{
	return !((cmd ^ other) & ~((unsigned int)_IOC_SIZEMASK << _IOC_SIZESHIFT));
}

static const struct ioctl_row *row_of(unsigned int cmd)
{
	const struct ioctl_row *row;
	unsigned int number = _IOC_NR(cmd);

	if (number >= ARRAY_SIZE(rows))
		return NULL;
	row = &rows[array_index_nospec(number, ARRAY_SIZE(rows))];
	if (!row->op || (!row->size && cmd != row->cmd))
		return NULL;
	return is_cmd(cmd, row->cmd) ? row : NULL;
}

/* Copies the arguments from user memory. If the user's structure is larger than the driver's, the
 * rest must be zero. Returns 0 or -errno. */
static int copy_in(union ioctl_args *args, const struct ioctl_row *row, const void __user *user)
{
	u32 size;
	int ret;

	if (get_user(size, (const u32 __user *)user))
		return -EFAULT;
	if (size < row->size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(args, row->size, user, size);
	/* Use the size that was checked, even if user space has changed it since. */
	args->size = size;
	return ret;
}

static noinline long ioctl_by_row(struct ipcbus_proc *proc, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = row_of(cmd);
	void __user *user = (void __user *)arg;
	union ioctl_args args;
	int ret;

	if (!row)
		return -ENOTTY;
	if (!row->size)
		return arg ? -EINVAL : row->op(proc, NULL);
	ret = copy_in(&args, row, user);
	if (ret)
		return ret;
	ret = row->op(proc, &args);
	if (row->out == OUT_NEVER || (ret && row->out == OUT_ON_SUCCESS))
		return ret;
	if (!copy_to_user(user, &args, row->size))
		return ret;
	if (row->undo)
		row->undo(proc, &args);
	return -EFAULT;
}

/* Runs an ioctl. EXCHANGE is checked first and copies its argument itself, because it is the fast
 * path. */
long ipcbus_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ipcbus_proc *proc = file->private_data;

	if (unlikely(!ipcbus_proc_is_opener(proc)))
		return -ECHILD;
	if (likely(cmd == IPCBUS_IOC_EXCHANGE) || is_cmd(cmd, IPCBUS_IOC_EXCHANGE))
		return ipcbus_exchange(proc, (void __user *)arg, file->f_flags & O_NONBLOCK);
	return ioctl_by_row(proc, cmd, arg);
}
