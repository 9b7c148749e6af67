// SPDX-License-Identifier: MIT
/*
 * Counts of what users hold of an object: see peers.h. Called by stream-open.c when a stream
 * opens, by call.c for calls, and by object.c for objects that replies give away.
 */
#include <errno.h>
#include <stdlib.h>

#include "peers.h"
#include "object.h"

struct peers {
	struct map users;	/* uid + 1 -> struct peer */
	bool left;		/* the object is gone */
};

static void peers_free(struct peers *peers)
{
	map_done(&peers->users);
	free(peers);
}

static struct peer *peer_of_locked(struct ipc_object *object, uid_t uid)
{
	struct peers *peers;
	struct peer *peer;

	if (!object->peers)
		object->peers = calloc(1, sizeof(*object->peers));
	peers = object->peers;
	if (!peers)
		return NULL;
	peer = map_get(&peers->users, (uint64_t)uid + 1);
	if (peer)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	*peer = (struct peer){ .peers = peers, .uid = uid };
	if (map_add(&peers->users, (uint64_t)uid + 1, peer) < 0) {
		free(peer);
		return NULL;
	}
	return peer;
}

/* Frees a peer that has nothing. */
static void peer_settle_locked(struct peer *peer)
{
	struct peers *peers = peer->peers;

	for (int i = 0; i < PEER_KINDS; i++)
		if (peer->counts[i])
			return;
	map_remove(&peers->users, (uint64_t)peer->uid + 1);
	free(peer);
	if (peers->left && !peers->users.count)
		peers_free(peers);
}

int peer_add_locked(struct ipc_object *object, uid_t uid, enum peer_kind kind, unsigned int n,
		    struct peer **ret_peer)
{
	struct peer *peer = peer_of_locked(object, uid);
	unsigned int max = object->limits[kind];

	if (!peer)
		return -ENOMEM;
	if (n > max || peer->counts[kind] > max - n) {
		peer_settle_locked(peer);
		return -EDQUOT;
	}
	peer->counts[kind] += n;
	*ret_peer = peer;
	return 0;
}

int peer_add(struct ipc_object *object, uid_t uid, enum peer_kind kind, unsigned int n,
	     struct peer **ret_peer)
{
	int r;

	ipc_lock(object->ipc);
	r = peer_add_locked(object, uid, kind, n, ret_peer);
	ipc_unlock(object->ipc);
	return r;
}

void peer_remove_locked(struct peer *peer, enum peer_kind kind, unsigned int n)
{
	peer->counts[kind] -= n;
	peer_settle_locked(peer);
}

void peer_remove(struct ipc *ipc, struct peer *peer, enum peer_kind kind, unsigned int n)
{
	if (ipc)
		ipc_lock(ipc);
	peer_remove_locked(peer, kind, n);
	if (ipc)
		ipc_unlock(ipc);
}

void peers_leave(struct ipc *ipc, struct peers *peers)
{
	if (!peers)
		return;
	if (ipc)
		ipc_lock(ipc);
	peers->left = true;
	if (!peers->users.count)
		peers_free(peers);
	if (ipc)
		ipc_unlock(ipc);
}
