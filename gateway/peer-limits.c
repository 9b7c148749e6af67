// SPDX-License-Identifier: MIT
/*
 * Limits of open calls: see peer-limits.h. Replies that clients do not read are limited as well: to
 * the limit of calls, and a few more that may take a moment to leave.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer-limits.h"
#include "status.h"

#define LEAVING_EXTRA 16

/* Calls of a peer, or of all peers. */
struct calls {
	unsigned int open;
	unsigned int leaving; /* with a status, but not over */
};

/* A peer exists while it has calls. */
struct peer {
	struct peers *of;
	struct calls calls;
	char *key;
};

struct peers {
	struct peer_limits limits;
	pthread_mutex_t lock; /* protects the members below, and all peers */
	struct calls calls;
	void *by_key; /* a tree of tsearch(3) */
	struct peer all; /* used for every peer if each may have all calls */
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct peer *)a)->key, ((const struct peer *)b)->key);
}

/* --- Identity ------------------------------------------------------------------------------- */

/* Returns the network of an IPv6 address: "ipv6 2001:db8::" for "ipv6:%5B2001:db8::1%5D:4711". */
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

/* The first word of a key is its kind, so that keys of different kinds always differ. */
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
	/* The client may have chosen the path. */
	else if (!strncmp(address, "unix", 4))
		address[4] = 0;
	else if (strrchr(address, ':'))
		*strrchr(address, ':') = 0;
	if (key)
		free(address);
	return key ?: address;
}

char *peers_user_key(uid_t uid)
{
	char *key;

	return asprintf(&key, "user %u", uid) < 0 ? NULL : key;
}

/* --- The table ------------------------------------------------------------------------------ */

int peers_new(struct peers **ret_peers, const struct peer_limits *limits)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (!peers)
		return -ENOMEM;
	peers->limits = *limits;
	peers->all.of = peers;
	pthread_mutex_init(&peers->lock, NULL);
	*ret_peers = peers;
	return 0;
}

struct peers *peers_free(struct peers *peers)
{
	if (peers)
		pthread_mutex_destroy(&peers->lock);
	free(peers);
	return NULL;
}

/* Takes ownership of key. If memory is short, returns NULL. */
static struct peer *find_locked(struct peers *peers, char *key)
{
	struct peer wanted = { .key = key }, *peer;
	struct peer *const *found = tfind(&wanted, &peers->by_key, compare);

	if (found) {
		free(key);
		return *found;
	}
	peer = calloc(1, sizeof(*peer));
	if (peer) {
		peer->of = peers;
		peer->key = key;
	}
	if (!peer || !tsearch(peer, &peers->by_key, compare)) {
		free(peer);
		free(key);
		return NULL;
	}
	return peer;
}

static void drop_if_idle_locked(struct peer *peer)
{
	if (peer->calls.open || peer->calls.leaving || peer == &peer->of->all)
		return;
	tdelete(peer, &peer->of->by_key, compare);
	free(peer->key);
	free(peer);
}

/* --- Calls ---------------------------------------------------------------------------------- */

static bool is_full(const struct calls *calls, unsigned int max)
{
	return calls->open >= max || calls->leaving >= max + LEAVING_EXTRA;
}

static bool is_limited(const struct peers *peers)
{
	return peers->limits.each < peers->limits.all;
}

static int begin_locked(struct peer *peer)
{
	struct peers *peers = peer->of;

	if (is_full(&peers->calls, peers->limits.all))
		return -EUSERS;
	if (is_full(&peer->calls, peers->limits.each))
		return -EDQUOT;
	peer->calls.open++;
	peers->calls.open++;
	return 0;
}

int peers_begin(struct peers *peers, char *key, struct peer **ret_peer)
{
	struct peer *peer = &peers->all;
	int r = -ENOMEM;

	if (is_limited(peers) && !key)
		return r;
	pthread_mutex_lock(&peers->lock);
	if (is_limited(peers))
		peer = find_locked(peers, key);
	else
		free(key);
	if (peer) {
		r = begin_locked(peer);
		drop_if_idle_locked(peer);
	}
	pthread_mutex_unlock(&peers->lock);
	if (r == 0)
		*ret_peer = peer;
	return r;
}

void peers_end(struct peer *peer)
{
	struct peers *peers = peer ? peer->of : NULL;

	if (!peer)
		return;
	pthread_mutex_lock(&peers->lock);
	peer->calls.open--;
	peers->calls.open--;
	drop_if_idle_locked(peer);
	pthread_mutex_unlock(&peers->lock);
}

void peers_explain(const struct peers *peers, int r, char text[PEERS_TEXT_MAX])
{
	if (r == -EDQUOT)
		snprintf(text, PEERS_TEXT_MAX, "this %s has %u open calls already",
			 peers->limits.who, peers->limits.each);
	else if (r == -EUSERS)
		snprintf(text, PEERS_TEXT_MAX, "the gateway has %u open calls already",
			 peers->limits.all);
	else
		snprintf(text, PEERS_TEXT_MAX, "the gateway has no memory");
}

static void leaves(void *userdata)
{
	struct peer *peer = userdata;
	struct peers *peers = peer->of;

	pthread_mutex_lock(&peers->lock);
	peer->calls.open--;
	peers->calls.open--;
	peer->calls.leaving++;
	peers->calls.leaving++;
	pthread_mutex_unlock(&peers->lock);
}

static void over(void *userdata, bool left)
{
	struct peer *peer = userdata;
	struct peers *peers = peer->of;

	if (!left) {
		peers_end(peer);
		return;
	}
	pthread_mutex_lock(&peers->lock);
	peer->calls.leaving--;
	peers->calls.leaving--;
	drop_if_idle_locked(peer);
	pthread_mutex_unlock(&peers->lock);
}

bool peers_admit(struct peers *peers, struct net_call *call)
{
	char text[PEERS_TEXT_MAX];
	struct peer *peer;
	int r = peers_begin(peers, is_limited(peers) ? peers_key(call) : NULL, &peer);

	if (r == 0) {
		net_call_at_end(call, leaves, over, peer);
		return true;
	}
	peers_explain(peers, r, text);
	status_say(call, NET_RESOURCE_EXHAUSTED, "%s", text);
	return false;
}
