// SPDX-License-Identifier: MIT
/* Objects: see object.h for how long they live. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/sized.h"
#include "object.h"
#include "stream.h"

/* --- Peers ---------------------------------------------------------------------------- */

static struct peer *peer_of_locked(struct ipc_object *object, uid_t uid)
{
	struct peer *peer = map_get(&object->peers, uid);

	if (peer)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	*peer = (struct peer){ .object = object, .uid = uid };
	if (map_add(&object->peers, uid, peer) == 0)
		return peer;
	free(peer);
	return NULL;
}

static void peer_settle_locked(struct peer *peer)
{
	for (int i = 0; i < PEER_KINDS; i++)
		if (peer->counts[i])
			return;
	if (peer->object)
		map_remove(&peer->object->peers, peer->uid);
	free(peer);
}

int peer_add(struct ipc_object *object, uid_t uid, enum peer_kind kind, unsigned int n,
	     struct peer **ret_peer)
{
	unsigned int max = object->limits[kind];
	struct peer *peer;
	int r = -ENOMEM;

	ipc_lock(object->ipc);
	peer = peer_of_locked(object, uid);
	if (peer && (n > max || peer->counts[kind] > max - n)) {
		peer_settle_locked(peer);
		r = -EDQUOT;
	} else if (peer) {
		peer->counts[kind] += n;
		*ret_peer = peer;
		r = 0;
	}
	ipc_unlock(object->ipc);
	return r;
}

void peer_remove(struct ipc *ipc, struct peer *peer, enum peer_kind kind, unsigned int n)
{
	if (ipc)
		ipc_lock(ipc);
	peer->counts[kind] -= n;
	peer_settle_locked(peer);
	if (ipc)
		ipc_unlock(ipc);
}

/* Takes the peers off an object that is gone. Its connection may be closed. */
static void peers_leave(struct ipc_object *object)
{
	struct ipc *ipc = object->ipc;
	struct peer *peer;
	uint64_t uid;

	if (ipc)
		ipc_lock(ipc);
	while ((peer = map_first(&object->peers, &uid))) {
		map_remove(&object->peers, uid);
		peer->object = NULL;
	}
	if (ipc)
		ipc_unlock(ipc);
	map_done(&object->peers);
}

/* --- Life ------------------------------------------------------------------------------ */

/* Removes the cookie of an object whose node has ended, so that no event finds the object. */
static void object_forget_node_locked(struct ipc_object *object)
{
	struct ipc *ipc = object->ipc;

	map_remove(&ipc->cookies, object->wants.cookie);
	atomic_fetch_add(&ipc->object_ends, 1);
}

static void object_unlink_locked(struct ipc_object *object)
{
	if (object->node)
		object_forget_node_locked(object);
	LIST_REMOVE(object, link);
}

static bool is_looked_at(const struct ipc *ipc, const struct ipc_object *object)
{
	for (const struct thread *t = LIST_FIRST(&ipc->threads); t; t = LIST_NEXT(t, link))
		if (atomic_load(&t->looking) == object)
			return true;
	return false;
}

/* If a thread is just reading the object's memory (object_served()), keeps the memory until the
 * next object ends. */
static void memory_free(struct ipc *ipc, struct ipc_object *object)
{
	struct ipc_object *next;

	connections_lock();
	LIST_INSERT_HEAD(&ipc->ended, object, link);
	for (object = LIST_FIRST(&ipc->ended); object; object = next) {
		next = LIST_NEXT(object, link);
		if (is_looked_at(ipc, object))
			continue;
		LIST_REMOVE(object, link);
		free(object);
	}
	connections_unlock();
}

/* The object must be out of all tables, without references. Runs a callback of the program, so call
 * it without locks. */
static void object_free(struct ipc_object *object)
{
	struct turn_item *item;

	while (unlikely((item = object->turn.parked))) {
		object->turn.parked = item->next;
		item->base.drop(object->ipc, &item->base);
	}
	if (object->destroy)
		object->destroy(object->userdata);
	if (object->peers.slots)
		peers_leave(object);
	/* Objects that never had a node have no cookie. */
	if (object->ipc && object->wants.cookie)
		memory_free(object->ipc, object);
	else
		free(object);
}

int object_new(struct ipc *ipc, const struct object_type *type, size_t size, unsigned int flags,
	       void *userdata, struct ipc_object **ret_object)
{
	struct ipc_object *object;

	if (ipc->foreign)
		return -ECHILD;

	object = calloc(1, size);
	if (!object)
		return -ENOMEM;

	atomic_init(&object->refs, 1);
	object->ipc = ipc;
	object->type = type;
	object->userdata = userdata;
	object->wants.flags = flags;
	object->limits[PEER_STREAMS] = LIMIT_STREAMS;
	object->limits[PEER_CALLS] = UINT_MAX;
	object->max_waiting_bytes = LIMIT_WAITING_BYTES;
	object->window = STREAM_WINDOW;
	object->max_message = SIZE_MAX;
	object->maybe_idle = true;
	ipc_lock(ipc);
	LIST_INSERT_HEAD(&ipc->objects, object, link);
	ipc_unlock(ipc);
	*ret_object = object;
	return 0;
}

struct ipc_object *ipc_object_ref(struct ipc_object *object)
{
	if (object)
		refs_take(&object->refs);
	return object;
}

/*
 * Returns true if an object without references is gone now. The lock is held during the ioctl, so
 * that no thread finds an object whose node just ended.
 */
static bool object_settle_locked(struct ipc_object *object)
{
	if (object->node) {
		if (!object->maybe_idle)
			return false;
		object->maybe_idle = false;
		if (device_node_destroy(&object->ipc->device, object->node, /* if_idle= */ true) ==
		    -EBUSY)
			return false;
		/* Any other failure means that the driver knows no such node. */
	}
	object_unlink_locked(object);
	return true;
}

static void object_unref_last(struct ipc_object *object)
{
	struct ipc *ipc = object->ipc;
	bool gone;

	if (!ipc) {
		if (refs_drop(&object->refs))
			object_free(object);
		return;
	}

	ipc_lock(ipc);
	gone = refs_drop(&object->refs) && object_settle_locked(object);
	ipc_unlock(ipc);
	if (gone)
		object_free(object);
}

struct ipc_object *ipc_object_unref(struct ipc_object *object)
{
	if (object && !refs_drop_unless_last(&object->refs))
		object_unref_last(object);
	return NULL;
}

/* On failure no node is left. */
static int object_make_node_locked(struct ipc_object *object)
{
	struct ipc *ipc = object->ipc;
	uint64_t cookie = ipc_next_cookie_locked(ipc);
	struct ipcbus_node wants = object->wants;
	int r;

	/* An object that was ended by force stays ended on a new bus. */
	if (object->forced_end)
		return -EBADF;
	wants.cookie = cookie;
	r = device_request(&ipc->device, IPCBUS_IOC_NODE_CREATE, &wants);
	if (r < 0)
		return r;

	r = map_add(&ipc->cookies, cookie, object);
	if (r < 0) {
		device_node_destroy(&ipc->device, wants.node, /* if_idle= */ true);
		return r;
	}
	object->wants.cookie = cookie;
	object->node = wants.node;
	return 0;
}

int object_want(struct ipc_object *object, const struct ipcbus_node *wants)
{
	int r = ipc_check(object->ipc);

	if (r < 0)
		return r;
	r = -EBUSY;
	ipc_lock(object->ipc);
	if (!object->node) {
		object->wants = *wants;
		r = 0;
	}
	ipc_unlock(object->ipc);
	return r;
}

int ipc_object_set_flags(struct ipc_object *object, unsigned int flags)
{
	struct ipcbus_node wants;

	if (!object || flags & ~IPC_OBJECT_LABEL)
		return -EINVAL;

	wants = object->wants;
	wants.flags &= ~IPCBUS_NODE_WANT_LABEL;
	if (flags & IPC_OBJECT_LABEL)
		wants.flags |= IPCBUS_NODE_WANT_LABEL;
	return object_want(object, &wants);
}

int ipc_object_set_priority(struct ipc_object *object, int sched_policy, int priority)
{
	struct ipcbus_node wants;

	if (!object)
		return -EINVAL;

	wants = object->wants;
	wants.flags |= IPCBUS_NODE_PRIORITY;
	wants.sched_policy = (uint32_t)sched_policy;
	wants.priority = priority;
	return object_want(object, &wants);
}

int ipc_object_set_limits(struct ipc_object *object, const struct ipc_object_limits *limits)
{
	int r;

	if (!object || !limits)
		return -EINVAL;
	r = sized_check(sizeof(*limits), limits);
	if (r < 0)
		return r;
	if (limits->window > STREAM_WINDOW)
		return -EINVAL;
	if (atomic_load(&object->node))
		return -EBUSY;

	if (limits->streams)
		object->limits[PEER_STREAMS] = limits->streams;
	if (limits->calls)
		object->limits[PEER_CALLS] = limits->calls;
	if (limits->message_size)
		object->max_message = limits->message_size;
	if (limits->waiting_bytes)
		object->max_waiting_bytes = limits->waiting_bytes;
	if (limits->window)
		object->window = limits->window;
	object->limited |= limits->calls || limits->message_size;
	return 0;
}

int ipc_object_id(struct ipc_object *object, uint64_t *ret_id)
{
	if (!object || !ret_id)
		return -EINVAL;
	if (unlikely(!atomic_load_explicit(&object->node, memory_order_acquire)) && object->ipc)
		thread_reconnect(object->ipc);
	return object_get_id(object, ret_id);
}

/* The first caller makes the node. */
int object_get_id(struct ipc_object *object, uint64_t *ret_id)
{
	struct ipc *ipc = object->ipc;
	int r = ipc_check(ipc);

	if (r < 0)
		return r;
	ipc_lock(ipc);
	if (!object->node)
		r = object_make_node_locked(object);
	if (r == 0)
		*ret_id = id_of_cookie(object->wants.cookie);
	ipc_unlock(ipc);
	return r;
}

void *ipc_object_userdata(const struct ipc_object *object)
{
	return object->userdata;
}

int ipc_object_info(const struct ipc_object *object, struct ipc_object_info *ret_info)
{
	struct ipcbus_node_info info = { 0 };
	struct ipc_object_info own;
	int r = object && ret_info ? ipc_check(object->ipc) : -EINVAL;

	if (r < 0)
		return r;
	info.node = atomic_load(&object->node);
	if (info.node)
		r = device_request(&object->ipc->device, IPCBUS_IOC_NODE_INFO, &info);
	if (r < 0)
		return r;

	own = (struct ipc_object_info){
		.refs = info.refs,
		.pending = info.pending,
		.oneways = info.oneways,
		.watches = info.watches,
	};
	return sized_return(ret_info, sizeof(own), &own);
}

/* Even if only other processes referred to it so far. */
struct ipc_object *object_from_cookie(struct ipc *ipc, uint64_t cookie)
{
	struct ipc_object *object;

	ipc_lock(ipc);
	object = ipc_object_ref(map_get(&ipc->cookies, cookie));
	ipc_unlock(ipc);
	return object;
}

struct ipc_object *object_find_served(struct thread *t, uint64_t cookie)
{
	struct ipc *ipc = t->ipc;
	struct ipc_object *object;

	ipc_lock(ipc);
	object = ipc_object_ref(map_get(&ipc->cookies, cookie));
	t->served = object;
	t->served_cookie = object ? cookie : 0;
	t->served_ends = atomic_load(&ipc->object_ends);
	ipc_unlock(ipc);
	return object;
}

int ipc_take_object(struct ipc *ipc, uint64_t *id, struct ipc_object **ret_object)
{
	struct ipc_object *object;

	if (!ipc || !id || !ret_object)
		return -EINVAL;
	if (!*id)
		return -ENOENT;
	if (!id_is_object(*id))
		return -EXDEV;

	object = object_from_cookie(ipc, id_cookie(*id));
	if (!object)
		return -EBADF;

	*id = 0;
	*ret_object = object;
	return 0;
}

int object_sending(struct ipc *ipc, uint64_t cookie, uint64_t *ret_node)
{
	struct ipc_object *object;

	ipc_lock(ipc);
	object = map_get(&ipc->cookies, cookie);
	if (object) {
		object->maybe_idle = false;
		*ret_node = object->node;
	}
	ipc_unlock(ipc);
	return object ? 0 : -EBADF;
}

void object_idle(struct ipc *ipc, uint64_t cookie)
{
	struct ipc_object *object;
	bool gone = false;

	ipc_lock(ipc);
	object = map_get(&ipc->cookies, cookie);
	if (object) {
		object->maybe_idle = true;
		gone = !object->refs && object_settle_locked(object);
	}
	ipc_unlock(ipc);
	if (gone)
		object_free(object);
}

static int force_end_locked(struct ipc_object *object)
{
	struct ipc *ipc = object->ipc;
	int r;

	r = device_node_destroy(&ipc->device, object->node, /* if_idle= */ false);
	object->forced_end = true;
	atomic_fetch_add(&ipc->forced_ends, 1);
	/* No IDLE event follows: the last reference, perhaps a serving thread's, must settle it. */
	object->maybe_idle = true;
	return r;
}

int ipc_object_end(struct ipc_object *object)
{
	int r = object ? ipc_check(object->ipc) : -EINVAL;

	if (r < 0)
		return r;
	ipc_lock(object->ipc);
	r = object->node ? force_end_locked(object) : -ENOENT;
	ipc_unlock(object->ipc);
	if (unlikely(atomic_load(&object->turn.shared)))
		object->ipc->route->end_object(object->ipc, object->wants.cookie);
	return r;
}

void object_end(struct ipc *ipc, uint64_t cookie)
{
	struct ipc_object *object;
	bool gone = false;

	ipc_lock(ipc);
	object = map_get(&ipc->cookies, cookie);
	if (object) {
		force_end_locked(object);
		gone = !object->refs && object_settle_locked(object);
	}
	ipc_unlock(ipc);
	if (gone)
		object_free(object);
}

bool object_has_ended(struct ipc *ipc, uint64_t cookie)
{
	const struct ipc_object *object;
	bool ended;

	ipc_lock(ipc);
	object = map_get(&ipc->cookies, cookie);
	ended = !object || object->forced_end;
	ipc_unlock(ipc);
	return ended;
}

/* Returns -EBUSY if channels have messages to the object, which the bus does not count, or if
 * another process has a reference: it may send more. */
static int check_channels(struct ipc_object *object)
{
	struct ipc_object_info info = { .size = sizeof(info) };
	int r = ipc_object_info(object, &info);

	return r < 0 ? r : info.refs || object->ipc->route->has_work(object) ? -EBUSY : 0;
}

int object_end_if_idle(struct ipc_object *object)
{
	struct ipc *ipc = object->ipc;
	int r = 0;

	if (atomic_load(&object->turn.shared))
		r = check_channels(object);
	if (r < 0)
		return r;
	ipc_lock(ipc);
	if (object->node) {
		r = device_node_destroy(&ipc->device, object->node, /* if_idle= */ true);
		if (r == 0) {
			object_forget_node_locked(object);
			object->node = 0;
		}
	}
	ipc_unlock(ipc);
	return r;
}

/* Removes an object of the ended bus from the tables. Returns the object if the caller must free
 * it, else NULL. */
static struct ipc_object *object_lost_locked(struct ipc_object *object)
{
	bool gone = !object->refs;

	object_forget_node_locked(object);
	object->node = 0;
	object->maybe_idle = true;
	if (gone)
		object_unlink_locked(object);
	return gone ? object : NULL;
}

/* Drops all references of other processes, which ended with the bus. */
void objects_lost(struct ipc *ipc)
{
	struct ipc_object *object, *gone;
	uint64_t cookie;

	do {
		ipc_lock(ipc);
		object = map_first(&ipc->cookies, &cookie);
		gone = object ? object_lost_locked(object) : NULL;
		ipc_unlock(ipc);
		if (gone)
			object_free(gone);
	} while (object);
}

int ipc_set_manager(struct ipc *ipc, struct ipc_object *object)
{
	struct ipcbus_node node = { 0 };
	struct ipc_object *old;
	uint64_t id;
	int r;

	if (!ipc || !object || object->ipc != ipc)
		return -EINVAL;
	r = ipc_object_id(object, &id);
	if (r < 0)
		return r;
	node.node = object->node;
	r = device_request(&ipc->device, IPCBUS_IOC_SET_MANAGER, &node);
	if (r < 0)
		return r;

	ipc_lock(ipc);
	old = ipc->manager;
	ipc->manager = ipc_object_ref(object);
	ipc_unlock(ipc);
	ipc_object_unref(old);
	return 0;
}

/*
 * No other thread uses the connection any more. Objects that only other processes held end now. If
 * the program still has references, against the rules, the object ends with the last reference.
 */
void objects_close(struct ipc *ipc)
{
	struct ipc_object *object;

	while ((object = LIST_FIRST(&ipc->objects))) {
		object_unlink_locked(object);
		object->node = 0;
		object->ipc = NULL;
		if (!object->refs)
			object_free(object);
	}
	while ((object = LIST_FIRST(&ipc->ended))) {
		LIST_REMOVE(object, link);
		free(object);
	}
}
