/* SPDX-License-Identifier: MIT */
/*
 * Delivery of monitor records to a connection that called ipc_monitor().
 */
#ifndef IPC_MONITOR_EVENTS_H
#define IPC_MONITOR_EVENTS_H

#include "thread.h"

/* Passes the record in an event to the connection's callback, then releases its buffer. */
void monitor_deliver(struct thread *t, const struct ipcbus_event *event);
/* The connection is closed. */
void monitor_close(struct ipc *ipc);

#endif /* IPC_MONITOR_EVENTS_H */
