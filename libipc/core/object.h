/* SPDX-License-Identifier: MIT */
/*
 * Objects of this process and their nodes in the driver.
 *
 * An object lives while this process has references or others refer to its node. Only the
 * driver knows about the others, and its IDLE event may be outdated when it arrives, because
 * another thread may be sending the object again. So dropping the last reference here does
 * not free the object. It *settles* the object by NODE_DESTROY with IF_IDLE, which ends the
 * node or fails with -EBUSY if somebody refers to it.
 *
 * To settle at every last reference would cost a system call for each call of an object that
 * only others hold. maybe_idle says whether settling can succeed:
 *   set      at first; by the driver's IDLE event; if a message with the object could not be
 *            sent, because no IDLE event comes for that one
 *   cleared  before the object is sent; before settling
 * It is cleared *before* the system call. An IDLE event of this sending may be handled by
 * another thread before the call returns, and must not be overwritten. If it is set too
 * often, that costs one -EBUSY.
 *
 *   refs   node  maybe_idle
 *   > 0    any   any         in use here
 *   0      yes   no          held by others; IDLE will come
 *   0      yes   yes         settle: gone, or -EBUSY and back to the line above
 *   0      no    -           gone
 *
 * An event of the node may arrive after the node has ended. Its cookie is never reused, so it
 * is in no table then.
 */
#ifndef IPC_OBJECT_H
#define IPC_OBJECT_H

#include "thread.h"

struct ipc_call;
struct ipc_stream;
struct ipcbus_event;

/* Of a user, unless ipc_object_set_limits() says something else. */
#define LIMIT_STREAMS	1024
#define LIMIT_OBJECTS	16384
#define LIMIT_WAITING_BYTES	((size_t)64 << 20)
#define LIMIT_WAITING_ENTRIES	256
/* Of a stream that this side opened: as many as one message has. */
#define LIMIT_STREAM_ENTRIES	64

struct peers;

enum peer_kind {
	PEER_STREAMS,
	PEER_CALLS,
	PEER_OBJECTS,		/* that replies gave away */
	PEER_KINDS,
};

/* What messages of streams take that arrived and were not received yet. */
struct waiting {
	atomic_size_t bytes;
	atomic_uint entries;
};

/*
 * What each user's peers hold of an object. The counts of a user exist while one of them is not 0.
 * The peers of an object exist until both the object and the last of them are gone, because a
 * stream may outlive its object. All of it is under ipc->lock, except what waits.
 */
struct peer {
	struct peers *peers;
	uid_t uid;
	unsigned int counts[PEER_KINDS];
	/* Of all its streams. Without the lock: each of them keeps the peer. */
	struct waiting waiting;
};

/* A kind of object: of bytes (raw.c), of a stream (stream-peer.c), of generated code
 * (typed/serve.c). */
struct object_type {
	/*
	 * A call or oneway of the object came. Takes over the entries that came with it.
	 * Returns what its handler does: call_end() acts on that.
	 */
	int (*serve)(struct ipc_call *call, const struct ipcbus_event *event);
	/* A oneway was lost for lack of memory; or NULL. */
	void (*lost)(struct ipc_object *object, int error);
	/* NULL: it has no streams. Makes a server's end of the method with that code, or
	 * refuses: -EOPNOTSUPP. */
	int (*new_stream)(struct ipc_call *call, uint32_t code, struct ipc_stream **ret_stream);
	/* Whether what comes now runs nothing of the program's; NULL: it does. */
	bool (*is_passive)(const struct ipc_object *object);
};

/* The first member of each kind. */
struct ipc_object {
	atomic_uint refs;
	struct ipc *ipc;	/* NULL: closed before the last reference went */
	const struct object_type *type;
	const char *interface;	/* its name, or NULL */
	void *userdata;
	void (*destroy)(void *userdata);
	/* Called when nobody else refers to the object; NULL mostly. Set once, before
	 * the object is sent. */
	void (*idle)(struct ipc_object *object);

	bool limited;		/* calls are counted, or their size is limited */
	atomic_bool nests;	/* a handler of it has made a call: no channels */
	bool pidfds;		/* IPC_OBJECT_PIDFD. Set once, before the object is sent */
	/* Of ipc_object_set_limits(). Set once, before the object is sent. */
	unsigned int limits[PEER_KINDS];	/* of a user */
	size_t max_message;
	size_t max_waiting_bytes;	/* of a user's messages in streams */
	unsigned int max_waiting_entries;
	struct peers *peers;		/* under ipc->lock; or NULL */
	struct peer *holder;		/* the user it was given to, under ipc->lock; or NULL */

	/* Written under ipc->lock. */
	_Atomic uint64_t node;	/* 0: none yet */
	struct ipcbus_node wants;	/* of the driver, for the node */
	bool maybe_idle;
	bool forced_end;	/* while others may refer to it: what waits is dropped */
	struct ipc_object *next;
	struct ipc_object **link;
};

/* A new object in size bytes, of which those behind struct ipc_object are 0. flags:
 * IPCBUS_NODE_*. */
int object_new(struct ipc *ipc, const struct object_type *type, size_t size, unsigned int flags,
	       void *userdata, struct ipc_object **ret_object);

/* Numbers in messages: see ipc_object_id() and ipc_proxy_id(). */
static inline bool id_is_object(uint64_t id)
{
	return id & 1;
}

static inline uint64_t id_of_node(uint64_t node)
{
	return node << 1 | 1;
}

static inline uint64_t id_of_handle(uint32_t handle)
{
	return ((uint64_t)handle + 1) << 1;
}

static inline uint64_t id_node(uint64_t id)
{
	return id >> 1;
}

/* The id must be one of a handle; ids from elsewhere may be out of range. */
static inline uint64_t id_handle(uint64_t id)
{
	return (id >> 1) - 1;
}

/* Objects of streams keep what comes, and no more. */
static inline bool object_is_passive(const struct ipc_object *object)
{
	return object && object->type->is_passive && object->type->is_passive(object);
}

/* The object with that cookie, with a reference; NULL if it is gone. */
struct ipc_object *object_from_cookie(struct ipc *ipc, uint64_t cookie);

/* The same, for the thread that serves it, which remembers it for the next time. */
struct ipc_object *object_find_served(struct thread *t, uint64_t cookie);

/*
 * The object that the thread served last it finds without a lock. Whoever ends an object counts
 * that in object_ends first and looks at every thread's *looking* then; the thread writes
 * *looking* first and reads object_ends then. So one of the two sees the other. An object without
 * references here may be ending: that is for the lock.
 */
static inline struct ipc_object *object_served(struct thread *t, uint64_t cookie)
{
	struct ipc_object *object = t->served;
	bool found;

	if (unlikely(t->served_cookie != cookie || !object))
		return object_find_served(t, cookie);
	atomic_store(&t->looking, object);
	found = atomic_load(&t->ipc->object_ends) == t->served_ends &&
		refs_take_unless_none(&object->refs);
	atomic_store_explicit(&t->looking, NULL, memory_order_release);
	return likely(found) ? object : object_find_served(t, cookie);
}

/* ipc_object_id() for a thread that has the lock of names: it does not open the bus again. */
int object_get_id(struct ipc_object *object, uint64_t *ret_id);
/* The object with this node is about to be sent: -EBADF if there is none. */
int object_sending(struct ipc *ipc, uint64_t node);
/* It was not sent after all. */
void object_unsent(struct ipc *ipc, uint64_t node);
/* A reply of an object gives another one, that with this node, to a user: counts it there until
 * nobody else refers to it. -EDQUOT: the user may not have as many. */
int object_given(struct ipc_object *by, uid_t uid, uint64_t node);
/* An IDLE event came: nobody else refers to the node. */
void object_idle(struct ipc *ipc, uint64_t cookie);

/* Ends the object with that cookie, whoever refers to its node. What arrived before is served. */
void object_end(struct ipc *ipc, uint64_t cookie);

/* Whether that was done, or there is no such object. */
bool object_has_ended(struct ipc *ipc, uint64_t cookie);

/* Destroys the node if nobody refers to it. 0: the object may be sent anew; or -EBUSY. */
int object_end_if_idle(struct ipc_object *object);

/*
 * Counts n more of that kind for the user: -EDQUOT if it may not have as many, -ENOMEM. A peer
 * of which the caller has counted nothing may be gone afterwards.
 */
int peer_add(struct ipc_object *object, uid_t uid, enum peer_kind kind, unsigned int n,
	     struct peer **ret_peer);
int peer_add_locked(struct ipc_object *object, uid_t uid, enum peer_kind kind, unsigned int n,
		    struct peer **ret_peer);
/* They are gone. ipc: NULL if the connection is closed. */
void peer_remove(struct ipc *ipc, struct peer *peer, enum peer_kind kind, unsigned int n);
void peer_remove_locked(struct peer *peer, enum peer_kind kind, unsigned int n);

/* The connection is closed: ends all objects, or cuts them off. */
void objects_close(struct ipc *ipc);

#endif /* IPC_OBJECT_H */
