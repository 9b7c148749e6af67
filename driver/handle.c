// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handles: see handle.h. Only the proc's own threads change the table, under handle_lock. The fast
 * path of each message reads it under RCU.
 */
#include <linux/cred.h>
#include <linux/moduleparam.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "handle.h"
#include "node.h"
#include "proc.h"
#include "stats.h"
#include "user.h"
#include "watch.h"

#define FIRST_SIZE	16

/* Tables up to this size are covered by user_procs. Larger tables count in user_memory, because
 * they stay when their handles are gone. */
#define SMALL_SIZE	128

static struct ipcbus_handle_table no_table;

/* Returns the KiB of user_memory for a table of this size. */
static u32 table_kib(u32 size)
{
	return size > SMALL_SIZE ? DIV_ROUND_UP(size * sizeof(void *), 1024) : 0;
}

static struct ipcbus_handle_table *table_new(struct ipcbus_proc *proc, u32 size)
{
	struct ipcbus_handle_table *table;
	u32 kib = table_kib(size);
	int ret;

	ret = kib ? ipcbus_user_charge_n(proc->user, IPCBUS_USE_MEMORY, kib) : 0;
	if (ret)
		return ERR_PTR(ret);
	table = kvzalloc(struct_size(table, entry, size), GFP_KERNEL_ACCOUNT);
	if (!table) {
		ipcbus_user_uncharge_n(proc->user, IPCBUS_USE_MEMORY, kib);
		return ERR_PTR(-ENOMEM);
	}
	table->size = size;
	return table;
}

void ipcbus_handles_begin(struct ipcbus_proc *proc)
{
	RCU_INIT_POINTER(proc->handles, &no_table);
}

static struct ipcbus_handle_table *table_of(struct ipcbus_proc *proc)
{
	return rcu_dereference_protected(proc->handles, lockdep_is_held(&proc->handle_lock));
}

struct ipcbus_handle_entry *ipcbus_handle_at(struct ipcbus_proc *proc, u32 number)
{
	struct ipcbus_handle_table *table = table_of(proc);

	if (number >= table->size)
		return NULL;
	return rcu_dereference_protected(table->entry[number],
					 lockdep_is_held(&proc->handle_lock));
}

static void set_entry(struct ipcbus_proc *proc, u32 number, struct ipcbus_handle_entry *entry)
{
	rcu_assign_pointer(table_of(proc)->entry[number], entry);
}

/* Replaces the handle table. Frees the old table after a grace period, because RCU readers may
 * still use it. */
static void set_table(struct ipcbus_proc *proc, struct ipcbus_handle_table *table)
{
	struct ipcbus_handle_table *old = table_of(proc);

	rcu_assign_pointer(proc->handles, table);
	if (old == &no_table)
		return;
	ipcbus_user_uncharge_n(proc->user, IPCBUS_USE_MEMORY, table_kib(old->size));
	kvfree_rcu(old, rcu);
}

/* Makes the table large enough that half of it stays free after one more entry. */
static int table_grow(struct ipcbus_proc *proc)
{
	struct ipcbus_handle_table *old = table_of(proc), *table;
	u32 i;

	if (proc->handle_count + 1 <= old->size / 2)
		return 0;
	table = table_new(proc, old->size * 2 ?: FIRST_SIZE);
	if (IS_ERR(table))
		return PTR_ERR(table);
	for (i = 0; i < old->size; i++)
		RCU_INIT_POINTER(table->entry[i], ipcbus_handle_at(proc, i));
	set_table(proc, table);
	return 0;
}

/* Returns a free number. Numbers are used in turn, so that a number that was put is reused late. */
static u32 free_number(struct ipcbus_proc *proc)
{
	u32 size = table_of(proc)->size;

	do {
		proc->next_handle = proc->next_handle % (size - 1) + 1;
	} while (ipcbus_handle_at(proc, proc->next_handle));
	return proc->next_handle;
}

static int compare_node(const void *node, const struct rb_node *entry)
{
	const void *other = rb_entry(entry, struct ipcbus_handle_entry, by_node)->node;

	return node < other ? -1 : node > other;
}

static bool is_before(struct rb_node *a, const struct rb_node *b)
{
	return compare_node(rb_entry(a, struct ipcbus_handle_entry, by_node)->node, b) < 0;
}

static struct ipcbus_handle_entry *entry_alloc(struct ipcbus_node_entry *node)
{
	struct ipcbus_handle_entry *entry;

	entry = kzalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT);
	if (entry)
		entry->node = node;
	return entry;
}

/* Creates a handle for a node, which the caller adds to the table. Makes space in the table.
 * Returns the handle or ERR_PTR. On success takes ownership of a remote reference of the node. */
static struct ipcbus_handle_entry *entry_new(struct ipcbus_proc *proc,
					     struct ipcbus_node_entry *node)
{
	struct ipcbus_handle_entry *entry;
	int ret;

	lockdep_assert_held(&proc->handle_lock);
	if (proc->handle_count >= IPCBUS_LIMIT_HANDLES)
		return ERR_PTR(-EDQUOT);
	ret = table_grow(proc);
	if (ret)
		return ERR_PTR(ret);
	ret = ipcbus_user_charge(proc->user, IPCBUS_USE_HANDLES);
	if (ret)
		return ERR_PTR(ret);
	entry = entry_alloc(node);
	if (!entry) {
		ipcbus_user_uncharge(proc->user, IPCBUS_USE_HANDLES);
		return ERR_PTR(-ENOMEM);
	}
	return entry;
}

static void entry_publish(struct ipcbus_proc *proc, struct ipcbus_handle_entry *entry)
{
	set_entry(proc, entry->number, entry);
	/* inspect.c reads handle_count without the lock. */
	WRITE_ONCE(proc->handle_count, proc->handle_count + 1);
	ipcbus_stat_add(IPCBUS_STAT_HANDLES);
}

/* Frees an entry that is out of the table. */
static void entry_free(struct ipcbus_proc *proc, struct ipcbus_handle_entry *entry)
{
	lockdep_assert_held(&proc->handle_lock);
	if (entry->watch)
		ipcbus_watch_cancel(entry->watch);
	if (entry->number)
		rb_erase(&entry->by_node, &proc->handles_by_node);
	WRITE_ONCE(proc->handle_count, proc->handle_count - 1);
	ipcbus_user_uncharge(proc->user, IPCBUS_USE_HANDLES);
	ipcbus_stat_remove(IPCBUS_STAT_HANDLES);
	ipcbus_node_put_remote(entry->node);
	kfree_rcu(entry, rcu);
}

/* Replaces handle 0 of a dead manager by a handle for the new manager. The entry stays counted and
 * charged. Takes ownership of a remote reference of node on success. */
static struct ipcbus_handle_entry *entry_replace(struct ipcbus_proc *proc,
						 struct ipcbus_handle_entry *old,
						 struct ipcbus_node_entry *node)
{
	struct ipcbus_handle_entry *entry;

	lockdep_assert_held(&proc->handle_lock);
	entry = entry_alloc(node);
	if (!entry)
		return ERR_PTR(-ENOMEM);
	set_entry(proc, 0, entry);
	/* The watch has fired. Its event stays in the queue. */
	if (old->watch)
		ipcbus_watch_put(old->watch);
	ipcbus_node_put_remote(old->node);
	kfree_rcu(old, rcu);
	return entry;
}

/* Returns handle 0. It is created at first use, and replaced for each new manager. */
static struct ipcbus_handle_entry *manager_entry(struct ipcbus_proc *proc)
{
	struct ipcbus_handle_entry *entry, *old;
	struct ipcbus_node_entry *node;

	lockdep_assert_held(&proc->handle_lock);
	old = ipcbus_handle_at(proc, 0);
	if (old && !READ_ONCE(old->node->dead))
		return old;
	node = ipcbus_manager_get(proc->bus);
	if (!node)
		return ERR_PTR(-ENOTCONN);
	entry = old ? entry_replace(proc, old, node) : entry_new(proc, node);
	if (IS_ERR(entry))
		ipcbus_node_put_remote(node);
	else if (!old)
		entry_publish(proc, entry);
	return entry;
}

static struct ipcbus_node_entry *manager_node(struct ipcbus_proc *proc)
{
	struct ipcbus_handle_entry *entry;
	struct ipcbus_node_entry *node;

	mutex_lock(&proc->handle_lock);
	entry = manager_entry(proc);
	node = IS_ERR(entry) ? ERR_CAST(entry) : entry->node;
	if (!IS_ERR(node) && !ipcbus_node_get_active(node))
		node = ERR_PTR(-EOWNERDEAD);
	mutex_unlock(&proc->handle_lock);
	return node;
}

struct ipcbus_node_entry *ipcbus_handle_node(struct ipcbus_proc *proc, u32 number)
{
	struct ipcbus_node_entry *node = ERR_PTR(-EBADF);
	struct ipcbus_handle_table *table;
	struct ipcbus_handle_entry *entry;

	rcu_read_lock();
	table = rcu_dereference(proc->handles);
	if (likely(number < table->size)) {
		number = array_index_nospec(number, table->size);
		entry = rcu_dereference(table->entry[number]);
		if (entry)
			node = ipcbus_node_get_active(entry->node) ? entry->node :
								     ERR_PTR(-EOWNERDEAD);
	}
	rcu_read_unlock();

	if (likely(number))
		return node;
	if (!IS_ERR(node)) {
		if (likely(!READ_ONCE(node->dead)))
			return node;
		ipcbus_node_put(node);
	}
	return manager_node(proc);
}

struct ipcbus_node_entry *ipcbus_handle_hold(struct ipcbus_proc *proc, u32 number)
{
	struct ipcbus_node_entry *node = NULL;
	struct ipcbus_handle_entry *entry;

	mutex_lock(&proc->handle_lock);
	entry = ipcbus_handle_at(proc, number);
	if (entry) {
		node = entry->node;
		ipcbus_node_hold(node);
	}
	mutex_unlock(&proc->handle_lock);
	return node;
}

int ipcbus_handle_take(struct ipcbus_proc *proc, struct ipcbus_node_entry *node,
		       u32 *ret_number)
{
	struct ipcbus_handle_entry *entry;
	int ret = 0;

	mutex_lock(&proc->handle_lock);
	entry = rb_entry_safe(rb_find(node, &proc->handles_by_node, compare_node),
			      struct ipcbus_handle_entry, by_node);
	if (!entry) {
		entry = entry_new(proc, node);
		if (IS_ERR(entry)) {
			ret = PTR_ERR(entry);
			goto out;
		}
		entry->number = free_number(proc);
		ipcbus_node_get_remote(node);
		rb_add(&entry->by_node, &proc->handles_by_node, is_before);
		entry_publish(proc, entry);
	}
	if (entry->count == U32_MAX) {
		ret = -EDQUOT;
		goto out;
	}
	entry->count++;
	*ret_number = entry->number;
out:
	mutex_unlock(&proc->handle_lock);
	return ret;
}

int ipcbus_handle_put_counts(struct ipcbus_proc *proc, u32 number, u32 count)
{
	struct ipcbus_handle_entry *entry;
	int ret = 0;

	mutex_lock(&proc->handle_lock);
	entry = number ? ipcbus_handle_at(proc, number) : NULL;
	if (!entry || entry->count < count) {
		ret = -EBADF;
	} else {
		entry->count -= count;
		if (!entry->count) {
			set_entry(proc, number, NULL);
			entry_free(proc, entry);
		}
	}
	mutex_unlock(&proc->handle_lock);
	return ret;
}

u32 ipcbus_handle_end(struct ipcbus_proc *proc)
{
	lockdep_assert_held(&proc->handle_lock);
	return table_of(proc)->size;
}

static struct ipcbus_handle_entry *entry_find(struct ipcbus_proc *proc, u32 number)
{
	struct ipcbus_handle_entry *entry;

	if (!number)
		return manager_entry(proc);
	entry = ipcbus_handle_at(proc, number);
	return entry ?: ERR_PTR(-EBADF);
}

struct ipcbus_node_entry *ipcbus_handle_export(struct ipcbus_proc *proc, u32 number)
{
	struct ipcbus_handle_entry *entry;
	struct ipcbus_node_entry *node;

	mutex_lock(&proc->handle_lock);
	entry = entry_find(proc, number);
	node = IS_ERR(entry) ? ERR_CAST(entry) : entry->node;
	if (!IS_ERR(node))
		ipcbus_node_get_remote(node);
	mutex_unlock(&proc->handle_lock);
	return node;
}

static int watch_node(struct ipcbus_proc *proc, const struct ipcbus_handle *args)
{
	struct ipcbus_handle_entry *entry;

	entry = entry_find(proc, args->handle);
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	if (entry->watch && ipcbus_watch_is_done(entry->watch)) {
		ipcbus_watch_cancel(entry->watch);
		entry->watch = NULL;
	}
	if (entry->watch)
		return -EBUSY;
	return ipcbus_watch_node(proc, entry->node, args->cookie, &entry->watch);
}

/* Returns whether the arguments name the manager watch instead of a death watch. */
static bool is_of_manager(const struct ipcbus_handle *args)
{
	return args->flags == IPCBUS_WATCH_MANAGER && !args->handle;
}

int ipcbus_handle_put(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_handle *args = data;

	if (args->flags || args->cookie || !args->count)
		return -EINVAL;
	return ipcbus_handle_put_counts(proc, args->handle, args->count);
}

int ipcbus_handle_watch(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_handle *args = data;
	int ret;

	if (args->count || (args->flags && !is_of_manager(args)))
		return -EINVAL;
	mutex_lock(&proc->handle_lock);
	if (is_of_manager(args))
		ret = ipcbus_watch_manager(proc, args->cookie);
	else
		ret = watch_node(proc, args);
	mutex_unlock(&proc->handle_lock);
	return ret;
}

static int unwatch_node(struct ipcbus_proc *proc, u32 number)
{
	struct ipcbus_handle_entry *entry;
	struct ipcbus_watch *watch = NULL;

	entry = ipcbus_handle_at(proc, number);
	if (!entry)
		return number ? -EBADF : -ENOENT;
	if (!entry->watch)
		return -ENOENT;
	swap(watch, entry->watch);
	return ipcbus_watch_cancel(watch);
}

int ipcbus_handle_unwatch(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_handle *args = data;
	int ret;

	if (args->count || args->cookie || (args->flags && !is_of_manager(args)))
		return -EINVAL;
	mutex_lock(&proc->handle_lock);
	if (is_of_manager(args))
		ret = ipcbus_unwatch_manager(proc);
	else
		ret = unwatch_node(proc, args->handle);
	mutex_unlock(&proc->handle_lock);
	return ret;
}

void ipcbus_handles_release(struct ipcbus_proc *proc)
{
	struct ipcbus_handle_entry *entry;
	u32 number;

	mutex_lock(&proc->handle_lock);
	ipcbus_unwatch_manager(proc);
	for (number = 0; number < table_of(proc)->size; number++) {
		entry = ipcbus_handle_at(proc, number);
		if (!entry)
			continue;
		set_entry(proc, number, NULL);
		entry_free(proc, entry);
		cond_resched();
	}
	set_table(proc, &no_table);
	mutex_unlock(&proc->handle_lock);
}

/* --- The manager, which is handle 0 ----------------------------------------- */

static unsigned int manager_uid = -1;
module_param_named(manager_uid, manager_uid, uint, 0644);
MODULE_PARM_DESC(manager_uid, "uid that may set the manager of /dev/ipcbus, in addition to root");

static bool may_be_manager_locked(const struct ipcbus_bus *bus)
{
	kuid_t uid = bus->manager_uid;

	lockdep_assert_held(&bus->lock);
	if (bus == &ipcbus_default_bus)
		uid = make_kuid(&init_user_ns, READ_ONCE(manager_uid));
	return uid_eq(current_euid(), uid) || uid_eq(current_euid(), bus->root) ||
	       uid_eq(current_euid(), GLOBAL_ROOT_UID);
}

int ipcbus_manager_set(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_node *args = data;
	struct ipcbus_node_entry *node, *old = NULL;
	struct ipcbus_bus *bus = proc->bus;
	int ret = 0;

	if (args->flags || args->cookie || args->sched_policy || args->priority)
		return -EINVAL;
	node = ipcbus_node_export(proc, args->node);
	if (!node)
		return -ENOENT;

	mutex_lock(&bus->lock);
	if (!may_be_manager_locked(bus)) {
		ret = -EPERM;
	} else if (ipcbus_node_is_alive(bus->manager)) {
		ret = -EBUSY;
	} else {
		old = bus->manager;
		bus->manager = node;
		bus->manager_count++;
	}
	mutex_unlock(&bus->lock);
	ipcbus_watches_notify_manager(bus);

	if (ret)
		old = node;
	if (old)
		ipcbus_node_put_remote(old);
	return ret;
}

struct ipcbus_node_entry *ipcbus_manager_get(struct ipcbus_bus *bus)
{
	struct ipcbus_node_entry *node = NULL;

	mutex_lock(&bus->lock);
	if (bus->manager && ipcbus_node_get_remote_alive(bus->manager))
		node = bus->manager;
	mutex_unlock(&bus->lock);
	return node;
}

void ipcbus_manager_release(struct ipcbus_proc *proc)
{
	struct ipcbus_node_entry *manager = NULL;
	struct ipcbus_bus *bus = proc->bus;

	mutex_lock(&bus->lock);
	if (bus->manager && bus->manager->owner == proc->number)
		swap(manager, bus->manager);
	mutex_unlock(&bus->lock);
	if (manager)
		ipcbus_node_put_remote(manager);
}
