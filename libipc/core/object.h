/* SPDX-License-Identifier: MIT */
/*
 * Objects of this process and their nodes in the driver.
 *
 * An object lives while this process has references or other processes refer to its node. Only the
 * driver knows the other processes' references, and its IDLE event may be stale on arrival, because
 * another thread may be sending the object again. So dropping the last reference here does not free
 * the object. It *settles* the object by NODE_DESTROY with IF_IDLE, which ends the node, or fails
 * with -EBUSY if the node is in use.
 *
 * Settling at every last reference would cost a system call for each call of an object that only
 * other processes hold. maybe_idle tells if settling can succeed:
 *   set      at first; by the driver's IDLE event; if a message with the object could not be
 *            sent, because no IDLE event follows that failure
 *   cleared  before the object is sent; before settling
 * It must be cleared *before* the system call: another thread may handle an IDLE event of this
 * sending before the call returns, and that must not be overwritten. If it is set too often, the
 * cost is an -EBUSY.
 *
 *   refs   node  maybe_idle
 *   > 0    any   any         in use here
 *   0      yes   no          held by other processes; IDLE will come
 *   0      yes   yes         settle: gone, or -EBUSY and back to the line above
 *   0      no    -           gone
 *
 * An event of the node may arrive after the node has ended. Its cookie is never reused, so it
 * is in no table then.
 */
#ifndef IPC_OBJECT_H
#define IPC_OBJECT_H

#include "turn.h"
#include "conn/thread.h"

struct ipc_call;
struct ipc_stream;
struct ipcbus_event;

/* Default limits of a user, see ipc_object_set_limits(). */
#define LIMIT_STREAMS	1024
#define LIMIT_WAITING_BYTES	((size_t)64 << 20)
/* Files and objects in waiting stream messages: of a user of an object, or of a stream that this
 * side opened. */
#define LIMIT_WAITING_ENTRIES	256

enum peer_kind {
	PEER_STREAMS,
	PEER_CALLS,
	PEER_KINDS,
};

/* Resources of stream messages that have arrived and were not received yet. */
struct waiting {
	atomic_size_t bytes;
	atomic_uint entries;
};

/*
 * Resources of an object that the processes of a user hold. A struct peer exists while one of its
 * counts is not 0. All members are under ipc->lock, except for waiting.
 */
struct peer {
	struct ipc_object *object;	/* NULL: it is gone, and a stream of it is left */
	uid_t uid;
	unsigned int counts[PEER_KINDS];
	/* Of all streams of the peer. Without the lock: each stream keeps the peer. */
	struct waiting waiting;
};

/* A kind of object: of bytes (raw.c), of a stream (stream-peer.c), of generated code
 * (typed/serve.c). */
struct object_type {
	/*
	 * Serves a call or oneway. Takes ownership of its entries. Returns the handler's result,
	 * for call_end(), or 0 for a oneway that was refused.
	 */
	int (*serve)(struct ipc_call *call, const struct ipcbus_event *event);
	/* A oneway was lost for lack of memory; or NULL. */
	void (*lost)(struct ipc_object *object, int error);
	/* Makes a server's end of a stream for the method number. NULL: the object has no
	 * streams. */
	int (*new_stream)(struct ipc_call *call, uint32_t method, struct ipc_stream **ret_stream);
	/* Returns the name of a call's method; NULL: not known. */
	const char *(*method_name)(const struct ipc_call *call);
	/* Returns true if an incoming message now runs no code of the program; NULL: false. */
	bool (*is_passive)(const struct ipc_object *object);
};

/* The first member of each type of object. */
struct ipc_object {
	atomic_uint refs;
	struct ipc *ipc;	/* NULL after the connection was closed */
	const struct object_type *type;
	const char *interface;	/* its name, or NULL */
	void *userdata;
	void (*destroy)(void *userdata);

	bool limited;		/* calls are counted, or their size is limited */
	atomic_bool nests;	/* a handler of it has made a call: no channels */
	struct turn turn;	/* of oneways */
	/* Of ipc_object_set_limits(). Set once, before the object is sent. */
	unsigned int limits[PEER_KINDS];	/* of a user */
	unsigned int window;			/* of a stream */
	size_t max_message;
	size_t max_waiting_bytes;	/* of a user's messages in streams */
	struct map peers;		/* uid -> struct peer; under ipc->lock */

	/* Written under ipc->lock. */
	_Atomic uint64_t node;	/* 0: none yet */
	struct ipcbus_node wants;	/* parameters of the node for the driver */
	bool maybe_idle;
	bool forced_end;	/* ended while in use: queued messages are discarded */
	LIST_ENTRY(ipc_object) link;	/* ipc->objects; then ipc->ended: connections lock */
};

/* Creates an object of size bytes. The bytes behind struct ipc_object are 0. flags:
 * IPCBUS_NODE_*. */
int object_new(struct ipc *ipc, const struct object_type *type, size_t size, unsigned int flags,
	       void *userdata, struct ipc_object **ret_object);

/* Sets what the object's node will want: -EBUSY once it has a node. */
int object_want(struct ipc_object *object, const struct ipcbus_node *wants);

/* Numbers in messages: see ipc_object_id() and ipc_proxy_id(). */
static inline bool id_is_object(uint64_t id)
{
	return id & 1;
}

static inline uint64_t id_of_cookie(uint64_t cookie)
{
	return cookie << 1 | 1;
}

static inline uint64_t id_of_handle(uint32_t handle)
{
	return ((uint64_t)handle + 1) << 1;
}

static inline uint64_t id_cookie(uint64_t id)
{
	return id >> 1;
}

/* The id must be of a handle; untrusted ids may be out of range. */
static inline uint64_t id_handle(uint64_t id)
{
	return (id >> 1) - 1;
}

/* Objects of streams only queue incoming messages. */
static inline bool object_is_passive(const struct ipc_object *object)
{
	return object && object->type->is_passive && object->type->is_passive(object);
}

/* Returns the object with that cookie, with a reference, or NULL if it is gone. */
struct ipc_object *object_from_cookie(struct ipc *ipc, uint64_t cookie);

/* The same for the thread that serves the object, which caches it for its next call. */
struct ipc_object *object_find_served(struct thread *t, uint64_t cookie);

/*
 * Returns the object with that cookie, with a reference, or NULL. Takes no lock if the thread
 * served it last. A thread that ends an object first increments object_ends, then reads the
 * *looking* of every thread. The serving thread first writes *looking*, then reads object_ends. So
 * at least one of the two sees the other. An object without references may be ending, which only
 * the lock can tell.
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

/* ipc_object_id() for functions of names: never opens the bus again. */
int object_get_id(struct ipc_object *object, uint64_t *ret_id);
/* Must be called before the object with this cookie is sent. -EBADF: there is no such object. */
int object_sending(struct ipc *ipc, uint64_t cookie, uint64_t *ret_node);
/* Handles an IDLE event: no other process refers to the node. Must also be called if the object
 * could not be sent. */
void object_idle(struct ipc *ipc, uint64_t cookie);

/* Ends the object with that cookie, even if its node is in use. Messages that arrived before are
 * served. */
void object_end(struct ipc *ipc, uint64_t cookie);

/* Returns true if the object was ended by force, or if there is no such object. */
bool object_has_ended(struct ipc *ipc, uint64_t cookie);

/* Destroys the node unless it is in use. Returns 0, after which the object may be sent again, or
 * -EBUSY. */
int object_end_if_idle(struct ipc_object *object);

/*
 * Charges n of that kind to the user. -EDQUOT: the limit is reached; -ENOMEM. *ret_peer stays valid
 * only while the caller has a charge of it.
 */
int peer_add(struct ipc_object *object, uid_t uid, enum peer_kind kind, unsigned int n,
	     struct peer **ret_peer);
/* Uncharges n of that kind. ipc: NULL if the connection is closed. */
void peer_remove(struct ipc *ipc, struct peer *peer, enum peer_kind kind, unsigned int n);

/* The bus has ended: moves the nodes out of the tables. */
void objects_lost(struct ipc *ipc);
/* Ends or detaches all objects of a connection that is closed. */
void objects_close(struct ipc *ipc);

#endif /* IPC_OBJECT_H */
