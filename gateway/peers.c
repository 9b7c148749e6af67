// SPDX-License-Identifier: MIT
/*
 * Peers: see peers.h. A rate is kept as a moment: each call moves it on by its part of a second,
 * from now if it has passed. It may be one second ahead, so a peer that was silent may make the
 * calls of a second at once.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "peers.h"
#include "status.h"

/* Peers that are remembered: those that have calls, or had some in the last second. */
#define PEERS_MAX	16384
#define SECOND_USEC	UINT64_C(1000000)

struct peer {
	struct peers *of;
	struct peer *older, *newer; /* those that are idle, while it is */
	unsigned int open;
	unsigned int leaving; /* calls that have a status and are not over */
	uint64_t used; /* that moment, in microseconds */
	char *key;
};

struct peers {
	struct peer_limits limits;
	pthread_mutex_t lock;	 /* of what follows, and of all peers */
	void *by_key;		 /* a tree of tsearch(3) */
	struct peer *oldest;	 /* of those that have no call: who has been so longest */
	struct peer *newest;
	unsigned int count;
};

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_USEC + (uint64_t)now.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct peer *)a)->key, ((const struct peer *)b)->key);
}

/* --- Who it is ------------------------------------------------------------------------------ */

/* "ipv6:%5B2001:db8::1%5D:4711": its network, such as "ipv6 2001:db8::". */
static char *network_of(const char *address)
{
	char text[INET6_ADDRSTRLEN], *name;
	struct in6_addr in6;
	size_t n;

	address += strspn(address, "[");
	address += strncasecmp(address, "%5B", 3) ? 0 : 3;
	n = strcspn(address, "]%");
	if (n >= sizeof(text))
		return NULL;
	text[n] = 0;
	memcpy(text, address, n);
	if (inet_pton(AF_INET6, text, &in6) != 1)
		return NULL;
	memset(in6.s6_addr + 8, 0, 8);
	if (!inet_ntop(AF_INET6, &in6, text, sizeof(text)))
		return NULL;
	return asprintf(&name, "ipv6 %s", text) < 0 ? NULL : name;
}

/* A word before the text says where it comes from, so none can be taken for another. NULL: no
 * memory. */
char *peers_key(const struct net_call *call)
{
	char *name = net_call_peer(call), *address, *key = NULL;

	if (name) {
		if (asprintf(&key, "certificate %s", name) < 0)
			key = NULL;
		free(name);
		return key;
	}
	address = net_call_address(call);
	if (!address)
		return NULL;
	if (!strncmp(address, "ipv6:", 5))
		key = network_of(address + 5);
	/* Who connects to a path may choose what it is called itself. */
	else if (!strncmp(address, "unix", 4))
		address[4] = 0;
	else if (strrchr(address, ':'))
		*strrchr(address, ':') = 0;
	if (key)
		free(address);
	return key ?: address;
}

/* --- The table ------------------------------------------------------------------------------ */

int peers_new(struct peers **ret_peers, const struct peer_limits *limits)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (!peers)
		return -ENOMEM;
	peers->limits = *limits;
	pthread_mutex_init(&peers->lock, NULL);
	*ret_peers = peers;
	return 0;
}

static void idle_locked(struct peer *peer)
{
	struct peers *peers = peer->of;

	peer->older = peers->newest;
	peer->newer = NULL;
	if (peers->newest)
		peers->newest->newer = peer;
	else
		peers->oldest = peer;
	peers->newest = peer;
}

static void busy_locked(struct peer *peer)
{
	struct peers *peers = peer->of;

	if (peer->older)
		peer->older->newer = peer->newer;
	else
		peers->oldest = peer->newer;
	if (peer->newer)
		peer->newer->older = peer->older;
	else
		peers->newest = peer->older;
}

static void forget_oldest_locked(struct peers *peers)
{
	struct peer *peer = peers->oldest;

	peers->oldest = peer->newer;
	if (peers->oldest)
		peers->oldest->older = NULL;
	else
		peers->newest = NULL;
	tdelete(peer, &peers->by_key, compare);
	peers->count--;
	free(peer->key);
	free(peer);
}

struct peers *peers_free(struct peers *peers)
{
	if (!peers)
		return NULL;
	while (peers->oldest)
		forget_oldest_locked(peers);
	pthread_mutex_destroy(&peers->lock);
	free(peers);
	return NULL;
}

/* Two for each that comes, so that they never pile up. What is left of a rate is kept. */
static void forget_some_locked(struct peers *peers, uint64_t now)
{
	for (int i = 0; i < 2 && peers->oldest && peers->oldest->used <= now; i++)
		forget_oldest_locked(peers);
}

/* Takes over key. NULL: no memory, or too many. */
static struct peer *find_locked(struct peers *peers, char *key)
{
	struct peer wanted = { .key = key }, *peer;
	struct peer *const *found = tfind(&wanted, &peers->by_key, compare);

	if (found) {
		free(key);
		return *found;
	}
	peer = peers->count < PEERS_MAX ? calloc(1, sizeof(*peer)) : NULL;
	if (peer) {
		peer->of = peers;
		peer->key = key;
	}
	if (!peer || !tsearch(peer, &peers->by_key, compare)) {
		free(peer);
		free(key);
		return NULL;
	}
	idle_locked(peer);
	peers->count++;
	return peer;
}

/* --- Calls ---------------------------------------------------------------------------------- */

static void end(struct peer *peer, unsigned int *number)
{
	struct peers *peers = peer->of;

	pthread_mutex_lock(&peers->lock);
	--*number;
	if (!peer->open && !peer->leaving)
		idle_locked(peer);
	pthread_mutex_unlock(&peers->lock);
}

void peers_end(struct peer *peer)
{
	if (peer)
		end(peer, &peer->open);
}

static int begin_locked(struct peer *peer, uint64_t now)
{
	const struct peer_limits *limits = &peer->of->limits;
	uint64_t used = peer->used > now ? peer->used : now;

	if (limits->calls &&
	    (peer->open >= limits->calls || peer->leaving >= limits->calls + NET_LEAVING_EXTRA))
		return -EDQUOT;
	if (limits->rate) {
		used += SECOND_USEC / limits->rate;
		if (used > now + SECOND_USEC)
			return -EAGAIN;
		peer->used = used;
	}
	if (!peer->open && !peer->leaving)
		busy_locked(peer);
	peer->open++;
	return 0;
}

int peers_begin(struct peers *peers, char *key, struct peer **ret_peer)
{
	uint64_t now = now_usec();
	struct peer *peer;
	int r = -ENOMEM;

	*ret_peer = NULL;
	if (!key)
		return r;
	pthread_mutex_lock(&peers->lock);
	forget_some_locked(peers, now);
	peer = find_locked(peers, key);
	if (peer)
		r = begin_locked(peer, now);
	pthread_mutex_unlock(&peers->lock);
	*ret_peer = r == 0 ? peer : NULL;
	return r;
}

static bool is_limited(const struct peers *peers)
{
	return peers->limits.calls || peers->limits.rate;
}

int peers_begin_call(struct peers *peers, const char *key, struct peer **ret_peer)
{
	*ret_peer = NULL;
	if (!is_limited(peers))
		return 0;
	return peers_begin(peers, key ? strdup(key) : NULL, ret_peer);
}

int peers_begin_user(struct peers *users, uid_t uid, struct peer **ret_peer)
{
	char *key;

	return peers_begin(users, asprintf(&key, "user %u", uid) < 0 ? NULL : key, ret_peer);
}

static void leaves(void *userdata)
{
	struct peer *peer = userdata;

	pthread_mutex_lock(&peer->of->lock);
	peer->leaving++;
	peer->open--;
	pthread_mutex_unlock(&peer->of->lock);
}

static void over(void *userdata, bool left)
{
	struct peer *peer = userdata;

	end(peer, left ? &peer->leaving : &peer->open);
}

bool peers_admit(struct peers *peers, struct net_call *call)
{
	struct peer *peer;
	int r;

	if (!is_limited(peers))
		return true;
	r = peers_begin(peers, peers_key(call), &peer);
	if (r == 0) {
		net_call_at_end(call, leaves, over, peer);
		return true;
	}
	if (r == -EDQUOT)
		status_say(call, NET_RESOURCE_EXHAUSTED, "this peer has %u open calls already",
			   peers->limits.calls);
	else if (r == -EAGAIN)
		status_say(call, NET_RESOURCE_EXHAUSTED, "this peer made %u calls in a second",
			   peers->limits.rate);
	else
		status_say(call, NET_RESOURCE_EXHAUSTED, "the gateway has no memory");
	return false;
}
