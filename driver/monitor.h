/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Monitor
 *
 * A monitor is a proc that asked to see its bus's traffic (IPCBUS_IOC_MONITOR).
 * observe.c fills in a record of each message. Every monitor that wants the record gets
 * a copy in its own region. If there is no space, the record is lost and counted:
 * traffic neither waits nor fails for it.
 */
#ifndef IPCBUS_MONITOR_H
#define IPCBUS_MONITOR_H

#include "main.h"
#include "record.h"

/* Gives the record to all monitors that want it. May sleep. */
void ipcbus_monitors_record(struct ipcbus_monitors *monitors, const struct ipcbus_record *record);

/* IPCBUS_IOC_MONITOR: struct ipcbus_monitor. */
int ipcbus_monitor_set(struct ipcbus_proc *proc, void *data);
/* The proc is dead, and monitors no more. */
void ipcbus_monitor_release(struct ipcbus_proc *proc);

#endif
