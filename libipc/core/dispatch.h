/* SPDX-License-Identifier: MIT */
/*
 * What is done with an event that is not the reply one waits for: a call of an
 * object goes to its handler, a death to its watchers. Handlers run right
 * here; a reply may be left with the thread, for its next exchange.
 */
#ifndef IPC_DISPATCH_H
#define IPC_DISPATCH_H

#include "thread.h"

void dispatch(struct thread *t, const struct ipcbus_event *event);

#endif /* IPC_DISPATCH_H */
