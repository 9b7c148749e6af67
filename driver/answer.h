/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a call: replies, and what the caller finds.
 */
#ifndef IPCBUS_ANSWER_H
#define IPCBUS_ANSWER_H

#include "main.h"

/* Sends thread's reply or error; returns 0, or -errno and the call is open still. */
int ipcbus_answer_send(struct ipcbus_thread *thread, struct ipcbus_message *message);

/* The driver's own answer; drops the server's reference. */
void ipcbus_answer_fail(struct ipcbus_transaction *t, int error, u32 stage, u32 index);

/* t is answered and off thread's stack: fills in the event and drops it. */
void ipcbus_answer_take(struct ipcbus_transaction *t, struct ipcbus_thread *thread,
			struct ipcbus_event *event);

/* The caller is going: t is off its stack. */
void ipcbus_answer_abandon(struct ipcbus_transaction *t);

/* All calls that a dead proc without threads left unanswered fail. */
void ipcbus_answers_release(struct ipcbus_proc *proc);

#endif
