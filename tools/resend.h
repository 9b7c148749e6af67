/* SPDX-License-Identifier: MIT */
/*
 * Resends a recording (ipcctl monitor --resend). Each call and oneway goes to the service that has
 * the name now. When the recorded reply follows in the file, it is compared with the outcome.
 * Functions that return an enum status print an error on failure.
 */
#ifndef IPCCTL_RESEND_H
#define IPCCTL_RESEND_H

#include <jansson.h>
#include <stdbool.h>

struct resend;

/* Opens the bus. If manager is set, also resends messages to the service manager. */
int resend_open(struct resend **ret_resend, bool manager);

/* resend may be NULL. */
struct resend *resend_close(struct resend *resend);

/* Takes the next row of the file. Sets *ret_row to the row to print now, or NULL. The row has
 * "result", and "reply", "recorded" or "reason": of this message, or of the call that this message
 * ends. */
int resend_row(struct resend *resend, json_t *row, json_t **ret_row);

/* Must be called after the last row. Returns the row of a call whose end is not in the file, or
 * NULL. */
json_t *resend_rest(struct resend *resend);

/* Prints the sums. Returns STATUS_OK, STATUS_DIFFERS if a message did not end as recorded, or
 * another status. */
int resend_sum(const struct resend *resend);

#endif
