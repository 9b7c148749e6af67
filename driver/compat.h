/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the driver supports, and nowhere else.
 */
#ifndef IPCBUS_COMPAT_H
#define IPCBUS_COMPAT_H

#include <linux/fault-inject-usercopy.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/instrumented.h>
#include <linux/mm.h>
#include <linux/security.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/wait.h>

/*
 * A local that is written in full before it is read: kernels built to zero all
 * locals need not zero this one.
 */
#define ipcbus_uninitialized __attribute__((__uninitialized__))

/* A new fd for file in the current process; 6.8 added a parameter. */
static inline int ipcbus_receive_fd(struct file *file, unsigned int flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return receive_fd(file, NULL, flags);
#else
	return receive_fd(file, flags);
#endif
}

/*
 * copy_from_user() without the search for the object that `to` lies in, which
 * costs more than copying a small message does: `to` is a whole page of ours
 * and size was cut to it. Nor a barrier against speculation: nothing here ever
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
 * Wakes the waiter's task and says that the waker will sleep soon, as
 * __wake_up_sync() does, without a queue to lock and walk. The flag is WF_SYNC of
 * kernel/sched/sched.h; default_wake_function() warns of any it does not know.
 */
#define IPCBUS_WF_SYNC 0x10

static inline void ipcbus_wake_sync(wait_queue_entry_t *waiter)
{
	default_wake_function(waiter, TASK_INTERRUPTIBLE, IPCBUS_WF_SYNC, NULL);
}

/* The slice that a thread chose for itself, 0 if none; 6.12 brought it. */
static inline u64 ipcbus_task_slice(struct task_struct *task)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return task->se.custom_slice ? task->se.slice : 0;
#else
	return 0;
#endif
}

/*
 * The text by which the security module knows the current thread: taken, used, and
 * given back. 6.13 put an identity of each module in the place of one number, 6.14 a
 * structure around the text, 6.18 a choice of module. -EOPNOTSUPP: there is none.
 */
struct ipcbus_secctx {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
	struct lsm_context context;
#else
	struct {
		char *context;
		u32 len;
	} context;
#endif
};

static inline int ipcbus_secctx_take(struct ipcbus_secctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
	struct lsm_prop prop;
	int ret;

	security_current_getlsmprop_subj(&prop);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	ret = security_lsmprop_to_secctx(&prop, &ctx->context, LSM_ID_UNDEF);
#else
	ret = security_lsmprop_to_secctx(&prop, &ctx->context);
#endif
	return ret < 0 ? ret : 0;
#else
	u32 secid;

	security_current_getsecid_subj(&secid);
	if (!secid)
		return -EOPNOTSUPP;
	return security_secid_to_secctx(secid, &ctx->context.context, &ctx->context.len);
#endif
}

static inline const char *ipcbus_secctx_text(const struct ipcbus_secctx *ctx)
{
	return ctx->context.context;
}

static inline u32 ipcbus_secctx_size(const struct ipcbus_secctx *ctx)
{
	return ctx->context.len;
}

static inline void ipcbus_secctx_drop(struct ipcbus_secctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
	security_release_secctx(&ctx->context);
#else
	security_release_secctx(ctx->context.context, ctx->context.len);
#endif
}

/* Changes a mapping's flags inside ->mmap; 6.3 hid them. */
static inline void ipcbus_vm_flags_mod(struct vm_area_struct *vma, vm_flags_t set,
				       vm_flags_t clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

/* A registered shrinker, or NULL; 6.7 made them the kernel's to allocate. */
static inline struct shrinker *
ipcbus_shrinker_new(unsigned long (*count)(struct shrinker *, struct shrink_control *),
		    unsigned long (*scan)(struct shrinker *, struct shrink_control *))
{
	struct shrinker *shrinker;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker = shrinker_alloc(0, "ipcbus");
#else
	shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);
#endif
	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker_register(shrinker);
#else
	if (register_shrinker(shrinker, "ipcbus")) {
		kfree(shrinker);
		return NULL;
	}
#endif
	return shrinker;
}

static inline void ipcbus_shrinker_free(struct shrinker *shrinker)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
	kfree(shrinker);
#endif
}

/* What a file system's setattr is told about mapped ids; 6.3 renamed it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define ipcbus_idmap struct mnt_idmap
#else
#define ipcbus_idmap struct user_namespace
#endif

/* All times of a new inode; 6.7 hid them. */
static inline void ipcbus_inode_init_times(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	simple_inode_init_ts(inode);
#else
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
	inode->i_atime = inode->i_ctime;
#endif
}

/*
 * A dentry that only the end of the file system removes, and that end. Such a one
 * used to be known by the reference that nobody put; since 6.19 by a flag.
 */
static inline void ipcbus_add_dentry(struct dentry *dentry, struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	d_make_persistent(dentry, inode);
	dput(dentry);
#else
	d_add(dentry, inode);
#endif
}

static inline void ipcbus_kill_super(struct super_block *sb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	kill_anon_super(sb);
#else
	kill_litter_super(sb);
#endif
}

#endif
