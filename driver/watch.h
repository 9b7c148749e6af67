/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watch
 *
 * A proc can watch two conditions:
 *
 *   EVENT_DEAD     the node behind a handle is dead; once
 *   EVENT_MANAGER  the bus has a new manager. Several managers are reported as one event.
 *
 * A handle has at most one death watch, and a proc at most one manager watch. After a watch has
 * been ended, no thread gets an event from it.
 *
 * handle.c begins and ends watches, under the watcher's handle_lock. exit.c and handle.c
 * notify. No function may be called with a spinlock held. A watch is charged to the
 * user of the watcher until its last reference is dropped.
 */
#ifndef IPCBUS_WATCH_H
#define IPCBUS_WATCH_H

#include "main.h"

/* Begins a death watch of node for proc. If the node is dead, queues the event at once. The handle
 * owns the reference in *ret_watch, and must end it by cancel() or put(). Returns 0, -EDQUOT or
 * -ENOMEM. May sleep. */
int ipcbus_watch_node(struct ipcbus_proc *proc, struct ipcbus_node_entry *node, u64 cookie,
		      struct ipcbus_watch **ret_watch);
/* Returns whether a thread took the EVENT_DEAD. A new watch may then replace this watch. */
bool ipcbus_watch_is_done(struct ipcbus_watch *watch);
/* Ends the watch, discards its queued events and drops the reference. Returns -ENOENT if a thread
 * took the EVENT_DEAD. */
int ipcbus_watch_cancel(struct ipcbus_watch *watch);
/* Drops the handle's reference without ending the watch: its queued events are still delivered. */
void ipcbus_watch_put(struct ipcbus_watch *watch);

/* Begin and end the proc's manager watch (handle_lock). If there is a manager, queues the event at
 * once. Returns -EBUSY if there is a watch, -ENOENT if there is none. */
int ipcbus_watch_manager(struct ipcbus_proc *proc, u64 cookie);
int ipcbus_unwatch_manager(struct ipcbus_proc *proc);

/* Notify all watches of a dead node, and take them off the node. The node must be marked dead. May
 * sleep. */
void ipcbus_watches_notify_dead(struct ipcbus_node_entry *node);
/* Notifies all manager watches of a new manager. May sleep. */
void ipcbus_watches_notify_manager(struct ipcbus_bus *bus);

#endif
