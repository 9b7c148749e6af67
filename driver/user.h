/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A user of one bus: what all its procs have together, and may have. Whoever
 * makes something for a proc charges its user first, and gives that back when the
 * thing goes; what is too much fails with -EDQUOT for this user and for nobody
 * else. A proc is of the user who opened it, whatever its threads become.
 *
 * How much of somebody else's region a user may take is in quota.h.
 */
#ifndef IPCBUS_USER_H
#define IPCBUS_USER_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/uidgid.h>

#include "main.h"

struct seq_file;

/**
 * struct ipcbus_user - one user on one bus
 * @ref: its procs, and what is charged and may outlive them
 * @entry: in bus->users (bus->lock)
 * @bus: counted; constant
 * @uid: constant
 * @used: of each use
 */
struct ipcbus_user {
	struct kref ref;
	struct list_head entry;
	struct ipcbus_bus *bus;
	kuid_t uid;
	atomic_t used[IPCBUS_USE_COUNT];
};

/* The user of that bus, counted; NULL: no memory. */
struct ipcbus_user *ipcbus_user_find(struct ipcbus_bus *bus, kuid_t uid);

static inline struct ipcbus_user *ipcbus_user_get(struct ipcbus_user *user)
{
	kref_get(&user->ref);
	return user;
}

void ipcbus_user_put(struct ipcbus_user *user);

/* What each user of the bus may have: the module's limit, or its mount's if less. */
u32 ipcbus_user_limit(const struct ipcbus_bus *bus, enum ipcbus_use use);
/* One more, or -EDQUOT; one less. Neither counts a reference. */
int ipcbus_user_charge(struct ipcbus_user *user, enum ipcbus_use use);
void ipcbus_user_uncharge(struct ipcbus_user *user, enum ipcbus_use use);

/* A line each of the bus's users, as the reader sees them. */
void ipcbus_users_show(struct seq_file *seq, struct ipcbus_bus *bus);

#endif
