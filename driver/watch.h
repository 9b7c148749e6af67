/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watch
 *
 * A proc can watch three things. It gets an event when they happen:
 *
 *   EVENT_DEAD             the node behind a handle is dead; once
 *   EVENT_FROZEN, -THAWED  the node's owner is frozen or thawed, if the watch was set
 *                          with IPCBUS_WATCH_FROZEN; until the node is dead
 *   EVENT_MANAGER          the bus has a new manager
 *
 * An event reports the state in which things are when a thread takes it. Changes that
 * are reverted before that are not reported, and any number of changes is one event.
 *
 * A handle has at most one watch, and a proc at most one of the manager. Who ends a
 * watch gets no event from it afterwards.
 */
#ifndef IPCBUS_WATCH_H
#define IPCBUS_WATCH_H

#include "main.h"

/*
 * Begins a watch of node for proc. flags may have IPCBUS_WATCH_FROZEN. Queues the event
 * at once if the node is dead, or its owner frozen. -EDQUOT, -ENOMEM. May sleep.
 */
int ipcbus_watch_node(struct ipcbus_proc *proc, struct ipcbus_node_entry *node, u32 flags,
		      u64 cookie, struct ipcbus_watch **ret_watch);
/* Was its EVENT_DEAD taken? Then a new watch may replace it. */
bool ipcbus_watch_is_done(struct ipcbus_watch *watch);
/* Ends the watch and drops the reference. -ENOENT: its EVENT_DEAD was taken. */
int ipcbus_watch_cancel(struct ipcbus_watch *watch);
/* Drops the reference. The watch goes on. */
void ipcbus_watch_put(struct ipcbus_watch *watch);

/*
 * Begins and ends the proc's watch of the manager (handle_lock). Queues the event at
 * once if there is a manager. -EBUSY: there is a watch. -ENOENT: there is none.
 */
int ipcbus_watch_manager(struct ipcbus_proc *proc, u64 cookie);
int ipcbus_unwatch_manager(struct ipcbus_proc *proc);

/* The node is dead: notifies who watches it. */
void ipcbus_watches_notify_dead(struct ipcbus_node_entry *node);
/* The proc was frozen or thawed: notifies who asked for that. */
void ipcbus_watches_notify_frozen(struct ipcbus_proc *proc);
/* The bus has a new manager: notifies who watches it. May sleep. */
void ipcbus_watches_notify_manager(struct ipcbus_bus *bus);

#endif
