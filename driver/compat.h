/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the supported kernels, and functions that the kernel does not export. Only
 * this file checks kernel versions. docs/upstream.md gives the reasons.
 */
#ifndef IPCBUS_COMPAT_H
#define IPCBUS_COMPAT_H

#include <linux/cgroup.h>
#include <linux/fault-inject-usercopy.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/instrumented.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/security.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/wait.h>
#include <uapi/linux/sched/types.h>

/* Marks a local variable that is fully written before it is read, so that a kernel that zeroes all
 * local variables need not zero this one. */
#define ipcbus_uninitialized __attribute__((__uninitialized__))

/* Installs a new fd for file in the current process. 6.8 added a parameter. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define ipcbus_receive_fd(file, flags) receive_fd(file, NULL, flags)
#else
#define ipcbus_receive_fd(file, flags) receive_fd(file, flags)
#endif

/*
 * copy_from_user() without two checks. It omits the usercopy check of the object that contains
 * `to`, which costs more than copying a small message: `to` is in whole pages of the driver, and
 * size is limited to these. It also omits the barrier against speculation, because the driver never
 * acts on a payload. The kernel's iov_iter copies in the same way.
 */
static __always_inline unsigned long
ipcbus_copy_from_user(void *to, const void __user *from, size_t size)
{
	unsigned long left;

	might_fault();
	if (should_fail_usercopy() || !access_ok(from, size))
		return size;
	instrument_copy_from_user_before(to, from, size);
	left = raw_copy_from_user(to, from, size);
	instrument_copy_from_user_after(to, from, size, left);
	return left;
}

/*
 * Wakes the waiter's task. Tells the scheduler that the waker will sleep soon, as __wake_up_sync()
 * does, but without a queue to lock and walk. The flags are WF_SYNC and WF_CURRENT_CPU of
 * kernel/sched/sched.h. default_wake_function() warns about unknown flags. Before 6.6 it does not
 * know WF_CURRENT_CPU, and <linux/wait.h> lacks the macro below.
 *
 * here: The waker waits for the task from now on. If no other task wants this CPU, it is the best
 * CPU for the task: any other CPU is idle and must be interrupted first. Before 6.6 this cannot be
 * requested.
 */
#define IPCBUS_WF_SYNC 0x10
#define IPCBUS_WF_CURRENT_CPU 0x40
#ifdef wake_up_poll_on_current_cpu
#define IPCBUS_WAKES_HERE 1
#else
#define IPCBUS_WAKES_HERE 0
#endif

static inline void ipcbus_wake_sync(wait_queue_entry_t *waiter, bool here)
{
	int flags = IPCBUS_WF_SYNC;

	if (IPCBUS_WAKES_HERE && here && single_task_running())
		flags |= IPCBUS_WF_CURRENT_CPU;
	default_wake_function(waiter, TASK_INTERRUPTIBLE, flags, NULL);
}

/* Returns the scheduling attributes of a task as sched_getattr(2) reports them, for
 * sched_setattr_nocheck(). Since 6.12 a task has its own slice. */
static inline void ipcbus_sched_get(struct task_struct *task, struct sched_attr *ret_attr)
{
	*ret_attr = (struct sched_attr){
		.size = sizeof(*ret_attr),
		.sched_policy = READ_ONCE(task->policy),
		.sched_flags = task->sched_reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0,
		.sched_nice = task_nice(task),
		.sched_priority = task->rt_priority,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
		.sched_runtime = task->se.custom_slice ? task->se.slice : 0,
#endif
	};
}

/*
 * Returns whether a task without a realtime class may get one. With CONFIG_RT_GROUP_SCHED a group
 * has its own realtime runtime, usually none, and a realtime task in such a group never runs.
 * sched_setattr_nocheck() does not check this, and the kernel does not export the check. The root
 * group always has realtime runtime.
 */
static inline bool ipcbus_sched_may_be_realtime(struct task_struct *task)
{
	bool may = true;

#ifdef CONFIG_RT_GROUP_SCHED
	rcu_read_lock();
	may = !task_css(task, cpu_cgrp_id)->parent;
	rcu_read_unlock();
#endif
	return may;
}

/* Takes the security label of the current thread, and releases it. Returns -EOPNOTSUPP if there is
 * no label. 6.14 put a structure around the text, and mainline lets the caller choose a security
 * module. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
static inline int ipcbus_secctx_take(struct lsm_context *ret_context)
{
	struct lsm_prop prop;

	security_current_getlsmprop_subj(&prop);
	return min(security_lsmprop_to_secctx(&prop, ret_context, LSM_ID_UNDEF), 0);
}

static inline void ipcbus_secctx_drop(struct lsm_context *context)
{
	security_release_secctx(context);
}
#else
struct lsm_context {
	char *context;
	u32 len;
};

static inline int ipcbus_secctx_take(struct lsm_context *ret_context)
{
	u32 secid;

	security_current_getsecid_subj(&secid);
	if (!secid)
		return -EOPNOTSUPP;
	return security_secid_to_secctx(secid, &ret_context->context, &ret_context->len);
}

static inline void ipcbus_secctx_drop(struct lsm_context *context)
{
	security_release_secctx(context->context, context->len);
}
#endif

/* Changes the flags of a mapping inside ->mmap; 6.3 made the field private. The idmap argument of
 * setattr; 6.3 renamed its type. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define ipcbus_idmap struct mnt_idmap
#define ipcbus_vm_flags_mod vm_flags_mod
#else
#define ipcbus_idmap struct user_namespace

static inline void ipcbus_vm_flags_mod(struct vm_area_struct *vma, vm_flags_t set,
				       vm_flags_t clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

typedef unsigned long ipcbus_shrinker_op(struct shrinker *, struct shrink_control *);

/* Returns a registered shrinker, or NULL; since 6.7 the kernel allocates shrinkers. Sets all times
 * of a new inode; 6.7 made the fields private. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *ipcbus_shrinker_new(ipcbus_shrinker_op *count,
						   ipcbus_shrinker_op *scan)
{
	struct shrinker *shrinker = shrinker_alloc(0, "ipcbus");

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
	shrinker_register(shrinker);
	return shrinker;
}

static inline void ipcbus_shrinker_free(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}

static inline void ipcbus_inode_init_times(struct inode *inode)
{
	simple_inode_init_ts(inode);
}
#else
static inline struct shrinker *ipcbus_shrinker_new(ipcbus_shrinker_op *count,
						   ipcbus_shrinker_op *scan)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
	if (!register_shrinker(shrinker, "ipcbus"))
		return shrinker;
	kfree(shrinker);
	return NULL;
}

static inline void ipcbus_shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}

static inline void ipcbus_inode_init_times(struct inode *inode)
{
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
	inode->i_atime = inode->i_ctime;
}
#endif

/* Adds a dentry that stays until the file system is unmounted, and unmounts such a file system.
 * Before 6.19 an extra reference marks such a dentry, since 6.19 a flag. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static inline void ipcbus_add_dentry(struct dentry *dentry, struct inode *inode)
{
	d_make_persistent(dentry, inode);
	dput(dentry);
}

#define ipcbus_kill_super kill_anon_super
#else
#define ipcbus_add_dentry d_add
#define ipcbus_kill_super kill_litter_super
#endif

#endif
