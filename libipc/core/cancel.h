/* SPDX-License-Identifier: MIT */
/*
 * Calls that are watched for their end: see cancel.c. What call.c has to do when
 * one of them goes.
 */
#ifndef IPC_CANCEL_H
#define IPC_CANCEL_H

#include "private.h"

/* The call is done with: nothing finds it any more, its children go on alone. */
void call_unwatch(struct ipc_call *call);
/* The same, if there is no reference left but the caller's: whether that is so. */
bool call_unwatch_last(struct ipc_call *call);

#endif /* IPC_CANCEL_H */
