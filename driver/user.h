/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User
 *
 * A user pays for what its procs have, on all buses together. Whoever makes something for a
 * proc charges the proc's user first, and uncharges it when its memory is freed. What exceeds
 * a limit of the module fails with -EDQUOT for this user and for nobody else.
 *
 * A user in a user namespace has a parent, which is charged as well: the owner of the
 * namespace. Otherwise somebody who makes a namespace would have a user for each of its ids.
 * Global root is never a parent: it decides how many ids its containers have. The namespace
 * of a user is that in which it opened its first file.
 *
 * How much of somebody else's region a user may occupy is in mem/quota.h.
 */
#ifndef IPCBUS_USER_H
#define IPCBUS_USER_H

#include <linux/atomic.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "main.h"

struct seq_file;
struct user_namespace;

/**
 * struct ipcbus_user - one user, on all buses
 * @ref: its procs, its children, and what is charged and may outlive them
 * @entry: in the tree of all, by @uid (users_lock)
 * @uid: constant
 * @parent: charged as well, counted; or NULL; constant
 * @depth: how many parents there are above it; constant
 * @used: of each use
 * @spare_lock: protects the rest
 * @procs: how many it has that are not shut down
 * @spares: transactions without a message, which it is charged for: see transaction.c
 * @spare_count: how many; 0 without @procs
 */
struct ipcbus_user {
	refcount_t ref;
	struct rb_node entry;
	kuid_t uid;
	struct ipcbus_user *parent;
	u32 depth;
	atomic_t used[IPCBUS_USE_COUNT];
	spinlock_t spare_lock;
	u32 procs;
	struct ipcbus_transaction *spares;
	u32 spare_count;
};

/* Sets the limits that no parameter set, by the size of memory. */
void ipcbus_users_init(void);

/* The user who opens a file in a user namespace, counted. NULL: no memory. */
struct ipcbus_user *ipcbus_user_find(kuid_t uid, const struct user_namespace *ns);

static inline struct ipcbus_user *ipcbus_user_get(struct ipcbus_user *user)
{
	refcount_inc(&user->ref);
	return user;
}

void ipcbus_user_put(struct ipcbus_user *user);

/* What each user may have. */
u32 ipcbus_user_limit(enum ipcbus_use use);

/* So many more, or -EDQUOT; so many less. Neither counts a reference. */
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

/* A line for each user, with its id as the reader sees it. */
void ipcbus_users_show(struct seq_file *seq);

#endif
