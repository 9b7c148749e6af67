/* SPDX-License-Identifier: MIT */
/*
 * Interceptors: what a program wants done around every call. Nothing but a test of
 * a pointer where there are none.
 */
#ifndef IPC_INTERCEPT_H
#define IPC_INTERCEPT_H

#include "private.h"

struct interceptor;

/*
 * Asks all, in the order in which they were added: 0, or the first refusal; those
 * that agreed before that are notified of it.
 */
int intercept_before(struct ipc *ipc, struct ipc_intercepted *step);
/* Notifies all of the end, in the other order. */
void intercept_after(struct ipc *ipc, struct ipc_intercepted *step, int result);
/*
 * Asks about a call or oneway of ours, if there are interceptors: 1, and *ret_options are
 * the options with what they made of its metadata, intercept_after() is due with
 * *ret_step; 0: there are none; or their refusal. method may be NULL.
 */
int intercept_request(struct ipc_proxy *proxy, const char *method,
		      const struct ipc_options *options, struct ipc_intercepted *ret_step,
		      struct ipc_options *ret_options);
/* The connection is closed. */
void interceptors_close(struct ipc *ipc);

#endif /* IPC_INTERCEPT_H */
