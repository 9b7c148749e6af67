// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users: see user.h. Found when a file is opened, shown by files.c.
 */
#include <linux/cred.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "stats.h"
#include "user.h"

static struct ipcbus_user *user_new(struct ipcbus_bus *bus, const struct cred *cred)
{
	struct ipcbus_user *user;

	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;
	if (ipcbus_payer_init(&user->payer, bus, bus->limits.user, cred->euid, cred->user_ns)) {
		kfree(user);
		return NULL;
	}
	refcount_set(&user->ref, 1);
	user->bus = ipcbus_bus_get(bus);
	user->uid = cred->euid;
	user->ns = get_user_ns(cred->user_ns);
	spin_lock_init(&user->spare_lock);
	ipcbus_stat_add(IPCBUS_STAT_USERS);
	return user;
}

static void user_drop(struct ipcbus_user *user)
{
	/* Its first account looks at the limits of the bus. */
	ipcbus_payer_done(&user->payer);
	put_user_ns(user->ns);
	ipcbus_bus_put(user->bus);
	ipcbus_stat_remove(IPCBUS_STAT_USERS);
	kfree(user);
}

static bool is_before(const struct cred *cred, const struct ipcbus_user *user)
{
	return uid_eq(cred->euid, user->uid) ? cred->user_ns < user->ns :
					       uid_lt(cred->euid, user->uid);
}

/* Counted. If there is none, new becomes it; NULL: there is none. */
static struct ipcbus_user *find_or_add(struct ipcbus_bus *bus, const struct cred *cred,
				       struct ipcbus_user *new)
{
	struct rb_node **link = &bus->users.rb_node, *parent = NULL;
	struct ipcbus_user *user;

	mutex_lock(&bus->lock);
	while (*link) {
		user = rb_entry(*link, struct ipcbus_user, entry);
		if (uid_eq(cred->euid, user->uid) && cred->user_ns == user->ns) {
			ipcbus_user_get(user);
			goto out;
		}
		parent = *link;
		link = is_before(cred, user) ? &parent->rb_left : &parent->rb_right;
	}
	user = new;
	if (new) {
		rb_link_node(&new->entry, parent, link);
		rb_insert_color(&new->entry, &bus->users);
	}
out:
	mutex_unlock(&bus->lock);
	return user;
}

/* Others need the lock, and memory may take as long as this user's cgroup wants it to. */
struct ipcbus_user *ipcbus_user_find(struct ipcbus_bus *bus, const struct cred *cred)
{
	struct ipcbus_user *user, *new;

	user = find_or_add(bus, cred, NULL);
	if (user)
		return user;
	new = user_new(bus, cred);
	if (!new)
		return NULL;
	user = find_or_add(bus, cred, new);
	if (user != new)
		user_drop(new);
	return user;
}

/* The last one is put with the lock of the bus, so that nobody finds the user while it goes. */
void ipcbus_user_put(struct ipcbus_user *user)
{
	struct ipcbus_bus *bus = user->bus;
	bool last;

	if (refcount_dec_not_one(&user->ref))
		return;
	mutex_lock(&bus->lock);
	last = refcount_dec_and_test(&user->ref);
	if (last)
		rb_erase(&user->entry, &bus->users);
	mutex_unlock(&bus->lock);
	if (last)
		user_drop(user);
}

u32 ipcbus_user_limit(const struct ipcbus_bus *bus, enum ipcbus_use use)
{
	return min(READ_ONCE(ipcbus_account_most[use]), READ_ONCE(bus->limits.user[use]));
}

/* Those of one user in several namespaces have one account. */
static const struct ipcbus_account *first_from_locked(struct ipcbus_bus *bus, u64 uid)
{
	const struct ipcbus_account *first = NULL;
	struct rb_node *node = bus->users.rb_node;
	const struct ipcbus_user *user;

	lockdep_assert_held(&bus->lock);
	while (node) {
		user = rb_entry(node, struct ipcbus_user, entry);
		if (__kuid_val(user->uid) >= uid)
			first = user->payer.account[0];
		node = __kuid_val(user->uid) >= uid ? node->rb_left : node->rb_right;
	}
	return first;
}

bool ipcbus_user_show(struct seq_file *seq, struct ipcbus_bus *bus, u64 *uid)
{
	const struct ipcbus_account *account;
	u32 used[IPCBUS_USE_COUNT];
	kuid_t shown;

	mutex_lock(&bus->lock);
	account = first_from_locked(bus, *uid);
	if (account)
		shown = ipcbus_account_copy(account, used);
	mutex_unlock(&bus->lock);
	if (!account)
		return false;
	*uid = __kuid_val(shown) + 1ULL;
	ipcbus_account_show(seq, shown, used, IPCBUS_USE_ON_BUS);
	return true;
}
