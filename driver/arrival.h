/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arrival watches: tell a proc each time that its bus gets a manager.
 */
#ifndef IPCBUS_ARRIVAL_H
#define IPCBUS_ARRIVAL_H

#include "main.h"

struct ipcbus_arrival;

/* Begins the proc's watch; tells at once if there is a manager. -EBUSY: it has one. */
int ipcbus_arrival_watch(struct ipcbus_proc *proc, u64 cookie);
/* Ends it: no event comes from here on. -ENOENT: there is none. */
int ipcbus_arrival_unwatch(struct ipcbus_proc *proc);
/* The bus has a new manager (bus->lock). */
void ipcbus_arrivals_fire(struct ipcbus_bus *bus);

#endif
