/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Death watches: tell the holder of a handle, once, that its node is dead, and
 * before that, if asked to, when its owner is frozen and thawed.
 */
#ifndef IPCBUS_DEATH_H
#define IPCBUS_DEATH_H

#include "main.h"

struct ipcbus_watch;

/* Begins a watch of node for proc; fires at once if the node is dead. flags may
 * have IPCBUS_WATCH_FROZEN. */
int ipcbus_watch_new(struct ipcbus_proc *proc, struct ipcbus_node_entry *node, u32 flags,
		     u64 cookie, struct ipcbus_watch **ret_watch);
/* Was its event taken? Then a new watch may replace it. */
bool ipcbus_watch_done(struct ipcbus_watch *watch);
/* Ends it and drops the reference: 0, or -ENOENT if its event was taken. */
int ipcbus_watch_cancel(struct ipcbus_watch *watch);
/* Drops the reference; the watch goes on. */
void ipcbus_watch_put(struct ipcbus_watch *watch);
/* The node is dead: fires all its watches. */
void ipcbus_watches_fire(struct ipcbus_node_entry *node);
/* The proc was frozen or thawed: tells those who asked for it. */
void ipcbus_watches_notify(struct ipcbus_proc *proc);

#endif
