/* SPDX-License-Identifier: MIT */
/*
 * Resends a recording (ipcctl monitor --resend): each call and oneway to a named service
 * goes to the service that has this name now, one after the other. Replies are compared
 * with the recorded ones.
 */
#ifndef IPCCTL_RESEND_H
#define IPCCTL_RESEND_H

#include <jansson.h>
#include <stdbool.h>

#include <ipc/monitor.h>

#include "names.h"

struct resend;

/* Reads the replies of the recording and opens the bus. manager: also resend what went to the
 * service manager. Prints what went wrong; returns an enum status. */
int resend_open(struct resend **ret_resend, const char *path, bool manager);

/* NULL is allowed. */
struct resend *resend_close(struct resend *resend);

/* Whether the record is a call or oneway to a named service. */
bool resend_accepts(struct resend *resend, const struct ipc_record *record, const char *service);

/* Sends the message if it can be sent, and adds the outcome to row: result, reason, took_us,
 * recorded_us, reply, recorded. 0 or -ENOMEM. */
int resend_message(struct resend *resend, const struct ipc_record *record, struct names *names,
		   const char *service, json_t *row);

/* Prints the sums. Returns STATUS_OK, STATUS_DIFFERS if a message did not end as recorded,
 * or another status after printing what went wrong. */
int resend_sum(const struct resend *resend);

#endif
