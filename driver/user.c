// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users: see user.h. Found when a file is opened, charged by the files of what
 * is charged for, shown by files.c.
 */
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "stats.h"
#include "user.h"

/* What a user may have of each on any bus; root changes them as module parameters. */
static unsigned int most[IPCBUS_USE_COUNT] = {
	[IPCBUS_USE_PROCS] = 8192,
	[IPCBUS_USE_NODES] = 4 * IPCBUS_LIMIT_NODES,
	[IPCBUS_USE_HANDLES] = 4 * IPCBUS_LIMIT_HANDLES,
	[IPCBUS_USE_WATCHES] = 4 * IPCBUS_LIMIT_HANDLES,
	[IPCBUS_USE_CALLS] = 131072,
	[IPCBUS_USE_FILES] = 16384,
};

module_param_named(user_procs, most[IPCBUS_USE_PROCS], uint, 0644);
MODULE_PARM_DESC(user_procs, "open files of one user on a bus");
module_param_named(user_nodes, most[IPCBUS_USE_NODES], uint, 0644);
MODULE_PARM_DESC(user_nodes, "nodes of one user");
module_param_named(user_handles, most[IPCBUS_USE_HANDLES], uint, 0644);
MODULE_PARM_DESC(user_handles, "handles of one user");
module_param_named(user_watches, most[IPCBUS_USE_WATCHES], uint, 0644);
MODULE_PARM_DESC(user_watches, "watches of one user");
module_param_named(user_calls, most[IPCBUS_USE_CALLS], uint, 0644);
MODULE_PARM_DESC(user_calls, "open calls and oneways of one user");
module_param_named(user_files, most[IPCBUS_USE_FILES], uint, 0644);
MODULE_PARM_DESC(user_files, "files in one user's messages that nobody took yet");

static struct ipcbus_user *find_locked(struct ipcbus_bus *bus, kuid_t uid)
{
	struct ipcbus_user *user;

	lockdep_assert_held(&bus->lock);
	list_for_each_entry(user, &bus->users, entry)
		if (uid_eq(user->uid, uid))
			return ipcbus_user_get(user);
	return NULL;
}

static struct ipcbus_user *user_new_locked(struct ipcbus_bus *bus, kuid_t uid)
{
	struct ipcbus_user *user;

	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;
	kref_init(&user->ref);
	user->bus = ipcbus_bus_get(bus);
	user->uid = uid;
	list_add(&user->entry, &bus->users);
	ipcbus_stat_add(IPCBUS_STAT_USERS);
	return user;
}

struct ipcbus_user *ipcbus_user_find(struct ipcbus_bus *bus, kuid_t uid)
{
	struct ipcbus_user *user;

	mutex_lock(&bus->lock);
	user = find_locked(bus, uid) ?: user_new_locked(bus, uid);
	mutex_unlock(&bus->lock);
	return user;
}

/* Came with the bus's lock held, so that nobody finds it meanwhile. */
static void user_free(struct kref *ref)
{
	struct ipcbus_user *user = container_of(ref, struct ipcbus_user, ref);
	enum ipcbus_use use;

	list_del(&user->entry);
	mutex_unlock(&user->bus->lock);
	for (use = 0; use < IPCBUS_USE_COUNT; use++)
		WARN_ON_ONCE(atomic_read(&user->used[use]));
	ipcbus_bus_put(user->bus);
	ipcbus_stat_remove(IPCBUS_STAT_USERS);
	kfree(user);
}

void ipcbus_user_put(struct ipcbus_user *user)
{
	kref_put_mutex(&user->ref, user_free, &user->bus->lock);
}

u32 ipcbus_user_limit(const struct ipcbus_bus *bus, enum ipcbus_use use)
{
	return min(READ_ONCE(most[use]), READ_ONCE(bus->limits.user[use]));
}

int ipcbus_user_charge(struct ipcbus_user *user, enum ipcbus_use use)
{
	if ((u32)atomic_inc_return(&user->used[use]) <= ipcbus_user_limit(user->bus, use))
		return 0;
	atomic_dec(&user->used[use]);
	return -EDQUOT;
}

void ipcbus_user_uncharge(struct ipcbus_user *user, enum ipcbus_use use)
{
	atomic_dec(&user->used[use]);
}

void ipcbus_users_show(struct seq_file *seq, struct ipcbus_bus *bus)
{
	struct ipcbus_user *user;
	enum ipcbus_use use;

	mutex_lock(&bus->lock);
	list_for_each_entry(user, &bus->users, entry) {
		seq_printf(seq, "%u", from_kuid_munged(seq_user_ns(seq), user->uid));
		for (use = 0; use < IPCBUS_USE_COUNT; use++)
			seq_printf(seq, " %d", atomic_read(&user->used[use]));
		seq_puts(seq, "\n");
	}
	mutex_unlock(&bus->lock);
}
