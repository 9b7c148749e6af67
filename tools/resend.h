/* SPDX-License-Identifier: MIT */
/*
 * Resends a recording (ipcctl monitor --resend): each call and oneway to a service goes to the
 * service that has this name now. When the reply follows in the file, the outcome is compared
 * with it. Functions that return an enum status print what went wrong.
 */
#ifndef IPCCTL_RESEND_H
#define IPCCTL_RESEND_H

#include <jansson.h>
#include <stdbool.h>

struct resend;

/* Opens the bus. manager: also resend messages to the service manager. */
int resend_open(struct resend **ret_resend, bool manager);

/* NULL is allowed. */
struct resend *resend_close(struct resend *resend);

/* Takes the next row of the file. *ret_row becomes the row to print now, with "result", and
 * "reply", "recorded" or "reason": of this message, or of the call that this one ends. NULL: there
 * is none. */
int resend_row(struct resend *resend, json_t *row, json_t **ret_row);

/* At the end of the file: the row of a call whose end is not in it, or NULL. */
json_t *resend_rest(struct resend *resend);

/* Prints the sums. Returns STATUS_OK, STATUS_DIFFERS if a message did not end as recorded,
 * or another status. */
int resend_sum(const struct resend *resend);

#endif
