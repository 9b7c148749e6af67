/* SPDX-License-Identifier: MIT */
/*
 * The end of a call for cancel.c, which watches calls for being canceled.
 */
#ifndef IPC_CANCEL_H
#define IPC_CANCEL_H

#include "private.h"

/* Ends the watch of a call. Its children go on without it. */
void call_unwatch(struct ipc_call *call);
/* Does so only if the caller has the last reference; returns whether it does. */
bool call_unwatch_last(struct ipc_call *call);

#endif /* IPC_CANCEL_H */
