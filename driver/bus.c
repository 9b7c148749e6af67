// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bus: see bus.h. Called when procs and mounts come and go, and for handle 0.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "stats.h"
#include "user.h"

struct ipcbus_bus ipcbus_default_bus = {
	.ref = KREF_INIT(1),
	.root = GLOBAL_ROOT_UID,
	.space_lock = __SPIN_LOCK_UNLOCKED(ipcbus_default_bus.space_lock),
	.lock = __MUTEX_INITIALIZER(ipcbus_default_bus.lock),
	.procs = RB_ROOT,
	.manager_watches = LIST_HEAD_INIT(ipcbus_default_bus.manager_watches),
	.user_ns = &init_user_ns,
	.monitors = { .lock = __SPIN_LOCK_UNLOCKED(ipcbus_default_bus.monitors.lock) },
};

static bool userns_control;
module_param(userns_control, bool, 0644);
MODULE_PARM_DESC(userns_control, "root of a user namespace may monitor its buses and freeze processes");

/* Charges the current user for a mounted bus, except for mounts in the initial user namespace.
 * Returns 0, -EDQUOT or -ENOMEM. */
static int charge_mounter(struct ipcbus_bus *bus, const struct user_namespace *ns)
{
	struct ipcbus_user *user;
	int ret;

	if (ns == &init_user_ns)
		return 0;
	user = ipcbus_user_find(current_euid(), ns);
	if (!user)
		return -ENOMEM;
	ret = ipcbus_user_charge(user, IPCBUS_USE_BUSES);
	if (ret)
		ipcbus_user_put(user);
	else
		bus->mounter = user;
	return ret;
}

struct ipcbus_bus *ipcbus_bus_new(struct user_namespace *ns)
{
	struct ipcbus_bus *bus;
	int ret;

	bus = kzalloc(sizeof(*bus), GFP_KERNEL_ACCOUNT);
	if (!bus)
		return ERR_PTR(-ENOMEM);
	ret = charge_mounter(bus, ns);
	if (ret) {
		kfree(bus);
		return ERR_PTR(ret);
	}
	kref_init(&bus->ref);
	bus->user_ns = get_user_ns(ns);
	spin_lock_init(&bus->monitors.lock);
	bus->root = make_kuid(ns, 0);
	bus->manager_uid = current_fsuid();
	spin_lock_init(&bus->space_lock);
	mutex_init(&bus->lock);
	bus->procs = RB_ROOT;
	INIT_LIST_HEAD(&bus->manager_watches);
	ipcbus_stat_add(IPCBUS_STAT_BUSES);
	return bus;
}

static void bus_free(struct kref *ref)
{
	struct ipcbus_bus *bus = container_of(ref, struct ipcbus_bus, ref);

	WARN_ON_ONCE(!RB_EMPTY_ROOT(&bus->procs) || !list_empty(&bus->manager_watches) ||
		     bus->manager);
	if (bus->mounter) {
		ipcbus_user_uncharge(bus->mounter, IPCBUS_USE_BUSES);
		ipcbus_user_put(bus->mounter);
	}
	put_user_ns(bus->user_ns);
	ipcbus_stat_remove(IPCBUS_STAT_BUSES);
	kfree(bus);
}

void ipcbus_bus_put(struct ipcbus_bus *bus)
{
	kref_put(&bus->ref, bus_free);
}

bool ipcbus_ns_capable(struct user_namespace *ns, int capability)
{
	return capable(capability) || (READ_ONCE(userns_control) && ns_capable(ns, capability));
}
