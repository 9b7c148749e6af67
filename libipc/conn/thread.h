/* SPDX-License-Identifier: MIT */
/*
 * The state of a thread for a connection (thread.c), and the exchange with the driver (exchange.c).
 *
 * A thread collects the buffers that it has to release, and its next exchange releases them.
 * That exchange also sends the reply of a handler that has returned (the *stash*). So a round
 * trip takes one system call on each side. Only the thread itself uses the state, except for the
 * link to the connection, which is under the connections lock.
 */
#ifndef IPC_THREAD_H
#define IPC_THREAD_H

#include "batch.h"
#include "private.h"

/* Maximum of buffers that an exchange releases. */
#define THREAD_MAX_RELEASE		32
/* Scratch memory above this is not kept for smaller messages. */
#define THREAD_SCRATCH_KEPT	((size_t)256 << 10)

struct scratch {
	uint8_t *data;
	size_t size;
};

/* A reply, packed in the scratch, that the next exchange sends. */
struct stash {
	uint32_t kind;			/* REPLY, ERROR, or NONE: the stash is empty */
	uint32_t code;
	uint64_t call;
	size_t size;
};

struct reply;
struct turn_frame;

struct thread {
	struct ipc *ipc;		/* NULL: closed. Others clear it: connections lock */
	uint64_t ipc_id;
	uint64_t generation;		/* generation of the connection at which the rest is valid;
	                    		 * or 0 */
	uint32_t number;		/* the driver's, or 0 */
	unsigned int waiting;		/* calls whose reply this thread waits for */
	struct ipcbus_event early;	/* the end of a call that came while the thread waited for
	                         	 * a join; of kind NONE if there is none */
	unsigned int early_waiting;	/* the value of waiting at that time */
	struct ipc_call *serving;	/* innermost call whose handler runs here */
	unsigned int depth;		/* handlers and callbacks on its stack */
	bool blocked;			/* counted in pool.blocked */
	bool idle;			/* counted in pool.idle */
	bool no_event;			/* its last ipc_process() found no event */
	bool in_loop;			/* in ipc_process() */
	bool asleep;			/* clients assume that it sleeps in a loop */
	unsigned int processed;		/* calls of ipc_process() in a row that returned 1 */
	struct ipc_call *spare;		/* memory for the next call */
	struct reply *spare_reply;	/* and for the next reply */
	struct ipc_object *served;	/* the object served last; no reference: see object.h */
	uint64_t served_cookie;
	uint64_t served_ends;		/* ipc->object_ends, when served was set */
	struct ipc_object *_Atomic looking;	/* its memory must not be freed now; or NULL */
	struct batch_state batch;		/* batches of oneways */
	struct turn_frame *turn;	/* innermost turn of an object, or NULL */
	bool parked;			/* it has parked a oneway since it was set to false */
	struct channel_view *channels;	/* that the thread serves, or NULL */
	void *channel_buffer;		/* a spare buffer, or NULL */
	struct stash stash;
	struct scratch scratch;
	unsigned int n_release;
	size_t release_bytes;
	uint64_t release[THREAD_MAX_RELEASE];

	struct thread *next;		/* of the same thread, for other connections */
	LIST_ENTRY(thread) link;	/* of the connection's threads: connections lock */
};

/* The connection this thread used last. */
extern __thread struct thread *thread_last;

int thread_find(struct ipc *ipc, struct thread **ret_thread);

/* The same for a thread that serves, also while the bus is away. */
int thread_find_serving(struct ipc *ipc, struct thread **ret_thread);

/* Drops the thread's numbers, which belong to an earlier generation. Fails with -ECONNRESET while
 * the bus is away. */
int thread_catch_up(struct thread *t);
/* For a thread that is about to make a call. If the bus is away and no thread serves the
 * connection, opens the bus again. Fails with -ECONNRESET if the bus is still away. */
int thread_reconnect(struct ipc *ipc);

static inline uint64_t ipc_generation(const struct ipc *ipc)
{
	return atomic_load_explicit(&ipc->generation, memory_order_relaxed);
}

/* The calling thread's state. -ECHILD after fork, -ENOMEM, -ECONNRESET while the bus is away. */
static inline int thread_get(struct ipc *ipc, struct thread **ret_thread)
{
	struct thread *t = thread_last;

	if (likely(t && t->generation == ipc_generation(ipc))) {
		*ret_thread = t;
		return 0;
	}
	return thread_find(ipc, ret_thread);
}

/* A thread of ipc_run() looks for work. */
static inline void thread_idle(struct thread *t)
{
	if (t->idle)
		return;
	t->idle = true;
	atomic_fetch_add(&t->ipc->pool.idle, 1);
}

/* A handler or callback begins, and ends. If no other thread is idle, starts one: see loop.c. */
static inline void thread_enter(struct thread *t)
{
	t->depth++;
	if (!t->idle)
		return;
	t->idle = false;
	if (atomic_fetch_sub(&t->ipc->pool.idle, 1) == 1 &&
	    unlikely(atomic_load_explicit(&t->ipc->pool.limit, memory_order_relaxed) > 1))
		pool_grow(t->ipc);
}

static inline void thread_leave_handler(struct thread *t)
{
	if (!--t->depth && unlikely(t->blocked))
		pool_unblock(t);
}

/* Drops the references of channels that threads have, before the connection closes its device.
 * Under the connections lock, which it may release meanwhile. ipc->closing must be set. */
void threads_end_channels(struct ipc *ipc);
/* Detaches all threads from a connection that closes. Under the connections lock. */
void threads_detach(struct ipc *ipc);
/* In a forked child: forgets the state of all threads. */
void threads_forget(void);

/*
 * Sends x->send, waits for an event if x->flags contain IPCBUS_WAIT, and releases the collected
 * buffers. x->event is the event that arrived. On failure the message was not sent. The stash must
 * be empty.
 */
int thread_try(struct thread *t, struct ipcbus_exchange *x);
/* Does the same, and sends the message as a file if it can never fit into the receiver's region
 * (core/payload.h). */
int thread_exchange(struct thread *t, struct ipcbus_exchange *x);
/* The region had no space for the message: makes a sealed file of the payload. Returns its fd,
 * which the caller must close. -EMSGSIZE: the message cannot become a file. -ETIMEDOUT: the
 * deadline (0: none) passed before. */
int exchange_make_file(const struct ipcbus_send *send, uint64_t deadline);
/* Sends the file in place of the payload. x->send is unchanged afterwards. Returns the result of
 * the exchange, or -EMSGSIZE: the receiver takes no files. */
int exchange_send_file(struct thread *t, struct ipcbus_exchange *x, int fd);
/* The same through the bus only, without channels. */
int thread_exchange_bus(struct thread *t, struct ipcbus_exchange *x);
/* The same, but sends the stash. */
int thread_wait(struct thread *t, unsigned int flags, struct ipcbus_exchange *x);
/* Sends the stash and releases buffers now, if needed. */
int thread_flush(struct thread *t);

/* Must be called before the scratch is used: sends the stash, which lies in it. */
static inline int thread_flush_stash(struct thread *t)
{
	return likely(t->stash.kind == IPCBUS_SEND_NONE) ? 0 : thread_flush(t);
}

/* Leaves a reply in the scratch for the next exchange. */
void thread_stash(struct thread *t, uint32_t kind, uint32_t code, uint64_t call,
		  size_t size);

/*
 * Defers the release of a buffer. _later() limits the bytes that a thread holds back, in case its
 * next exchange comes late. _next() may be used only if an exchange follows. buffer may be 0.
 */
void thread_release_later(struct thread *t, uint64_t buffer, size_t size);
void thread_release_next(struct thread *t, uint64_t buffer);
/* For a buffer that cannot be released, because the bus is away. */
void thread_release_lost(struct ipc *ipc, uint64_t buffer);

/* Bytes of buffers that a thread may hold back, because its next exchange may come late. */
size_t thread_may_hold(const struct thread *t);

int scratch_resize(struct scratch *scratch, size_t size);

/* Makes space for size bytes in the scratch. The stash must be empty. -ENOMEM. */
static inline int thread_reserve(struct thread *t, size_t size)
{
	const struct scratch *scratch = &t->scratch;

	if (likely(size <= scratch->size &&
		   (scratch->size <= THREAD_SCRATCH_KEPT || size > THREAD_SCRATCH_KEPT)))
		return 0;
	return scratch_resize(&t->scratch, size);
}

#endif /* IPC_THREAD_H */
