/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One bus: its procs and its manager, the node behind everybody's handle 0.
 */
#ifndef IPCBUS_BUS_H
#define IPCBUS_BUS_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/uidgid.h>

#include "main.h"

/**
 * struct ipcbus_bus - one bus
 * @lock: protects the rest
 * @procs: all procs
 * @arrivals: who wants to know when a manager comes
 * @manager: counted, also as a remote reference, or NULL
 * @claimed: there ever was a manager
 * @manager_uid: its effective user; only that one and root may follow
 */
struct ipcbus_bus {
	struct mutex lock;
	struct list_head procs;
	struct list_head arrivals;
	struct ipcbus_node_entry *manager;
	bool claimed;
	kuid_t manager_uid;
};

/* The bus behind /dev/ipcbus. */
extern struct ipcbus_bus ipcbus_default_bus;

void ipcbus_bus_add(struct ipcbus_bus *bus, struct ipcbus_proc *proc);
void ipcbus_bus_remove(struct ipcbus_bus *bus, struct ipcbus_proc *proc);

int ipcbus_bus_set_manager(struct ipcbus_proc *proc, const struct ipcbus_node *args);
bool ipcbus_bus_has_manager_locked(struct ipcbus_bus *bus);
/* With a remote reference; NULL if there is none. */
struct ipcbus_node_entry *ipcbus_bus_manager(struct ipcbus_bus *bus);

#endif
