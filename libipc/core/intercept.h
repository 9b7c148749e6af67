/* SPDX-License-Identifier: MIT */
/*
 * Interceptors: functions of the program around every call. Without interceptors, a call
 * costs one test of a pointer.
 */
#ifndef IPC_INTERCEPT_H
#define IPC_INTERCEPT_H

#include "private.h"
#include "proxy.h"

/*
 * Asks all, in the order in which they were added: 0 and the number of the last one; or the
 * first refusal. Those that agreed before that are notified of it.
 */
int intercept_before(struct ipc *ipc, struct ipc_intercepted *step, uint64_t *ret_last);
/* Notifies those up to that number of the end, in the other order. */
void intercept_after(struct ipc *ipc, const struct ipc_intercepted *step, uint64_t last,
		     int result);
/* Around one call or oneway of ours. */
struct interception {
	struct ipc *ipc;		/* held, because the proxy may go; NULL: no interceptors */
	uint64_t last;
	struct ipc_intercepted step;
	struct ipc_options options;	/* with the metadata that they set */
};

static inline bool is_intercepted(const struct ipc_proxy *proxy)
{
	return proxy && proxy->ipc &&
	       atomic_load_explicit(&proxy->ipc->has_interceptors, memory_order_relaxed);
}

/* Asks about a call or oneway of ours. 0: it is made with *options, which may be others now,
 * and intercept_end() follows; or the refusal. method may be NULL. */
int intercept_begin(struct interception *i, struct ipc_proxy *proxy, const char *method,
		    const struct ipc_options **options);
/* Notifies them, and returns result. */
int intercept_end(struct interception *i, int result);
/* The connection is closed. */
void interceptors_close(struct ipc *ipc);

#endif /* IPC_INTERCEPT_H */
