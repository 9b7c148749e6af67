// SPDX-License-Identifier: GPL-2.0-only
/*
 * The manager: see manager.h.
 */
#include <linux/cred.h>

#include "bus.h"
#include "manager.h"
#include "node.h"
#include "proc.h"
#include "watch.h"

static int may_claim_locked(struct ipcbus_bus *bus)
{
	lockdep_assert_held(&bus->lock);
	if (ipcbus_node_is_alive(bus->manager))
		return -EBUSY;
	if (bus->claimed && !uid_eq(current_euid(), bus->manager_uid) &&
	    !uid_eq(current_euid(), bus->root) && !uid_eq(current_euid(), GLOBAL_ROOT_UID))
		return -EPERM;
	return 0;
}

int ipcbus_manager_set(struct ipcbus_proc *proc, void *data)
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
	ret = may_claim_locked(bus);
	if (!ret) {
		old = bus->manager;
		bus->manager = node;
		if (!bus->claimed)
			bus->manager_uid = current_euid();
		bus->claimed = true;
		ipcbus_watches_notify_manager(bus);
	}
	mutex_unlock(&bus->lock);

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
	if (bus->manager && bus->manager->proc == proc)
		swap(manager, bus->manager);
	mutex_unlock(&bus->lock);
	if (manager)
		ipcbus_node_put_remote(manager);
}
