// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounts: see account.h. user.c finds a payer when a file is opened; the files of what
 * is charged for charge it.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "account.h"

/* 0 until ipcbus_accounts_init(), unless the administrator set it before. */
u32 ipcbus_account_most[IPCBUS_USE_COUNT];

/* The limits on a machine with 1 GiB of memory or more. A smaller one has less in
 * proportion: so all that one user has takes less than half of its memory. */
static const u32 most_of_all[IPCBUS_USE_COUNT] = {
	[IPCBUS_USE_PROCS] = 8192,
	[IPCBUS_USE_NODES] = 2 * IPCBUS_LIMIT_NODES,
	[IPCBUS_USE_HANDLES] = 2 * IPCBUS_LIMIT_HANDLES,
	[IPCBUS_USE_WATCHES] = 2 * IPCBUS_LIMIT_HANDLES,
	[IPCBUS_USE_CALLS] = 65536,
	[IPCBUS_USE_FILES] = 16384,
	[IPCBUS_USE_THREADS] = 32768,
	[IPCBUS_USE_BUSES] = 64,
	[IPCBUS_USE_OBJECTS] = 2 * IPCBUS_LIMIT_HANDLES,
};

#define LARGE_MIB	1024U	/* memory for all of these */
#define SMALL_MIB	64U	/* and less than this is as much as this */
#define LARGE_MEMORY	(4U << 20) /* KiB of regions at most */

module_param_named(user_procs, ipcbus_account_most[IPCBUS_USE_PROCS], uint, 0644);
MODULE_PARM_DESC(user_procs, "open files of one user");
module_param_named(user_nodes, ipcbus_account_most[IPCBUS_USE_NODES], uint, 0644);
MODULE_PARM_DESC(user_nodes, "nodes of one user");
module_param_named(user_handles, ipcbus_account_most[IPCBUS_USE_HANDLES], uint, 0644);
MODULE_PARM_DESC(user_handles, "handles of one user");
module_param_named(user_watches, ipcbus_account_most[IPCBUS_USE_WATCHES], uint, 0644);
MODULE_PARM_DESC(user_watches, "watches of one user");
module_param_named(user_calls, ipcbus_account_most[IPCBUS_USE_CALLS], uint, 0644);
MODULE_PARM_DESC(user_calls, "open calls and oneways of one user");
module_param_named(user_files, ipcbus_account_most[IPCBUS_USE_FILES], uint, 0644);
MODULE_PARM_DESC(user_files, "files that nobody took yet, in requests of one user and replies to it");
module_param_named(user_threads, ipcbus_account_most[IPCBUS_USE_THREADS], uint, 0644);
MODULE_PARM_DESC(user_threads, "threads of one user that use a bus");
module_param_named(user_memory, ipcbus_account_most[IPCBUS_USE_MEMORY], uint, 0644);
MODULE_PARM_DESC(user_memory, "KiB that the regions of one user occupy");
module_param_named(user_buses, ipcbus_account_most[IPCBUS_USE_BUSES], uint, 0644);
MODULE_PARM_DESC(user_buses, "buses that one user mounted");
module_param_named(user_objects, ipcbus_account_most[IPCBUS_USE_OBJECTS], uint, 0644);
MODULE_PARM_DESC(user_objects, "nodes and handles in messages of one user that nobody took yet");

void ipcbus_accounts_init(void)
{
	u32 mib = min_t(u64, (u64)totalram_pages() * PAGE_SIZE >> 20, U32_MAX >> 10);
	u32 part = clamp(mib, SMALL_MIB, LARGE_MIB), *most = ipcbus_account_most;
	enum ipcbus_use use;

	for (use = 0; use < IPCBUS_USE_COUNT; use++)
		if (!most[use])
			most[use] = (u64)most_of_all[use] * part / LARGE_MIB;
	if (!most[IPCBUS_USE_MEMORY])
		most[IPCBUS_USE_MEMORY] = min(max(mib, SMALL_MIB) / 4 << 10, LARGE_MEMORY);
}

/* --- Accounts --------------------------------------------------------------- */

static DEFINE_MUTEX(accounts_lock);
static struct rb_root accounts = RB_ROOT;

static bool is_before(const struct ipcbus_bus *bus, kuid_t uid,
		      const struct ipcbus_account *account)
{
	return bus == account->bus ? uid_lt(uid, account->uid) : bus < account->bus;
}

/* Held once more. If there is none, new becomes it; NULL: there is none. */
static struct ipcbus_account *find_or_add(const struct ipcbus_bus *bus, kuid_t uid,
					  struct ipcbus_account *new)
{
	struct rb_node **link = &accounts.rb_node, *parent = NULL;
	struct ipcbus_account *account;

	mutex_lock(&accounts_lock);
	while (*link) {
		account = rb_entry(*link, struct ipcbus_account, entry);
		if (bus == account->bus && uid_eq(uid, account->uid)) {
			account->holders++;
			goto out;
		}
		parent = *link;
		link = is_before(bus, uid, account) ? &parent->rb_left : &parent->rb_right;
	}
	account = new;
	if (new) {
		rb_link_node(&new->entry, parent, link);
		rb_insert_color(&new->entry, &accounts);
	}
out:
	mutex_unlock(&accounts_lock);
	return account;
}

/* Held once more; NULL: no memory. That is asked for without the lock, which everybody needs. */
static struct ipcbus_account *get_account(const struct ipcbus_bus *bus, const u32 *most, kuid_t uid)
{
	struct ipcbus_account *account, *new;

	account = find_or_add(bus, uid, NULL);
	if (account)
		return account;
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	new->holders = 1;
	new->bus = bus;
	new->uid = uid;
	new->most = most;
	account = find_or_add(bus, uid, new);
	if (account != new)
		kfree(new);
	return account;
}

static void put_account(struct ipcbus_account *account)
{
	enum ipcbus_use use;
	bool last;

	mutex_lock(&accounts_lock);
	last = !--account->holders;
	if (last)
		rb_erase(&account->entry, &accounts);
	mutex_unlock(&accounts_lock);
	if (!last)
		return;
	for (use = 0; use < IPCBUS_USE_COUNT; use++)
		WARN_ON_ONCE(atomic_read(&account->used[use]));
	kfree(account);
}

/* --- Payers ----------------------------------------------------------------- */

static int add(struct ipcbus_payer *payer, const struct ipcbus_bus *bus, const u32 *most,
	       kuid_t uid)
{
	struct ipcbus_account *account = get_account(bus, most, uid);

	if (!account)
		return -ENOMEM;
	payer->account[payer->count++] = account;
	return 0;
}

static bool is_among(const struct ipcbus_payer *payer, kuid_t uid)
{
	u32 i;

	for (i = 1; i < payer->count; i++)
		if (uid_eq(payer->account[i]->uid, uid))
			return true;
	return false;
}

static int add_owners(struct ipcbus_payer *payer, const struct user_namespace *ns)
{
	int ret;

	for (; ns->parent; ns = ns->parent) {
		if (uid_eq(ns->owner, GLOBAL_ROOT_UID) || is_among(payer, ns->owner))
			continue;
		ret = add(payer, NULL, ipcbus_account_most, ns->owner);
		if (ret)
			return ret;
	}
	return 0;
}

int ipcbus_payer_init(struct ipcbus_payer *payer, const struct ipcbus_bus *bus, const u32 *most,
		      kuid_t uid, struct user_namespace *ns)
{
	const struct user_namespace *above;
	u32 count = 2;
	int ret;

	for (above = ns; above->parent; above = above->parent)
		count++;
	payer->count = 0;
	payer->account = kcalloc(count, sizeof(*payer->account), GFP_KERNEL_ACCOUNT);
	if (!payer->account)
		return -ENOMEM;
	ret = add(payer, bus, most, uid) ?:
	      add(payer, NULL, ipcbus_account_most, uid) ?:
	      add_owners(payer, ns);
	if (ret)
		ipcbus_payer_done(payer);
	return ret;
}

void ipcbus_payer_done(struct ipcbus_payer *payer)
{
	while (payer->count)
		put_account(payer->account[--payer->count]);
	kfree(payer->account);
}

/* Files that nobody took are bounded like those in the queues of Unix sockets: a process that sends
 * one must be allowed to have as many open, also if the caller pays for it. */
static bool is_too_much(const struct ipcbus_account *account, enum ipcbus_use use, u32 used)
{
	if (used > READ_ONCE(account->most[use]))
		return true;
	return use == IPCBUS_USE_FILES && used > rlimit(RLIMIT_NOFILE) &&
	       !capable(CAP_SYS_RESOURCE);
}

static void uncharge_first(const struct ipcbus_payer *payer, u32 count, enum ipcbus_use use, u32 n)
{
	while (count--)
		atomic_sub(n, &payer->account[count]->used[use]);
}

int ipcbus_payer_charge(const struct ipcbus_payer *payer, enum ipcbus_use use, u32 n)
{
	struct ipcbus_account *account;
	u32 i;

	for (i = 0; i < payer->count; i++) {
		account = payer->account[i];
		if (likely(!is_too_much(account, use, atomic_add_return(n, &account->used[use]))))
			continue;
		uncharge_first(payer, i + 1, use, n);
		return -EDQUOT;
	}
	return 0;
}

void ipcbus_payer_uncharge(const struct ipcbus_payer *payer, enum ipcbus_use use, u32 n)
{
	uncharge_first(payer, payer->count, use, n);
}

/* --- What is shown ---------------------------------------------------------- */

kuid_t ipcbus_account_copy(const struct ipcbus_account *account, u32 used[IPCBUS_USE_COUNT])
{
	enum ipcbus_use use;

	for (use = 0; use < IPCBUS_USE_COUNT; use++)
		used[use] = atomic_read(&account->used[use]);
	return account->uid;
}

void ipcbus_account_show(struct seq_file *seq, kuid_t uid, const u32 *used, u32 uses)
{
	u32 use;

	seq_printf(seq, "%u", from_kuid_munged(seq_user_ns(seq), uid));
	for (use = 0; use < uses; use++)
		seq_printf(seq, " %d", used[use]);
	seq_puts(seq, "\n");
}

/* Of those without a bus. */
static const struct ipcbus_account *first_from_locked(u64 uid)
{
	const struct ipcbus_account *account, *first = NULL;
	struct rb_node *node = accounts.rb_node;
	bool is_from;

	lockdep_assert_held(&accounts_lock);
	while (node) {
		account = rb_entry(node, struct ipcbus_account, entry);
		is_from = account->bus || __kuid_val(account->uid) >= uid;
		if (is_from && !account->bus)
			first = account;
		node = is_from ? node->rb_left : node->rb_right;
	}
	return first;
}

bool ipcbus_accounts_show(struct seq_file *seq, struct ipcbus_bus *unused, u64 *uid)
{
	const struct ipcbus_account *account;
	u32 used[IPCBUS_USE_COUNT];
	kuid_t shown;

	mutex_lock(&accounts_lock);
	account = first_from_locked(*uid);
	if (account)
		shown = ipcbus_account_copy(account, used);
	mutex_unlock(&accounts_lock);
	if (!account)
		return false;
	*uid = __kuid_val(shown) + 1ULL;
	ipcbus_account_show(seq, shown, used, IPCBUS_USE_COUNT);
	return true;
}
