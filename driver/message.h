/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A message that is being sent: the driver's own copy of what user space asked
 * for, and where in it a failure was found.
 */
#ifndef IPCBUS_MESSAGE_H
#define IPCBUS_MESSAGE_H

#include "main.h"

/**
 * struct ipcbus_message - one struct ipcbus_send on its way in
 * @send: the driver's private copy; the user's is never read again
 * @stage: enum ipcbus_stage it is at, or failed at
 * @index: which part or object it is at, or failed at
 * @oneway: send->kind is IPCBUS_SEND_ONEWAY
 * @label_size: room for the sender's label and its end, or 0
 * @care: flags of its buffer
 * @quota: what it is charged to in the receiver's region, until a buffer has it
 * @credit: a oneway: units of the one that it replaces, which count as free; 0 once
 *	they are not needed
 */
struct ipcbus_message {
	const struct ipcbus_send *send;
	u32 stage;
	u32 index;
	bool oneway;
	u32 label_size;
	u32 credit;
	u32 care;
	struct ipcbus_quota *quota;
};

/* Enters a stage; what fails from here on failed in it. */
static inline void ipcbus_message_stage(struct ipcbus_message *message, u32 stage)
{
	message->stage = stage;
	message->index = 0;
}

#endif
