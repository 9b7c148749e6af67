// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users: see user.h.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "stats.h"
#include "user.h"

/* --- Limits ----------------------------------------------------------------- */

/* 0 until ipcbus_users_init(), unless set as a module parameter. */
static u32 limits[IPCBUS_USE_COUNT];

/* The limits on a machine with 1 GiB of memory or more. A smaller machine has proportionally
 * lower limits, so that the resources of one user take less than half of its memory. */
static const u32 default_limits[IPCBUS_USE_COUNT] = {
	[IPCBUS_USE_PROCS] = 8192,
	[IPCBUS_USE_NODES] = 2 * IPCBUS_LIMIT_NODES,
	[IPCBUS_USE_HANDLES] = 2 * IPCBUS_LIMIT_HANDLES,
	[IPCBUS_USE_CALLS] = 65536,
	[IPCBUS_USE_FILES] = 16384,
	[IPCBUS_USE_THREADS] = 32768,
	[IPCBUS_USE_BUSES] = 64,
};

#define LARGE_MIB	1024U	/* memory at which all limits apply in full */
#define SMALL_MIB	64U	/* smaller machines get the limits of this size */
#define LARGE_MEMORY	(4U << 20) /* maximum default of user_memory, in KiB */

module_param_named(user_procs, limits[IPCBUS_USE_PROCS], uint, 0644);
MODULE_PARM_DESC(user_procs, "open files of one user");
module_param_named(user_nodes, limits[IPCBUS_USE_NODES], uint, 0644);
MODULE_PARM_DESC(user_nodes, "nodes of one user");
module_param_named(user_handles, limits[IPCBUS_USE_HANDLES], uint, 0644);
MODULE_PARM_DESC(user_handles, "handles of one user, and as many watches, and objects in messages");
module_param_named(user_calls, limits[IPCBUS_USE_CALLS], uint, 0644);
MODULE_PARM_DESC(user_calls, "open calls and oneways of one user");
module_param_named(user_files, limits[IPCBUS_USE_FILES], uint, 0644);
MODULE_PARM_DESC(user_files, "files in flight, in requests of one user and in replies to it");
module_param_named(user_threads, limits[IPCBUS_USE_THREADS], uint, 0644);
MODULE_PARM_DESC(user_threads, "threads of one user that use a bus");
module_param_named(user_memory, limits[IPCBUS_USE_MEMORY], uint, 0644);
MODULE_PARM_DESC(user_memory, "KiB that the regions of one user occupy");

static work_func_t close_files;

void ipcbus_users_init(work_func_t close)
{
	u32 mib = min_t(u64, (u64)totalram_pages() * PAGE_SIZE >> 20, U32_MAX >> 10);
	u32 part = clamp(mib, SMALL_MIB, LARGE_MIB);
	enum ipcbus_use use;

	close_files = close;
	for (use = 0; use < IPCBUS_USE_COUNT; use++)
		if (!limits[use])
			limits[use] = (u64)default_limits[use] * part / LARGE_MIB;
	if (!limits[IPCBUS_USE_MEMORY])
		limits[IPCBUS_USE_MEMORY] = min(max(mib, SMALL_MIB) / 4 << 10, LARGE_MEMORY);
}

u32 ipcbus_user_limit(enum ipcbus_use use)
{
	if (use == IPCBUS_USE_WATCHES || use == IPCBUS_USE_OBJECTS)
		use = IPCBUS_USE_HANDLES;
	return READ_ONCE(limits[use]);
}

/* --- Users ------------------------------------------------------------------ */

/* Maximum nesting of user namespaces in the kernel. */
#define MAX_DEPTH	32

static DEFINE_MUTEX(users_lock);
static struct rb_root users = RB_ROOT;

/* Returns the user, counted. If there is none, adds new and returns it; new may be NULL. */
static struct ipcbus_user *find_or_add(kuid_t uid, struct ipcbus_user *new)
{
	struct rb_node **link = &users.rb_node, *parent = NULL;
	struct ipcbus_user *user;

	mutex_lock(&users_lock);
	while (*link) {
		user = rb_entry(*link, struct ipcbus_user, entry);
		if (uid_eq(uid, user->uid)) {
			ipcbus_user_get(user);
			goto out;
		}
		parent = *link;
		link = uid_lt(uid, user->uid) ? &parent->rb_left : &parent->rb_right;
	}
	user = new;
	if (new) {
		rb_link_node(&new->entry, parent, link);
		rb_insert_color(&new->entry, &users);
	}
out:
	mutex_unlock(&users_lock);
	return user;
}

/* Creates a user below parent, and returns it or NULL. Takes ownership of the reference of parent,
 * even on failure. */
static struct ipcbus_user *user_new(kuid_t uid, struct ipcbus_user *parent)
{
	struct ipcbus_user *user;

	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user) {
		if (parent)
			ipcbus_user_put(parent);
		return NULL;
	}
	refcount_set(&user->ref, 1);
	user->uid = uid;
	user->parent = parent;
	user->depth = parent ? parent->depth + 1 : 0;
	INIT_DELAYED_WORK(&user->close, close_files);
	spin_lock_init(&user->spare_lock);
	INIT_LIST_HEAD(&user->closing);
	ipcbus_stat_add(IPCBUS_STAT_USERS);
	return user;
}

/* Frees the user. Returns its parent, with the reference for the caller. */
static struct ipcbus_user *user_free(struct ipcbus_user *user)
{
	struct ipcbus_user *parent = user->parent;
	enum ipcbus_use use;

	for (use = 0; use < IPCBUS_USE_COUNT; use++)
		WARN_ON_ONCE(atomic_read(&user->used[use]));
	ipcbus_stat_remove(IPCBUS_STAT_USERS);
	kfree(user);
	return parent;
}

/* Finds or creates the user below parent, and returns it, counted, or NULL. Takes ownership of the
 * reference of parent. Never allocate under users_lock, which all users take: reclaim in the
 * caller's memory cgroup can take arbitrarily long. */
static struct ipcbus_user *find_below(kuid_t uid, struct ipcbus_user *parent)
{
	struct ipcbus_user *user, *new = NULL;

	user = find_or_add(uid, NULL);
	if (!user && !(parent && parent->depth >= MAX_DEPTH)) {
		new = user_new(uid, parent);
		if (!new)
			return NULL;
		user = find_or_add(uid, new);
		parent = user == new ? NULL : user_free(new);
	}
	if (parent)
		ipcbus_user_put(parent);
	return user;
}

/* Finds or creates the user of a uid, below the users that own its namespaces. Finds the owners
 * first, from the outermost namespace on. A parent is never created after its child, so there are
 * no cycles. */
struct ipcbus_user *ipcbus_user_find(kuid_t uid, const struct user_namespace *ns)
{
	struct ipcbus_user *user;
	kuid_t chain[MAX_DEPTH + 1];
	u32 n = 0;

	user = find_or_add(uid, NULL);
	if (user)
		return user;
	chain[n++] = uid;
	for (; ns->parent && n < ARRAY_SIZE(chain); ns = ns->parent)
		if (!uid_eq(ns->owner, GLOBAL_ROOT_UID))
			chain[n++] = ns->owner;
	do {
		user = find_below(chain[--n], user);
	} while (user && n);
	return user;
}

/* Drops a reference that may be the last, and returns whether it was. Holds the lock meanwhile, so
 * that find_or_add() cannot find a dying user. */
static bool put_last(struct ipcbus_user *user)
{
	bool last;

	if (refcount_dec_not_one(&user->ref))
		return false;
	mutex_lock(&users_lock);
	last = refcount_dec_and_test(&user->ref);
	if (last)
		rb_erase(&user->entry, &users);
	mutex_unlock(&users_lock);
	return last;
}

void ipcbus_user_put(struct ipcbus_user *user)
{
	while (user && put_last(user))
		user = user_free(user);
}

/* --- Charges ---------------------------------------------------------------- */

/* Returns whether so many resources exceed the limit of a user. As with Unix sockets, a process can
 * send a file only if the user's number of files in flight also does not exceed the process's
 * RLIMIT_NOFILE. */
static bool is_too_much(enum ipcbus_use use, unsigned long used)
{
	if (used > ipcbus_user_limit(use))
		return true;
	return use == IPCBUS_USE_FILES && used > rlimit(RLIMIT_NOFILE) &&
	       !capable(CAP_SYS_RESOURCE);
}

/* Uncharges the user and its parents below last. If last is NULL, uncharges all of them. */
static void uncharge_until(struct ipcbus_user *user, const struct ipcbus_user *last,
			   enum ipcbus_use use, u32 n)
{
	for (; user != last; user = user->parent)
		atomic_sub(n, &user->used[use]);
}

int ipcbus_user_charge_n(struct ipcbus_user *user, enum ipcbus_use use, u32 n)
{
	struct ipcbus_user *payer;

	for (payer = user; payer; payer = payer->parent) {
		if (likely(!is_too_much(use, atomic_add_return(n, &payer->used[use]))))
			continue;
		uncharge_until(user, payer->parent, use, n);
		return -EDQUOT;
	}
	return 0;
}

void ipcbus_user_uncharge_n(struct ipcbus_user *user, enum ipcbus_use use, u32 n)
{
	uncharge_until(user, NULL, use, n);
}

/* --- Display ---------------------------------------------------------------- */

void ipcbus_users_show(struct seq_file *seq)
{
	const struct ipcbus_user *user;
	struct rb_node *node;
	enum ipcbus_use use;

	mutex_lock(&users_lock);
	for (node = rb_first(&users); node; node = rb_next(node)) {
		user = rb_entry(node, struct ipcbus_user, entry);
		seq_printf(seq, "%u", from_kuid_munged(seq_user_ns(seq), user->uid));
		for (use = 0; use < IPCBUS_USE_COUNT; use++)
			seq_printf(seq, " %d", atomic_read(&user->used[use]));
		seq_puts(seq, "\n");
	}
	mutex_unlock(&users_lock);
}
