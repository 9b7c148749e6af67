/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files of links. From the top down: link.c, a link from its beginning to its end;
 * link-name.c, names; link-call.c, calls, and link-oneway.c, oneways; link-table.c, objects;
 * link-queue.c, frames that wait to leave, and jobs that wait for a thread.
 *
 * Each link has its own connection to the bus. So the objects of the other side die with the link,
 * as the objects of a process die with the process.
 *
 * Threads. Frames arrive on the engine's thread, which must never block. A call from the bus runs
 * on a serving thread of the connection, and waits there for its reply. If the other side calls
 * back in the meantime, the same thread makes that call, so that the kernel sees one chain of
 * calls. Other calls of the other side run on workers, because each must have its own thread in the
 * chain.
 *
 * Locks. Each link has one lock. Never drop a reference under it if that may run a destroy()
 * callback.
 */
#ifndef GATEWAY_LINK_PRIVATE_H
#define GATEWAY_LINK_PRIVATE_H

#include <pthread.h>

#include <ipc/raw.h>

#include "link-frame.h"
#include "link.h"
#include "../libipc/base/map.h"

/* Limits of oneways in flight to one object: see link.proto. */
#define ONEWAYS_MAX		16
#define ONEWAY_BYTES_MAX	((size_t)256 << 10)

/* Maximum bytes of queued frames. Beyond that, calls wait, and oneways stay in the queue of the
 * sender. */
#define OUT_BYTES_MAX		((size_t)4 << 20)

/* If the queued frames exceed this size, the link breaks, because the other side does not read.
 * Releases and refusals are sent without waiting. They are small, but the other side can cause any
 * number. */
#define OUT_BYTES_END		((size_t)64 << 20)

/* Bytes of requests of the other side that are being served. Further requests are refused. */
#define SERVING_BYTES_MAX	((size_t)64 << 20)

/* Objects of each side that the other side holds. All links share the quota of the gateway's
 * user. */
#define OBJECTS_MAX		8192

/* Bytes of oneways of the other side that wait because their receivers have no space. */
#define WAITING_BYTES_MAX	((size_t)64 << 20)

struct link;

/* Entries of a message. Each holds a reference. */
struct entries {
	size_t n;
	struct ipc_raw_entry all[LINK_OBJECTS_MAX];
};

/* An object of this bus that the other side holds. */
struct export {
	struct link *link;
	struct ipc_proxy *proxy;
	struct ipc_slot *death;
	uint64_t number;
	uint64_t mentions;	/* in frames, not released yet */
	unsigned int refs;	/* atomic: of the table and of the watch */
	bool dead;
	bool released;		/* by the other side; stays while oneways wait */
	struct arrived *waiting; /* oneways for which the receiver has no space, oldest first */
	struct arrived **last_waiting;
	size_t n_waiting;
	size_t waiting_bytes;
	uint64_t taken;		/* oneways delivered, not reported by TAKEN yet */
	uint64_t taken_bytes;
};

/* An object of the other side, and its proxy object on this bus. */
struct remote {
	struct link *link;
	struct ipc_raw_ops ops;
	char *interface;
	uint64_t number;
	uint64_t id;		/* for ipc_take_object() */
	uint64_t mentions;
	unsigned int oneways;	/* in flight */
	size_t oneway_bytes;
	struct ipc_call *held;	/* the next oneway, which waits */
	const struct ipc_raw_message *held_message;
};

/*
 * A job for a worker. run() must free it. If the link ends first, drop() must free it. run()
 * returns true if the thread received a reply with objects. The library frees the memory of such a
 * reply at the thread's next call or at its end, so the worker must not stay idle afterwards.
 */
struct job {
	struct job *next;
	struct link *link;
	bool (*run)(struct job *job);
	void (*drop)(struct job *job); /* or NULL */
};

struct out {
	struct out *next;
	struct wire_buffer bytes;
};

struct link {
	struct links *of;
	struct link *next;
	struct peer *peer;	/* the gateway that this side called; NULL: this side was called */
	struct ipc *ipc;	/* set under the lock */
	struct net_call *call;
	char *key;		/* of the other side, for peers_begin(); NULL: no call yet */
	struct peer *caller;	/* that opened the link; NULL: this side did */
	struct names *names;

	pthread_mutex_t lock;	/* protects the members below */
	pthread_cond_t changed;	/* broken, over, workers, out_bytes */
	bool broken;
	bool over;		/* ended() of the call has run */
	bool greeted;
	char *why;		/* the reason of the break */
	size_t peer_size;	/* maximum bytes of a frame to the other side */

	struct out *out;
	struct out **last_out;
	size_t out_bytes;	/* with the overhead of each frame */
	bool sending;

	struct map exports;	/* by number */
	struct map proxies;	/* exports by proxy */
	struct map remotes;	/* by number */
	uint64_t last_export;
	bool wants_writable;
	unsigned int held;	/* remotes with a held oneway */

	unsigned int max_calls;	/* constant; limited by the number of threads */
	unsigned int calls;	/* of the bus, waiting or not sent yet */
	struct map waiting;	/* struct pending by id */
	struct map serving;	/* struct served by id */
	size_t serving_bytes;
	size_t oneway_bytes;	/* of all waiting oneways, with their overhead */
	uint64_t last_id;

	struct job *jobs;
	struct job **last_job;
	unsigned int n_jobs;
	unsigned int workers;
	unsigned int idle;
};

/* A frame that arrived, with its memory. */
struct arrived {
	struct arrived *next;
	uint8_t *bytes;		/* of the frame */
	struct link_frame frame;
	struct entries entries;
};

struct arrived *arrived_free(struct arrived *arrived);

/* --- link.c ------------------------------------------------------------------------------- */

/* Break the link. The text is the reason, for the logs of both sides. Further calls do nothing. */
void link_break(struct link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));
void link_break_locked(struct link *link, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

const struct link_options *link_options(const struct link *link);

/* Returns the time that many milliseconds from now, for pthread_cond_clockwait(). */
struct timespec link_time_in(unsigned int msec);

/* Begin a call of the other side, on the engine's thread, until peers_end(). -EDQUOT: the peer, or
 * all peers together, have as many as they may. */
int link_begin_call(struct link *link, struct peer **ret_peer);

/* --- link-queue.c ------------------------------------------------------------------------- */

void link_send_locked(struct link *link, const struct link_frame *frame);
void link_send(struct link *link, const struct link_frame *frame);
/* Sends the next frame. Must be called when the engine has sent a message. */
void link_sent(struct link *link);
void link_drop_out(struct link *link);

/* Returns -EDQUOT if there are too many threads. */
int link_work_locked(struct link *link, struct job *job);
void link_drop_jobs(struct link *link);

/* --- link-table.c ------------------------------------------------------------------------- */

/*
 * Put objects into a frame. The frame must be sent exactly once, before the lock is released,
 * because the other side counts mentions. Returns -EPERM if an entry is a file, and -EDQUOT if the
 * other side holds too many objects.
 */
int table_put_locked(struct link *link, struct link_frame *frame,
		     const struct ipc_raw_entry *entries, size_t n);
/* Must be called when the frame was sent: reports objects in it that are dead already. */
void table_sent_locked(struct link *link, const struct link_frame *frame);

/* Take the objects of a frame. interface is the interface of new objects, or NULL. On failure all
 * of them were released. Returns -EPROTO if the frame names an object that does not exist. */
int table_take(struct link *link, const struct link_frame *frame, const char *interface,
	       struct entries *ret_entries);
void entries_release(struct entries *entries);

/* Returns the export with the number, or NULL. */
struct export *table_find_locked(struct link *link, uint64_t number);
/* If an export is released and no oneway waits for it, removes it from the table. Returns true
 * then; the caller must call export_drop(). */
bool table_drained_locked(struct link *link, struct export *export);
/* Must be called without the lock. */
void export_drop(struct export *export);

void table_release(struct link *link, const struct link_frame *frame);
void table_dead(struct link *link, const struct link_frame *frame);
/* Must be called without the lock, when no other thread uses the link. */
void table_drop(struct link *link);

/* --- link-call.c -------------------------------------------------------------------------- */

/* Serves a call or oneway of the bus for an object of the other side. */
int remote_serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata);

/* Handle frames. call_arrived() and reply_arrived() take over arrived. */
void call_arrived(struct link *link, struct arrived *arrived);
void reply_arrived(struct link *link, struct arrived *arrived);
void cancel_arrived(struct link *link, const struct link_frame *frame);

/* Wakes all waiting calls of a broken link, and cancels the served calls. */
void calls_break_locked(struct link *link);
/* Must be called without the lock, when no other thread uses the link, before the connection
 * closes. */
void calls_drop(struct link *link);

/* --- link-oneway.c ------------------------------------------------------------------------ */

/* Serves a oneway of the bus for an object of the other side. */
int remote_serve_oneway(struct remote *remote, struct ipc_call *call,
			const struct ipc_raw_message *message);

/* Handle frames. oneway_arrived() takes over arrived. */
void oneway_arrived(struct link *link, struct arrived *arrived);
void taken_arrived(struct link *link, const struct link_frame *frame);
/* Sends held oneways for which there is space now. */
void oneways_send_held(struct link *link);

/* --- link-name.c -------------------------------------------------------------------------- */

int names_new(struct link *link);
/* Must be called without the lock, when no other thread uses the link, before the connection
 * closes. */
void names_free(struct link *link);
/* Requests the names of the other side, after its HELLO. */
void names_want(struct link *link);
/* Breaks the link if a changed policy decides differently about one of its names. */
void names_review(struct link *link);
void find_arrived(struct link *link, const struct link_frame *frame);
void name_arrived(struct link *link, const struct link_frame *frame);

/* A name that this side uses: here, and on the other side. */
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
