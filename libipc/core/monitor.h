/* SPDX-License-Identifier: MIT */
/*
 * Records of what happens on the bus, for a connection that asked for them.
 */
#ifndef IPC_MONITORS_H
#define IPC_MONITORS_H

#include "thread.h"

/* A record arrived. */
void monitor_deliver(struct thread *t, const struct ipcbus_event *event);

#endif /* IPC_MONITORS_H */
