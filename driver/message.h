/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A message that is being sent: the driver's own copy of what user space asked
 * for, and where in it a failure was found.
 */
#ifndef IPCBUS_MESSAGE_H
#define IPCBUS_MESSAGE_H

#include "main.h"
#include "mem/quota.h"

/**
 * struct ipcbus_message - one struct ipcbus_send on its way in
 * @send: the driver's private copy; the user's is never read again
 * @stage: enum ipcbus_stage it is at, or failed at
 * @index: which part or object it is at, or failed at
 * @oneway: send->kind is IPCBUS_SEND_ONEWAY
 * @label_size: bytes for the sender's label and its end, or 0
 * @want: what it wants of the receiver's region
 */
struct ipcbus_message {
	const struct ipcbus_send *send;
	u32 stage;
	u32 index;
	bool oneway;
	u32 label_size;
	struct ipcbus_reservation want;
};

/* Enters a stage; what fails from here on failed in it. */
static inline void ipcbus_message_stage(struct ipcbus_message *message, u32 stage)
{
	message->stage = stage;
	message->index = 0;
}

/* Sends the call or oneway for thread; returns 0, or -errno with nothing sent (request.c). */
int ipcbus_request_send(struct ipcbus_thread *thread, struct ipcbus_message *message);

#endif
