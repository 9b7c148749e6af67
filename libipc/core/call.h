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

#include "typed/message.h"
#include "private.h"
#include "thread.h"

/* A usual request is unpacked into the call itself. */
#define CALL_BLOCK	2048

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
	bool intercepted;			/* its end is to be told */
	atomic_int result;			/* how it was answered: 0 or -errno */
	bool watched;				/* in ipc->calls: wants to hear of its end. Under
						 * ipc->lock, or by who has the last reference */
	struct ipc *ipc;
	struct ipc_object *object;		/* NULL: it is gone */
	const struct ipc_method *method;	/* NULL: there is none */
	uint64_t number;			/* the driver's, to answer with */
	uint64_t buffer;
	const uint8_t *payload;			/* in the region */
	size_t size;
	uid_t uid;
	bool detached;				/* the buffer is given back after the handler */
	gid_t gid;
	pid_t pid;
	pid_t tid;
	uint64_t deadline;			/* of the monotonic clock, ns; 0: never */
	uint64_t label;				/* in the region */
	uint32_t label_size;			/* 0: none */

	/* Under ipc->lock, once watched. */
	bool canceled;				/* nobody waits for the answer */
	struct call_child *children;
	ipc_cancel_cb cancel_cb;
	void *cancel_userdata;

	struct message request;
	uint64_t block[CALL_BLOCK / sizeof(uint64_t)];
};

/* What interceptors see of it. */
void call_step(struct ipc_call *call, struct ipc_intercepted *ret_step);

/* NULL: no memory. */
struct ipc_call *call_new(struct thread *t, const struct device_event *event);
/*
 * The handler has returned: r is what it said. Answers if nobody has and
 * nobody will, and drops the first reference. outer is the call that the
 * thread goes back to, or NULL.
 */
void call_end(struct thread *t, struct ipc_call *call, int r, struct ipc_call *outer);

/*
 * A call of ours is about to be made for this one, and to be cancelled with it.
 * -ECANCELED: nobody waits for this one any more, -EINVAL: it is answered, or a
 * oneway; then nothing is added. The child leaves the list with either call's end.
 */
int call_add_child(struct ipc_call *parent, struct call_child *child);
/* The driver has it: cancels it if the parent ended before there was what to cancel. */
void call_child_sent(struct ipc_call *parent, uint64_t id);
void call_remove_child(struct ipc_call *parent, struct call_child *child);
/* The same, under ipc->lock. */
void call_remove_child_locked(struct call_child *child);

/* The driver's word: nobody waits for the answer of the call with this number. */
void call_canceled(struct ipc *ipc, uint64_t number);

#endif /* IPC_CALL_H */
