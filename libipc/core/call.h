/* SPDX-License-Identifier: MIT */
/*
 * A call that is being served here, from its event to its last reference.
 *
 * dispatch.c makes it and holds the first reference while the handler runs;
 * then it is usually the only one, and the memory waits for the thread's next
 * call. Each reference of the user's holds one of the connection too, since it
 * may outlive the handler.
 */
#ifndef IPC_CALL_H
#define IPC_CALL_H

#include "private.h"
#include "thread.h"

/* Memory for whoever serves the call: a usual request is unpacked into it. */
#define CALL_BLOCK	2304

/* A call of ours that is made for one that is served here: on that one's list. */
struct call_child {
	struct call_child *next;
	struct call_child **link;	/* NULL: not on a list (any more) */
	uint64_t id;			/* for the driver's cancel */
};

struct ipc_call {
	atomic_uint refs;
	bool oneway;
	atomic_bool replied;
	bool intercepted;			/* interceptors are to hear of its end */
	atomic_int result;			/* how it ended: 0 or -errno */
	bool watched;				/* in ipc->calls: wants to hear of its end. Under
						 * ipc->lock, or by who has the last reference */
	bool detached;				/* the buffer is released after the handler */
	struct ipc *ipc;
	struct ipc_object *object;		/* NULL: it is gone */
	const struct ipc_method *method;	/* of typed/; else NULL */
	const char *name;			/* of the method, for interceptors; or NULL */
	void (*done)(struct ipc_call *call);	/* releases what is in the block; or NULL */
	uint64_t number;			/* the driver's, to reply with */
	uint64_t buffer;
	const uint8_t *payload;			/* in the region */
	size_t size;
	uint32_t code;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	pid_t tid;
	uint32_t label_size;			/* 0: none */
	uint64_t deadline;			/* of the monotonic clock, ns; 0: never */
	uint64_t label;				/* in the region */

	/* Under ipc->lock, once watched. */
	bool canceled;				/* nobody waits for the reply */
	struct call_child *children;
	ipc_cancel_cb cancel_cb;
	void *cancel_userdata;

	uint64_t block[CALL_BLOCK / sizeof(uint64_t)];
};

/* Asks the interceptors about a call of that method (NULL: unknown), if there are any.
 * They may reply themselves; else their refusal is the reply. */
int call_intercept_slow(struct ipc_call *call, const char *method);

static inline int call_intercept(struct ipc_call *call, const char *method)
{
	return likely(!call->ipc->interceptors) ? 0 : call_intercept_slow(call, method);
}

/*
 * Replies. call_prepare_reply() finds the thread to reply with, its scratch free:
 * -EINVAL: a oneway; -EALREADY. call_send() sends size bytes in that scratch, or
 * stashes them; call_send_now() sends what x->send says of the message. kind: REPLY, or
 * ERROR with the errno as code.
 */
int call_prepare_reply(struct ipc_call *call, struct thread **ret_thread);
int call_send(struct ipc_call *call, struct thread *t, uint32_t kind, uint32_t code, size_t size);
int call_send_now(struct ipc_call *call, struct thread *t, struct ipcbus_exchange *x);

/* NULL: no memory. */
struct ipc_call *call_new(struct thread *t, const struct ipcbus_event *event);
/*
 * The handler has returned: r is what it said. Replies if nobody has and
 * nobody will, and drops the first reference. outer is the call that the
 * thread goes back to, or NULL.
 */
void call_end(struct thread *t, struct ipc_call *call, int r, struct ipc_call *outer);

/*
 * A call of ours is about to be made for this one, and to be cancelled with it.
 * -ECANCELED: nobody waits for this one any more, -EINVAL: it is replied to, or a
 * oneway; then nothing is added. The child leaves the list with either call's end.
 */
int call_add_child(struct ipc_call *parent, struct call_child *child);
/* The driver has it: cancels it if the parent ended before there was what to cancel. */
void call_child_sent(struct ipc_call *parent, uint64_t id);
void call_remove_child(struct ipc_call *parent, struct call_child *child);
/* The same, under ipc->lock. */
void call_remove_child_locked(struct call_child *child);

/* The driver's word: nobody waits for the reply of the call with this number. */
void call_canceled(struct ipc *ipc, uint64_t number);

#endif /* IPC_CALL_H */
