/* SPDX-License-Identifier: MIT */
/*
 * What the files of a link share. From the top down: link.c, a link from its beginning to its end;
 * link-name.c, names; link-call.c, calls, and link-oneway.c, oneways; link-table.c, objects;
 * link-queue.c, frames that leave, and work
 * that waits for a thread.
 *
 * A link has a connection of its own to the bus. So what belongs to the other side dies with the
 * link, as what belongs to a process dies with the process.
 *
 * Threads. Frames arrive on the engine's thread, which never blocks. Calls from the bus run on the
 * connection's serving threads, and wait there for their reply: a call that comes back through the
 * link, as a part of what they wait for, is made on the same thread, so that the kernel knows
 * that it is the same chain. Calls from the other side run on workers, for the same reason.
 *
 * Locks. One for each link. Under it nothing is unref'ed that may run destroy().
 */
#ifndef GATEWAY_LINK_PRIVATE_H
#define GATEWAY_LINK_PRIVATE_H

#include <pthread.h>

#include <ipc/raw.h>

#include "link-frame.h"
#include "link.h"
#include "../libipc/core/map.h"

/* Of oneways to one object that are on their way: see link.proto. */
#define ONEWAYS_MAX		16
#define ONEWAY_BYTES_MAX	((size_t)256 << 10)

/* Bytes that wait to leave. With more, calls wait, and oneways stay in their sender's queue. */
#define OUT_BYTES_MAX		((size_t)4 << 20)

/* With more, the other side does not take what this one sends. What goes without waiting, such as
 * releases and refusals, is small, but the other side can cause as much of it as it likes. */
#define OUT_BYTES_END		((size_t)64 << 20)

/* Bytes of requests from the other side that are being served. Others are refused. */
#define SERVING_BYTES_MAX	((size_t)64 << 20)

/* Objects of either side that the other one has. All links share what the gateway's user may
 * have. */
#define OBJECTS_MAX		8192

/* Bytes of oneways from the other side that wait because their receivers have no space. */
#define WAITING_BYTES_MAX	((size_t)64 << 20)

struct link;

/* Entries of a message, with a reference each. */
struct entries {
	size_t n;
	struct ipc_raw_entry all[LINK_OBJECTS_MAX];
};

/* An object of this bus that the other side knows. */
struct export {
	struct link *link;
	struct ipc_proxy *proxy;
	struct ipc_slot *death;
	uint64_t number;
	uint64_t mentions;	/* that were not released */
	unsigned int refs;	/* of the table, and of the watch; atomic */
	bool dead;
	bool released;		/* for the other side it is gone; it stays until nothing waits */
	struct arrived *waiting; /* oneways that the receiver has no space for, oldest first */
	struct arrived **last_waiting;
	size_t n_waiting;
	size_t waiting_bytes;
	uint64_t taken;		/* oneways that the other side was not notified of */
	uint64_t taken_bytes;
};

/* An object of the other side, and the object of this bus that stands for it. */
struct remote {
	struct link *link;
	struct ipc_raw_ops ops;
	char *interface;
	uint64_t number;
	uint64_t id;		/* for ipc_take_object() */
	uint64_t mentions;
	unsigned int oneways;	/* on their way */
	size_t oneway_bytes;
	struct ipc_call *held;	/* the next one, which waits */
	const struct ipc_raw_message *held_message;
};

/*
 * Something for a worker. run() frees it; if the link ends first, drop() does. run() returns
 * whether the thread had a reply with objects: the library returns that to the driver with the
 * thread's next call, or at its end.
 */
struct job {
	struct job *next;
	struct link *link;
	bool (*run)(struct job *job);
	void (*drop)(struct job *job);
};

struct out {
	struct out *next;
	struct wire_buffer bytes;
};

struct link {
	struct links *of;
	struct link *next;
	struct peer *peer;	/* that this side has called; NULL: it was called */
	struct ipc *ipc;	/* set under the lock */
	struct net_call *call;
	char *key;		/* of the other side, for peers_begin(); NULL: no call came yet */
	struct peer *caller;	/* that has opened it; NULL: this side has */
	struct names *names;

	pthread_mutex_t lock;	/* of what follows */
	pthread_cond_t changed;	/* broken, over, workers, out_bytes */
	bool broken;
	bool over;		/* the engine has forgotten the call */
	bool greeted;
	char *why;		/* it broke */
	size_t peer_size;	/* bytes of a frame that the other side takes */

	struct out *out;
	struct out **last_out;
	size_t out_bytes;	/* with what each frame costs */
	bool sending;

	struct map exports;	/* by number */
	struct map proxies;	/* exports by proxy */
	struct map remotes;	/* by number */
	uint64_t last_export;
	bool wants_writable;
	unsigned int held;	/* remotes with a oneway that waits */

	unsigned int max_calls;	/* constant; as many as there may be threads for */
	unsigned int calls;	/* from the bus, that are here: waiting, or not yet sent */
	struct map waiting;	/* struct pending by id */
	struct map serving;	/* struct served by id */
	size_t serving_bytes;
	size_t oneway_bytes;	/* of all oneways that wait, with what each costs */
	uint64_t last_id;

	struct job *jobs;
	struct job **last_job;
	unsigned int n_jobs;
	unsigned int workers;
	unsigned int idle;
};

/* What arrived and outlives the engine's callback. */
struct arrived {
	struct arrived *next;
	uint8_t *bytes;		/* of the frame */
	struct link_frame frame;
	struct entries entries;
};

struct arrived *arrived_free(struct arrived *arrived);

/* --- link.c ------------------------------------------------------------------------------- */

/* End the link. The text says why, for the logs of both sides. Only the first call counts. */
void link_break(struct link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));
void link_break_locked(struct link *link, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

const struct link_options *link_options(const struct link *link);

/* Begin a call of the other side, on the engine's thread, until peers_end(). -EDQUOT: the peer, or
 * all peers together, have as many as they may. */
int link_begin_call(struct link *link, struct peer **ret_peer);

/* --- link-queue.c ------------------------------------------------------------------------- */

void link_send_locked(struct link *link, const struct link_frame *frame);
void link_send(struct link *link, const struct link_frame *frame);
/* The engine has sent a message. */
void link_sent(struct link *link);
void link_drop_out(struct link *link);

/* -EDQUOT: there are too many threads. */
int link_work_locked(struct link *link, struct job *job);
void link_drop_jobs(struct link *link);

/* --- link-table.c ------------------------------------------------------------------------- */

/*
 * Put objects into a frame. Once for each frame that is sent: the other side counts them. Sending
 * is the same step. -EPERM: one is a file. -EDQUOT: the other side has too many objects.
 */
int table_put_locked(struct link *link, struct link_frame *frame,
		     const struct ipc_raw_entry *entries, size_t n);
/* After the frame was sent: objects in it that are dead already. */
void table_sent_locked(struct link *link, const struct link_frame *frame);

/* The objects of a frame. interface is that of objects that are new, or NULL. On failure there are
 * none, and the other side was notified. -EPROTO: the frame names what is not there. */
int table_take(struct link *link, const struct link_frame *frame, const char *interface,
	       struct entries *ret_entries);
void entries_release(struct entries *entries);

/* The export that a frame is for, or NULL. */
struct export *table_find_locked(struct link *link, uint64_t number);
/* Nothing waits any more: if it was released meanwhile, it leaves the table, for export_drop(). */
bool table_drained_locked(struct link *link, struct export *export);
/* Without the lock. */
void export_drop(struct export *export);

void table_release(struct link *link, const struct link_frame *frame);
void table_dead(struct link *link, const struct link_frame *frame);
/* Without the lock, when nothing else runs. */
void table_drop(struct link *link);

/* --- link-call.c -------------------------------------------------------------------------- */

/* A call or oneway of the bus for an object of the other side. */
int remote_serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata);

/* The frames of these kinds. call_arrived() takes over what arrived. */
void call_arrived(struct link *link, struct arrived *arrived);
void reply_arrived(struct link *link, struct arrived *arrived);
void cancel_arrived(struct link *link, const struct link_frame *frame);

/* The link is broken: wakes who waits, and cancels what runs. */
void calls_break_locked(struct link *link);
/* Without the lock, when nothing else runs; before the connection closes. */
void calls_drop(struct link *link);

/* --- link-oneway.c ------------------------------------------------------------------------ */

/* A oneway of the bus for an object of the other side. */
int remote_serve_oneway(struct remote *remote, struct ipc_call *call,
			const struct ipc_raw_message *message);

/* The frames of these kinds. oneway_arrived() takes over what arrived. */
void oneway_arrived(struct link *link, struct arrived *arrived);
void taken_arrived(struct link *link, const struct link_frame *frame);
/* Oneways that waited and may go now. */
void oneways_send_held(struct link *link);

/* --- link-name.c -------------------------------------------------------------------------- */

int names_new(struct link *link);
/* Without the lock, when nothing else runs; before the connection closes. */
void names_free(struct link *link);
/* The other side has said hello: wants the names that it has. */
void names_want(struct link *link);
/* The policy has changed: break the link if it uses a name that its other side may not use now. */
void names_review(struct link *link);
void find_arrived(struct link *link, const struct link_frame *frame);
void name_arrived(struct link *link, const struct link_frame *frame);

/* A name that this side uses, and where it is. */
struct use {
	char *name;
	char *remote;
};

/* A gateway that this side calls. */
struct peer {
	struct peer *next;
	struct links *of;
	char *target;
	struct net_channel *channel;
	pthread_t thread;
	bool started;
	struct use *uses;
	size_t n_uses;
};

#endif /* GATEWAY_LINK_PRIVATE_H */
