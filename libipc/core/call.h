/* SPDX-License-Identifier: MIT */
/*
 * A call that is being served here, from its event to its last reference.
 *
 * dispatch.c makes it and holds the first reference while the handler runs. If no other reference
 * is left then, the thread keeps the memory for its next call. Each reference of the program also
 * holds a reference of the connection, because it may outlive the handler.
 */
#ifndef IPC_CALL_H
#define IPC_CALL_H

#include "cancel.h"
#include "conn/private.h"
#include "conn/slot.h"
#include "conn/thread.h"
#include "entry.h"
#include "payload.h"

/* Memory into which a usual request is unpacked. */
#define CALL_BLOCK	2304

struct ipc_call {
	atomic_uint refs;
	bool oneway;
	atomic_bool replied;
	bool watched;				/* in ipc->calls: cancel.c. Under ipc->lock, or by
						 * the owner of the last reference */
	bool detached;				/* the buffer is released after the handler */
	bool has_turn;				/* the handler kept the call, whose end then
						 * ends the object's turn */
	struct ipc *ipc;
	struct ipc_object *object;		/* NULL: it is gone */
	const struct ipc_method *method;	/* of typed/; else NULL */
	void (*done)(struct ipc_call *call);	/* releases the contents of the block; or NULL */
	struct peer *peer;			/* the user to which this call is charged, or
						 * NULL */
	struct batch *more;			/* oneways that wait for this oneway, or NULL */
	uint64_t number;			/* the driver's, to reply with */
	uint64_t buffer;			/* id; released with the call: see detached */
	const uint8_t *payload;			/* in the region, or in the file: */
	struct mapping file;			/* if the payload came as a file */
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
	struct dependents dependents;		/* canceled: the caller no longer waits */
	struct slots on_cancel;			/* ipc_call_on_cancel() */

	uint64_t block[CALL_BLOCK / sizeof(uint64_t)];
};

/*
 * For an object with limits: checks the size of the call and counts the call. On failure, releases
 * the objects of the event. Replies to a call with -EMSGSIZE or -EDQUOT, but not with -ENOMEM.
 */
int call_limit(struct ipc_call *call, const struct ipcbus_event *event);

/*
 * Replies, without waiting for the receiver. call_prepare_reply() returns the calling thread's
 * state, its scratch free. -EINVAL: a oneway; -EALREADY; or an error of thread_get() or of sending
 * the stash. call_send() sends size bytes in that scratch. In the handler of this call it only
 * stashes them, which cannot fail. call_send_now() sends the message in x->send; on failure its
 * objects remain with the sender. Both return 0 if the caller no longer waits. -EALREADY: another
 * thread has replied; after another error the thread may try again. kind: REPLY, or ERROR with the
 * errno as code.
 */
int call_prepare_reply(struct ipc_call *call, struct thread **ret_thread);
int call_send(struct ipc_call *call, struct thread *t, uint32_t kind, uint32_t code, size_t size);
int call_send_now(struct ipc_call *call, struct thread *t, struct ipcbus_exchange *x);

/* Returns 1 if the caller of a delivered call no longer waits for it, else 0. Fails with -ESRCH if
 * the call is not open. */
int call_ask_canceled(const struct ipc_call *call);

/* Takes over the event's buffer, but not its objects. Returns NULL if out of memory. */
struct ipc_call *call_new(struct thread *t, const struct ipcbus_event *event);
/*
 * Ends the handler of a call, which has returned r. If there is no reply: r < 0 is the reply, also
 * if other references exist; otherwise -ENOMSG is, if there are none. Drops the first reference.
 * outer is the call that the thread returns to, or NULL.
 */
void call_end(struct thread *t, struct ipc_call *call, int r, struct ipc_call *outer);

#endif /* IPC_CALL_H */
