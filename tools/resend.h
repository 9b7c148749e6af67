/* SPDX-License-Identifier: MIT */
/*
 * Sending again what a recording has (ipcctl monitor --resend): calls and oneways that
 * went to a service with a name go to who has that name now, one after the other, and
 * what they are answered is held against what the recording has.
 */
#ifndef IPCCTL_RESEND_H
#define IPCCTL_RESEND_H

#include <jansson.h>
#include <stdbool.h>

#include <ipc/monitor.h>

#include "names.h"

struct resend;

/* Reads the answers of the recording and opens the bus. speed: so many times as fast as
 * it was; 0: without pauses. manager: also what went to the service manager. Says itself
 * what went wrong; an enum status. */
int resend_open(struct resend **ret_resend, const char *path, unsigned long speed, bool manager);

/* Whether it is a message that went to a service with a name. */
bool resend_accepts(struct resend *resend, const struct ipc_record *record, const char *service);

/* Sends it, or not, and adds to row what came of it: result, reason, took_us,
 * recorded_us, answer, recorded. 0 or -ENOMEM. */
int resend_message(struct resend *resend, const struct ipc_record *record, struct names *names,
		   const char *service, json_t *row);

/* Prints the sums. A status: STATUS_DIFFERS, if not all was as in the recording. */
int resend_sum(const struct resend *resend);

/* NULL is allowed. */
struct resend *resend_close(struct resend *resend);

#endif
