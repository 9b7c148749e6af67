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

#include "message.h"
#include "private.h"
#include "thread.h"

/* A usual request is unpacked into the call itself. */
#define CALL_BLOCK	2048

struct ipc_call {
	atomic_uint refs;
	bool oneway;
	bool answered;
	struct ipc *ipc;
	struct ipc_object *object;		/* NULL: it is gone */
	const struct ipc_method *method;	/* NULL: there is none */
	uint64_t number;			/* the driver's, to answer with */
	uint64_t buffer;
	const uint8_t *payload;			/* in the region */
	size_t size;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	pid_t tid;
	struct message request;
	uint64_t block[CALL_BLOCK / sizeof(uint64_t)];
};

/* NULL: no memory. */
struct ipc_call *call_new(struct thread *t, const struct device_event *event);
/*
 * The handler has returned: r is what it said. Answers if nobody has and
 * nobody will, and drops the first reference. outer is the call that the
 * thread goes back to, or NULL.
 */
void call_end(struct thread *t, struct ipc_call *call, int r, struct ipc_call *outer);

#endif /* IPC_CALL_H */
