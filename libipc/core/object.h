/* SPDX-License-Identifier: MIT */
/*
 * Objects of this process and their nodes in the driver.
 *
 * An object lives while it has references here or its node is referred to from
 * elsewhere. Only the driver knows about the latter, and its word is old when
 * it arrives: another thread may just be sending the object again. So the last
 * reference here does not free; it *settles* with NODE_DESTROY if-idle, which
 * either ends the node or says that somebody still has it (-EBUSY).
 *
 * To settle at every last reference would cost a system call for each call to
 * an object that only others hold. maybe_idle says whether it can succeed:
 *   set      at the start; by the driver's IDLE event; by a message with the
 *            object that could not be sent (then no IDLE comes for it)
 *   cleared  before the object is sent; before settling
 * Clearing it *before* the system call is what makes this safe: an IDLE event
 * that belongs to this sending may be handled by another thread before the
 * call returns, and must not be overwritten. Set too often costs one -EBUSY.
 *
 *   refs   node  maybe_idle
 *   > 0    any   any         in use here
 *   0      yes   no          held by others; IDLE will come
 *   0      yes   yes         settle: gone, or EBUSY and back to the line above
 *   0      no    -           gone
 *
 * An event of the node may still arrive after the node is gone: its cookie,
 * which is never used twice, is in no table then.
 */
#ifndef IPC_OBJECT_H
#define IPC_OBJECT_H

#include "private.h"

struct ipc_call;
struct ipc_stream;
struct ipcbus_event;

/* What kind of object it is: of bytes (raw.c), of a stream (stream-peer.c), of generated
 * code (typed/serve.c). */
struct object_type {
	/*
	 * A call or oneway of the object came. Takes over the entries that came with it.
	 * Returns what its handler does: call_end() acts on that.
	 */
	int (*serve)(struct ipc_call *call, const struct ipcbus_event *event);
	/* NULL: of no interest. A oneway came for which there was no memory. */
	void (*lost)(struct ipc_object *object, int error);
	/* NULL: it has no streams. Makes a server's end of the method with that code, or
	 * refuses: -EOPNOTSUPP. */
	int (*new_stream)(struct ipc_call *call, uint32_t code, struct ipc_stream **ret_stream);
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

	/* Written under ipc->lock. */
	_Atomic uint64_t node;	/* 0: none yet */
	struct ipcbus_node wants;	/* of the driver, for the node */
	bool maybe_idle;
	struct ipc_object *next;
	struct ipc_object **link;
};

/* A new object in size bytes, of which those behind struct ipc_object are 0. flags:
 * IPCBUS_NODE_*. */
int object_new(struct ipc *ipc, const struct object_type *type, size_t size, unsigned int flags,
	       void *userdata, struct ipc_object **ret_object);

/* What id in a message stands for: see ipc_object_id() and ipc_proxy_id(). */
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

/* ipc_object_id() that says what is wrong: -EDQUOT, -ENOMEM. */
int object_get_id(struct ipc_object *object, uint64_t *ret_id);

/* The object behind an event's cookie with a reference, or NULL: it is gone. */
struct ipc_object *object_from_cookie(struct ipc *ipc, uint64_t cookie);
/* The same for a node's id; without a reference: for those who hold one. */
struct ipc_object *object_from_node(struct ipc *ipc, uint64_t node);

/* The object with this node is about to be sent: -EBADF if there is none. */
int object_sending(struct ipc *ipc, uint64_t node);
/* It was not sent after all. */
void object_unsent(struct ipc *ipc, uint64_t node);
/* The driver says that nobody else refers to the node. */
void object_idle(struct ipc *ipc, uint64_t cookie);

/* Ends the object for all others, if nobody refers to it: 0, and it may be sent anew,
 * or -EBUSY. */
int object_end_if_idle(struct ipc_object *object);

/* The connection is closed: ends all objects, or cuts them off. */
void objects_close(struct ipc *ipc);

#endif /* IPC_OBJECT_H */
