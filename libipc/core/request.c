// SPDX-License-Identifier: MIT
/*
 * Requests: see request.h. The usual one has no options and no time limit, and
 * pays for neither.
 *
 * While a thread waits for its reply, calls of the same chain may come back to
 * it; they are served right here, on top of the one that waits.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "call.h"
#include "deadline.h"
#include "dispatch.h"
#include "proxy.h"
#include "request.h"

/* --- Time and options ------------------------------------------------------------ */

static uint64_t timeout_get(const _Atomic uint64_t *timeout)
{
	return atomic_load_explicit(timeout, memory_order_relaxed);
}

/* The first that says something: the proxy, the method, the connection. */
static uint64_t timeout_default(const struct ipc_proxy *proxy, uint64_t method_usec)
{
	uint64_t usec = timeout_get(&proxy->timeout_usec);

	if (!usec)
		usec = method_usec;
	return usec ? usec : timeout_get(&proxy->ipc->timeout_usec);
}

static __attribute__((noinline)) void apply_timeout(struct ipcbus_send *send, uint64_t usec)
{
	send->deadline = deadline_after(usec);
}

static int check_options(const struct ipc_options *options, uint32_t kind)
{
	for (size_t i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++)
		if (options->reserved[i])
			return -EINVAL;
	if (options->flags & ~IPC_REPLACE)
		return -EINVAL;
	/* What only a oneway can be, and what it cannot have. */
	if (kind == IPCBUS_SEND_ONEWAY)
		return options->id || options->parent ? -EINVAL : 0;
	return options->flags ? -EINVAL : 0;
}

static __attribute__((noinline)) int apply_options(struct ipcbus_send *send,
						   const struct ipc_proxy *proxy,
						   const struct ipc_options *options)
{
	const struct ipc_call *parent = options->parent;
	int r;

	r = check_options(options, send->kind);
	if (r < 0)
		return r;
	if (parent && parent->ipc != proxy->ipc)
		return -EINVAL;

	if (options->timeout_usec)
		send->deadline = deadline_after(options->timeout_usec);
	if (parent && parent->deadline && (!send->deadline || parent->deadline < send->deadline))
		send->deadline = parent->deadline;
	send->cookie = options->id;
	if (options->flags & IPC_REPLACE)
		send->flags |= IPCBUS_SEND_REPLACE;
	return 0;
}

int request_init(struct request *request, uint32_t kind, struct ipc_proxy *proxy, uint32_t code,
		 uint64_t timeout_usec, const struct ipc_options *options)
{
	uint64_t usec;
	int r;

	if (unlikely(!proxy || !proxy->ipc))
		return -EINVAL;
	r = thread_get(proxy->ipc, &request->t);
	if (unlikely(r < 0))
		return r;

	request->x.send = (struct ipcbus_send){
		.kind = kind,
		.handle = proxy->handle,
		.code = code,
	};
	usec = kind == IPCBUS_SEND_CALL ? timeout_default(proxy, timeout_usec) : 0;
	if (unlikely(usec))
		apply_timeout(&request->x.send, usec);
	if (unlikely(options)) {
		r = apply_options(&request->x.send, proxy, options);
		if (r < 0)
			return r;
	}
	return thread_flush_stash(request->t);
}

/* --- Calls --------------------------------------------------------------------- */

/* Waits for the reply of what was sent, and serves what comes before it. */
static int wait_reply(struct thread *t, struct ipcbus_exchange *x)
{
	int r;

	for (;;) {
		switch (x->event.kind) {
		case IPCBUS_EVENT_REPLY:
		case IPCBUS_EVENT_ERROR:
		case IPCBUS_EVENT_FAILED:
			return 0;
		default:
			dispatch(t, &x->event);
		}
		r = thread_wait(t, IPCBUS_WAIT, x);
		if (r < 0)
			return r;
	}
}

/* x->send is of use no more: the call was sent. */
static __attribute__((noinline)) int wait_longer(struct thread *t, struct ipcbus_exchange *x)
{
	int r;

	t->waiting++;
	r = wait_reply(t, x);
	t->waiting--;
	return r;
}

static int send_and_wait(struct thread *t, struct ipcbus_exchange *x)
{
	int r;

	x->flags = IPCBUS_WAIT;
	r = thread_exchange(t, x);
	if (unlikely(r < 0) || likely(x->event.kind == IPCBUS_EVENT_REPLY))
		return r;
	return wait_longer(t, x);
}

/*
 * A call for one that another thread may serve ends with that one. It is sent before
 * it is waited for, to look in between whether its parent ended when the driver did
 * not know it yet: from then on whoever hears of that end cancels it.
 */
static __attribute__((noinline)) int send_for(struct request *request, struct ipc_call *parent)
{
	struct call_child child;
	int r;

	if (!request->x.send.cookie)
		request->x.send.cookie = ipc_new_id(parent->ipc);
	child.id = request->x.send.cookie;
	r = call_add_child(parent, &child);
	if (r < 0)
		return r;

	request->x.flags = 0;
	r = thread_exchange(request->t, &request->x);
	if (r == 0) {
		call_child_sent(parent, child.id);
		/* The event says that nothing came yet. */
		r = wait_longer(request->t, &request->x);
	}
	call_remove_child(parent, &child);
	return r;
}

int request_call(struct request *request, struct ipc_call *parent)
{
	if (unlikely(parent))
		return send_for(request, parent);
	return send_and_wait(request->t, &request->x);
}

/* --- Oneways ------------------------------------------------------------------- */

int request_oneway(struct request *request)
{
	int r;

	/* A signal ends the wait for space, not the time that there is for it. */
	request->x.flags = 0;
	do {
		r = thread_exchange(request->t, &request->x);
	} while (unlikely(r == -EINTR));
	return r;
}
