/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A message that is being sent: a private copy of the user's request, and the stage of a failure.
 */
#ifndef IPCBUS_MESSAGE_H
#define IPCBUS_MESSAGE_H

#include "main.h"
#include "mem/quota.h"

/**
 * struct ipcbus_message - a struct ipcbus_send that is being sent
 * @send: the driver's private copy; the user's memory is never read again
 * @stage: current or failed enum ipcbus_stage
 * @index: current or failed part or object
 * @oneway: send->kind is IPCBUS_SEND_ONEWAY
 * @label_size: bytes for the sender's label and its terminating zero, or 0
 * @want: the reservation in the receiver's region
 */
struct ipcbus_message {
	const struct ipcbus_send *send;
	u32 stage;
	u32 index;
	bool oneway;
	u32 label_size;
	struct ipcbus_reservation want;
};

/* Starts a stage; later failures are reported as failures of this stage. */
static inline void ipcbus_message_stage(struct ipcbus_message *message, u32 stage)
{
	message->stage = stage;
	message->index = 0;
}

/* Sends the call or oneway for thread (request.c). If it returns -errno, no message was sent. */
int ipcbus_request_send(struct ipcbus_thread *thread, struct ipcbus_message *message);

#endif
