/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User
 *
 * A user pays for the resources of its procs, on all buses together. The code that creates a
 * resource charges the proc's user first, and uncharges it when the memory is freed. A charge
 * above a limit of the module fails with -EDQUOT. Other users are not affected.
 *
 * A user in a user namespace has a parent, the owner of the namespace, which is charged as
 * well. Without it, the owner would have a full set of limits for each id of the namespace.
 * Global root is never a parent, because it decides how many ids its containers have. The
 * namespace of a user is the namespace in which it opened its first file.
 *
 * The space that a user may occupy in another user's region is limited by mem/quota.h.
 */
#ifndef IPCBUS_USER_H
#define IPCBUS_USER_H

#include <linux/atomic.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>

#include "main.h"

struct seq_file;
struct user_namespace;

/**
 * struct ipcbus_user - a user, on all buses
 * @ref: its procs, its children, and charged resources that may outlive them
 * @entry: in the tree of all users, by @uid (users_lock)
 * @uid: constant
 * @parent: charged as well, counted; or NULL; constant
 * @depth: number of parents above it; constant
 * @used: resources in use, by enum ipcbus_use
 * @close: closes the files in @closing
 * @spare_lock: protects the rest
 * @procs: number of its procs that are not shut down
 * @spares: transactions without a message, charged to it: see transaction.c
 * @spare_count: number of @spares; 0 if @procs is 0
 * @closing: objects with files to close, of this user and its children: see object.c
 */
struct ipcbus_user {
	refcount_t ref;
	struct rb_node entry;
	kuid_t uid;
	struct ipcbus_user *parent;
	u32 depth;
	atomic_t used[IPCBUS_USE_COUNT];
	struct delayed_work close;
	spinlock_t spare_lock;
	u32 procs;
	struct ipcbus_transaction *spares;
	u32 spare_count;
	struct list_head closing;
};

/* Sets the limits that the administrator did not set, from the size of the machine's memory. close
 * is the function of each user's @close. */
void ipcbus_users_init(work_func_t close);

/* Returns the user, counted, or NULL if there is no memory. ns is the namespace of the process
 * that opens the file or mounts the bus. May sleep. */
struct ipcbus_user *ipcbus_user_find(kuid_t uid, const struct user_namespace *ns);

static inline struct ipcbus_user *ipcbus_user_get(struct ipcbus_user *user)
{
	refcount_inc(&user->ref);
	return user;
}

/* May sleep. */
void ipcbus_user_put(struct ipcbus_user *user);

u32 ipcbus_user_limit(enum ipcbus_use use);

/* Charges n units to the user and its parents, or fails with -EDQUOT; uncharges n units. Neither
 * sleeps, or takes or drops a reference. */
int ipcbus_user_charge_n(struct ipcbus_user *user, enum ipcbus_use use, u32 n);
void ipcbus_user_uncharge_n(struct ipcbus_user *user, enum ipcbus_use use, u32 n);

static inline int ipcbus_user_charge(struct ipcbus_user *user, enum ipcbus_use use)
{
	return ipcbus_user_charge_n(user, use, 1);
}

static inline void ipcbus_user_uncharge(struct ipcbus_user *user, enum ipcbus_use use)
{
	ipcbus_user_uncharge_n(user, use, 1);
}

/* Prints a line per user, with user ids of the reader's user namespace. */
void ipcbus_users_show(struct seq_file *seq);

#endif
