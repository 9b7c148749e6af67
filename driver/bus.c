// SPDX-License-Identifier: GPL-2.0-only
/*
 * One bus: see bus.h. Called when procs and mounts come and go, and for handle 0.
 */
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "arrival.h"
#include "bus.h"
#include "node.h"
#include "proc.h"
#include "stats.h"

#define MOST {					\
	.procs = U32_MAX,			\
	.nodes = IPCBUS_LIMIT_NODES,		\
	.handles = IPCBUS_LIMIT_HANDLES,	\
	.threads = IPCBUS_LIMIT_THREADS,	\
	.region = IPCBUS_MAX_REGION,		\
	.user = { [0 ... IPCBUS_USE_COUNT - 1] = U32_MAX },	\
}

const struct ipcbus_limits ipcbus_most = MOST;

struct ipcbus_bus ipcbus_default_bus = {
	.ref = KREF_INIT(1),
	.root = GLOBAL_ROOT_UID,
	.limits = MOST,
	.lock = __MUTEX_INITIALIZER(ipcbus_default_bus.lock),
	.procs = LIST_HEAD_INIT(ipcbus_default_bus.procs),
	.users = LIST_HEAD_INIT(ipcbus_default_bus.users),
	.arrivals = LIST_HEAD_INIT(ipcbus_default_bus.arrivals),
	.user_ns = &init_user_ns,
	.failures = IPCBUS_FAILURES_INIT(ipcbus_default_bus.failures),
	.monitors = { .lock = __SPIN_LOCK_UNLOCKED(ipcbus_default_bus.monitors.lock) },
};

struct ipcbus_bus *ipcbus_bus_new(struct user_namespace *ns)
{
	struct ipcbus_bus *bus;

	bus = kzalloc(sizeof(*bus), GFP_KERNEL_ACCOUNT);
	if (!bus)
		return NULL;
	kref_init(&bus->ref);
	bus->user_ns = get_user_ns(ns);
	spin_lock_init(&bus->failures.lock);
	spin_lock_init(&bus->monitors.lock);
	bus->root = make_kuid(ns, 0);
	bus->limits = ipcbus_most;
	mutex_init(&bus->lock);
	INIT_LIST_HEAD(&bus->procs);
	INIT_LIST_HEAD(&bus->users);
	INIT_LIST_HEAD(&bus->arrivals);
	ipcbus_stat_add(IPCBUS_STAT_BUSES);
	return bus;
}

static void bus_free(struct kref *ref)
{
	struct ipcbus_bus *bus = container_of(ref, struct ipcbus_bus, ref);

	WARN_ON_ONCE(!list_empty(&bus->procs) || !list_empty(&bus->users) ||
		     !list_empty(&bus->arrivals) || bus->manager);
	put_user_ns(bus->user_ns);
	ipcbus_stat_remove(IPCBUS_STAT_BUSES);
	kfree(bus);
}

void ipcbus_bus_put(struct ipcbus_bus *bus)
{
	kref_put(&bus->ref, bus_free);
}

int ipcbus_bus_add(struct ipcbus_bus *bus, struct ipcbus_proc *proc)
{
	int ret = 0;

	mutex_lock(&bus->lock);
	if (bus->proc_count < READ_ONCE(bus->limits.procs)) {
		bus->proc_count++;
		proc->number = ++bus->last_number;
		list_add_tail(&proc->bus_entry, &bus->procs);
	} else {
		ret = -EDQUOT;
	}
	mutex_unlock(&bus->lock);
	return ret;
}

void ipcbus_bus_remove(struct ipcbus_bus *bus, struct ipcbus_proc *proc)
{
	struct ipcbus_node_entry *manager = NULL;

	mutex_lock(&bus->lock);
	list_del(&proc->bus_entry);
	bus->proc_count--;
	if (bus->manager && bus->manager->proc == proc)
		swap(manager, bus->manager);
	mutex_unlock(&bus->lock);
	if (manager)
		ipcbus_node_put_remote(manager);
}

struct ipcbus_proc *ipcbus_bus_next(struct ipcbus_bus *bus, struct ipcbus_proc *last)
{
	struct ipcbus_proc *proc, *next = NULL;

	mutex_lock(&bus->lock);
	list_for_each_entry(proc, &bus->procs, bus_entry) {
		if (last && proc->number <= last->number)
			continue;
		next = ipcbus_proc_get(proc);
		break;
	}
	mutex_unlock(&bus->lock);
	if (last)
		ipcbus_proc_put(last);
	return next;
}

bool ipcbus_bus_has_manager_locked(struct ipcbus_bus *bus)
{
	lockdep_assert_held(&bus->lock);
	return bus->manager && !READ_ONCE(bus->manager->dead);
}

static int may_claim(struct ipcbus_bus *bus)
{
	if (ipcbus_bus_has_manager_locked(bus))
		return -EBUSY;
	if (bus->claimed && !uid_eq(current_euid(), bus->manager_uid) &&
	    !uid_eq(current_euid(), bus->root) && !uid_eq(current_euid(), GLOBAL_ROOT_UID))
		return -EPERM;
	return 0;
}

int ipcbus_bus_set_manager(struct ipcbus_proc *proc, void *data)
{
	const struct ipcbus_node *args = data;
	struct ipcbus_node_entry *node, *old = NULL;
	struct ipcbus_bus *bus = proc->bus;
	int ret;

	if (args->flags || args->cookie || args->policy || args->priority)
		return -EINVAL;
	node = ipcbus_node_export(proc, args->node);
	if (!node)
		return -ENOENT;

	mutex_lock(&bus->lock);
	ret = may_claim(bus);
	if (!ret) {
		old = bus->manager;
		bus->manager = node;
		if (!bus->claimed)
			bus->manager_uid = current_euid();
		bus->claimed = true;
		ipcbus_arrivals_fire(bus);
	}
	mutex_unlock(&bus->lock);

	if (ret)
		old = node;
	if (old)
		ipcbus_node_put_remote(old);
	return ret;
}

struct ipcbus_node_entry *ipcbus_bus_manager(struct ipcbus_bus *bus)
{
	struct ipcbus_node_entry *node = NULL;

	mutex_lock(&bus->lock);
	if (bus->manager && ipcbus_node_get_remote_alive(bus->manager))
		node = bus->manager;
	mutex_unlock(&bus->lock);
	return node;
}
