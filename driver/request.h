/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sending calls and oneways.
 */
#ifndef IPCBUS_REQUEST_H
#define IPCBUS_REQUEST_H

#include "main.h"

/* Sends the call or oneway for thread; returns 0, or -errno with nothing sent. */
int ipcbus_request_send(struct ipcbus_thread *thread, struct ipcbus_message *message);

#endif
