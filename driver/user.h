/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User
 *
 * A user of one bus: who opened files of it, in one user namespace, and the accounts that
 * pay for what these files have (mem/account.h). A proc is of the user who opened it,
 * whatever its threads become. Procs of one effective user in two namespaces have two of
 * these, and are the same user to each other.
 *
 * How much of somebody else's region a user may occupy is in mem/quota.h.
 */
#ifndef IPCBUS_USER_H
#define IPCBUS_USER_H

#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "main.h"
#include "mem/account.h"

struct cred;
struct seq_file;

/**
 * struct ipcbus_user - one user on one bus, in one user namespace
 * @ref: its procs, and what is charged and may outlive them
 * @entry: in bus->users (bus->lock)
 * @bus: counted; constant
 * @uid: constant
 * @ns: counted; constant
 * @payer: who is charged
 * @spare_lock: protects the rest
 * @procs: how many it has on the bus that are not shut down
 * @spares: transactions without a message, which it is charged for: see transaction.c
 * @spare_count: how many; 0 without @procs
 */
struct ipcbus_user {
	refcount_t ref;
	struct rb_node entry;
	struct ipcbus_bus *bus;
	kuid_t uid;
	struct user_namespace *ns;
	struct ipcbus_payer payer;
	spinlock_t spare_lock;
	u32 procs;
	struct ipcbus_transaction *spares;
	u32 spare_count;
};

/* The effective user of that bus, counted; NULL: no memory. */
struct ipcbus_user *ipcbus_user_find(struct ipcbus_bus *bus, const struct cred *cred);

static inline struct ipcbus_user *ipcbus_user_get(struct ipcbus_user *user)
{
	refcount_inc(&user->ref);
	return user;
}

void ipcbus_user_put(struct ipcbus_user *user);

/* May one trust the other with its region? Mostly it is the same one. */
static inline bool ipcbus_user_is_same(const struct ipcbus_user *user,
				       const struct ipcbus_user *other)
{
	return likely(user == other) || uid_eq(user->uid, other->uid);
}

/* What each user of the bus may have: the module's limit, or its mount's if less. */
u32 ipcbus_user_limit(const struct ipcbus_bus *bus, enum ipcbus_use use);

/* One more, or -EDQUOT; one less. Neither counts a reference. */
static inline int ipcbus_user_charge(struct ipcbus_user *user, enum ipcbus_use use)
{
	return ipcbus_payer_charge(&user->payer, use, 1);
}

static inline void ipcbus_user_uncharge(struct ipcbus_user *user, enum ipcbus_use use)
{
	ipcbus_payer_uncharge(&user->payer, use, 1);
}

/* A line of the bus's first user from *uid on, as the reader sees it; *uid is the next one's then.
 * False: there is none. */
bool ipcbus_user_show(struct seq_file *seq, struct ipcbus_bus *bus, u64 *uid);

#endif
