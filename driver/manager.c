// SPDX-License-Identifier: GPL-2.0-only
/*
 * The manager: see manager.h.
 */
#include <linux/cred.h>
#include <linux/moduleparam.h>
#include <linux/user_namespace.h>

#include "bus.h"
#include "manager.h"
#include "node.h"
#include "proc.h"
#include "watch.h"

static unsigned int manager_uid = -1;
module_param_named(manager_uid, manager_uid, uint, 0644);
MODULE_PARM_DESC(manager_uid, "user who may be the manager of /dev/ipcbus, beside root");

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

	if (args->flags || args->cookie || args->policy || args->priority)
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
