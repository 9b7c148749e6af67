// SPDX-License-Identifier: MIT
/*
 * Links: see link.h and link-private.h. Each link has a thread. The thread opens the connection to
 * the bus, serves it until the link breaks, and frees the link. If this side opened the link, the
 * thread then connects again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "link-private.h"
#include "log.h"
#include "status.h"

/* Maximum number of links that other gateways may open, and that one peer may open. */
#define ACCEPTED_MAX	64
#define PEER_LINKS_MAX	(ACCEPTED_MAX / 2)

/* Timeout for the HELLO of the other side. */
#define HELLO_SECONDS 10

/* Threads of a connection beside the threads that wait in calls, and the maximum of both. */
#define THREADS_EXTRA	8
#define THREADS_MAX	1024

/* Timeout for sending the reason of an end. */
#define LAST_WORDS_SECONDS	2

#define BACKOFF_MIN_MSEC	200
#define BACKOFF_MAX_MSEC	10000

struct links {
	struct net *net;
	const struct link_options *options;
	struct peer *peers;
	struct peers *callers; /* limits links that other gateways open */
	struct net_counts counts;

	pthread_mutex_t lock;	/* protects the members below */
	pthread_cond_t changed;
	bool stopping;
	struct link *first;
	unsigned int accepted;	/* threads of links that other gateways opened */
};

const struct link_options *link_options(const struct link *link)
{
	return link->of->options;
}

/* --- Breaking ----------------------------------------------------------------------------- */

static void break_locked(struct link *link, const char *format, va_list args)
{
	struct net_status status = { .code = NET_ABORTED };

	if (link->broken)
		return;
	link->broken = true;
	if (vasprintf(&link->why, format, args) < 0)
		link->why = NULL;
	status.message = link->why;
	calls_break_locked(link);
	pthread_cond_broadcast(&link->changed);
	if (link->peer)
		net_call_cancel(link->call);
	else
		net_call_finish(link->call, &status);
	ipc_stop(link->ipc);
}

void link_break_locked(struct link *link, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	break_locked(link, format, args);
	va_end(args);
}

void link_break(struct link *link, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	pthread_mutex_lock(&link->lock);
	break_locked(link, format, args);
	pthread_mutex_unlock(&link->lock);
	va_end(args);
}

/* --- Counting ----------------------------------------------------------------------------- */

int link_begin_call(struct link *link, struct peer **ret_peer)
{
	int r;

	if (!link->key)
		link->key = peers_key(link->call);
	r = peers_begin(link_options(link)->peers, link->key ? strdup(link->key) : NULL, ret_peer);
	return r == -EUSERS ? -EDQUOT : r;
}

/* --- Arriving frames ---------------------------------------------------------------------- */

static void hello(struct link *link, const struct link_frame *frame)
{
	bool little = frame->flags & LINK_LITTLE_ENDIAN;

	if (frame->low > LINK_VERSION || frame->high < LINK_VERSION) {
		link_break(link,
			   "it has other versions of links: %" PRIu64 " to %" PRIu64 ", not %u",
			   frame->low, frame->high, LINK_VERSION);
	} else if (little != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)) {
		link_break(link, "its machine has another byte order");
	} else {
		pthread_mutex_lock(&link->lock);
		link->greeted = true;
		link->peer_size = frame->size;
		pthread_cond_broadcast(&link->changed);
		pthread_mutex_unlock(&link->lock);
		log_line("linked with %s", link->peer ? link->peer->target : "a gateway");
		names_want(link);
	}
}

/* Takes the objects of a message that arrived, and passes it on by its kind. */
static void message_arrived(struct link *link, struct arrived *arrived)
{
	struct link_frame *frame = &arrived->frame;
	int r = table_take(link, frame, NULL, &arrived->entries);

	/* The frame's bytes are arrived->bytes. */
	if (frame->data)
		link_rename_metadata(arrived->bytes + (frame->data - arrived->bytes),
				     frame->data_size);
	if (r == -EPROTO) {
		link_break(link, "it sent objects that do not exist");
		arrived_free(arrived);
	} else if (r < 0 && arrived->frame.kind == LINK_CALL) {
		link_send(link, &(struct link_frame){ .kind = LINK_REPLY,
						      .id = arrived->frame.id,
						      .error = (uint32_t)-r });
		arrived_free(arrived);
	} else if (arrived->frame.kind == LINK_CALL) {
		call_arrived(link, arrived);
	} else if (arrived->frame.kind == LINK_REPLY) {
		if (r < 0) {
			arrived->frame.error = (uint32_t)-r;
			arrived->frame.data_size = 0;
		}
		reply_arrived(link, arrived);
	} else {
		/* A oneway that lost its objects is delivered nevertheless. Its receiver sees that
		 * they are missing. */
		oneway_arrived(link, arrived);
	}
}

static void frame_arrived(struct link *link, struct arrived *arrived)
{
	const struct link_frame *frame = &arrived->frame;

	if (link->greeted != (frame->kind != LINK_HELLO)) {
		link_break(link, "it must begin with a single hello");
		arrived_free(arrived);
		return;
	}
	switch (frame->kind) {
	case LINK_CALL:
	case LINK_REPLY:
	case LINK_ONEWAY:
		message_arrived(link, arrived);
		return;
	case LINK_HELLO:
		hello(link, frame);
		break;
	case LINK_FIND:
		find_arrived(link, frame);
		break;
	case LINK_NAME:
		name_arrived(link, frame);
		break;
	case LINK_CANCEL:
		cancel_arrived(link, frame);
		break;
	case LINK_TAKEN:
		taken_arrived(link, frame);
		break;
	case LINK_RELEASE:
		table_release(link, frame);
		break;
	case LINK_DEAD:
		table_dead(link, frame);
		break;
	default:
		link_break(link, "it sent a frame of an unknown kind");
		break;
	}
	arrived_free(arrived);
}

static struct arrived *copy_message(const struct net_message *message)
{
	struct arrived *arrived = malloc(sizeof(*arrived));

	if (!arrived)
		return NULL;
	arrived->next = NULL;
	arrived->entries.n = 0;
	arrived->bytes = net_message_copy(message);
	return arrived->bytes ? arrived : arrived_free(arrived);
}

static void received(void *userdata, const struct net_message *message)
{
	struct link *link = userdata;
	struct arrived *arrived;
	bool broken;

	if (!message) {
		/* On the client's side, the status follows with the reason. */
		if (!link->peer)
			link_break(link, "it ended the link");
		return;
	}
	pthread_mutex_lock(&link->lock);
	broken = link->broken;
	pthread_mutex_unlock(&link->lock);
	if (broken)
		return;
	arrived = copy_message(message);
	if (!arrived) {
		link_break(link, "no memory");
	} else if (link_frame_read(arrived->bytes, message->size, &arrived->frame) < 0) {
		link_break(link, "it sent a malformed frame");
		arrived_free(arrived);
	} else {
		frame_arrived(link, arrived);
	}
	net_call_receive(link->call);
}

static void sent(void *userdata, bool ok)
{
	if (ok)
		link_sent(userdata);
}

static void canceled(void *userdata)
{
	struct link *link = userdata;
	char *why;

	/* The thread in net_call_open() may still hold the lock. */
	pthread_mutex_lock(&link->lock);
	why = link->peer ? net_call_why(link->call) : NULL;
	pthread_mutex_unlock(&link->lock);
	link_break(link, "%s", why && *why ? why : "the other side ended it");
	free(why);
}

static void ended(void *userdata)
{
	struct link *link = userdata;

	pthread_mutex_lock(&link->lock);
	link->over = true;
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->lock);
}

static const struct net_call_ops ops = {
	.received = received,
	.sent = sent,
	.canceled = canceled,
	.ended = ended,
};

/* --- From the beginning to the end -------------------------------------------------------- */

static struct link *link_new(struct links *links, struct peer *peer)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->of = links;
	link->peer = peer;
	link->last_out = &link->out;
	link->last_job = &link->jobs;
	pthread_mutex_init(&link->lock, NULL);
	pthread_cond_init(&link->changed, NULL);
	return link;
}

static void link_free(struct link *link)
{
	net_call_unref(link->call);
	map_done(&link->remotes);
	pthread_cond_destroy(&link->changed);
	pthread_mutex_destroy(&link->lock);
	peers_end(link->caller);
	free(link->why);
	free(link->key);
	free(link);
}

static int open_bus(struct link *link)
{
	const struct link_options *options = link_options(link);
	const unsigned int most = THREADS_MAX - THREADS_EXTRA;
	struct ipc *ipc = NULL;
	int r;

	link->max_calls = options->max_calls < most ? options->max_calls : most;
	r = ipc_open_sized(&ipc, options->bus, options->region_size);
	pthread_mutex_lock(&link->lock);
	link->ipc = ipc;
	/* If the link broke in the meantime, there was no connection to stop. */
	if (r == 0 && link->broken)
		ipc_stop(ipc);
	pthread_mutex_unlock(&link->lock);
	if (r == 0)
		r = ipc_set_threads(link->ipc, link->max_calls + THREADS_EXTRA);
	if (r == 0)
		r = names_new(link);
	return r;
}

/* Adds the link to the list, for links_stop(). Returns false if the gateway already stops. */
static bool enter(struct link *link)
{
	struct links *links = link->of;
	bool stopping;

	pthread_mutex_lock(&links->lock);
	stopping = links->stopping;
	if (!stopping) {
		link->next = links->first;
		links->first = link;
	}
	pthread_mutex_unlock(&links->lock);
	return !stopping;
}

static void leave(struct link *link)
{
	struct links *links = link->of;

	pthread_mutex_lock(&links->lock);
	for (struct link **at = &links->first; *at; at = &(*at)->next)
		if (*at == link) {
			*at = link->next;
			break;
		}
	pthread_mutex_unlock(&links->lock);
}

struct timespec link_time_in(unsigned int msec)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_nsec += (long)(msec % 1000) * 1000000;
	time.tv_sec += msec / 1000 + time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

/* Breaks the link if the peer sends no HELLO in time: it occupies a thread, a connection to the
 * bus, and a place among the links. */
static void wait_hello(struct link *link)
{
	const struct timespec until = link_time_in(HELLO_SECONDS * 1000);

	pthread_mutex_lock(&link->lock);
	while (!link->greeted && !link->broken &&
	       pthread_cond_clockwait(&link->changed, &link->lock, CLOCK_MONOTONIC, &until) !=
		       ETIMEDOUT)
		;
	if (!link->greeted)
		link_break_locked(link, "it sent no hello within %d s", HELLO_SECONDS);
	pthread_mutex_unlock(&link->lock);
}

/* Waits for the last callback of the engine and for all workers. If the peer does not read the
 * reason of the end in time, the call is canceled. */
static void wait_over(struct link *link)
{
	const struct timespec until = link_time_in(LAST_WORDS_SECONDS * 1000);

	pthread_mutex_lock(&link->lock);
	while (!link->over && pthread_cond_clockwait(&link->changed, &link->lock, CLOCK_MONOTONIC,
						     &until) != ETIMEDOUT)
		;
	if (!link->over)
		net_call_cancel(link->call);
	while (!link->over || link->workers)
		pthread_cond_wait(&link->changed, &link->lock);
	pthread_mutex_unlock(&link->lock);
}

/* Serves a link that has its call and its connection to the bus. */
static void serve(struct link *link)
{
	const struct link_frame frame = {
		.kind = LINK_HELLO,
		.low = LINK_VERSION,
		.high = LINK_VERSION,
		.flags = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? LINK_LITTLE_ENDIAN : 0,
		.size = link_options(link)->message_size,
	};
	bool entered;
	int r;

	/* Add to the list first: links_review() must see all names that the other side finds. */
	entered = enter(link);
	link_send(link, &frame);
	net_call_receive(link->call);
	if (entered)
		wait_hello(link);
	r = entered ? ipc_run(link->ipc) : -ESHUTDOWN;
	link_break(link, "%s", r < 0 ? ipc_strerror(r) : "the bus is not served any more");
	leave(link);

	wait_over(link);
}

static void take_apart(struct link *link)
{
	link_drop_jobs(link);
	calls_drop(link);
	names_free(link);
	table_drop(link);
	link_drop_out(link);
	ipc_unref(link->ipc);
}

/* --- Links of other gateways --------------------------------------------------------------- */

static void *run_accepted(void *userdata)
{
	struct link *link = userdata;
	struct links *links = link->of;
	int r = open_bus(link);

	if (r == 0) {
		serve(link);
		log_line("lost the link with a gateway: %s", link->why ?: "no memory");
	} else {
		log_line("cannot open the bus for a link: %s", ipc_strerror(r));
		status_say(link->call, NET_UNAVAILABLE, "the bus of the other side: %s",
			   ipc_strerror(r));
		wait_over(link);
	}
	take_apart(link);
	link_free(link);
	pthread_mutex_lock(&links->lock);
	links->accepted--;
	pthread_cond_broadcast(&links->changed);
	pthread_mutex_unlock(&links->lock);
	return NULL;
}

static int accept_link(struct links *links, struct net_call *call)
{
	struct link *link = link_new(links, NULL);
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	if (!link)
		return -ENOMEM;
	r = peers_begin(links->callers, peers_key(call), &link->caller);
	if (r < 0) {
		link_free(link);
		return r;
	}
	link->call = net_call_ref(call);
	net_call_count(call, &links->counts);
	net_call_begin(call, &ops, link);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	r = -pthread_create(&thread, &attributes, run_accepted, link);
	pthread_attr_destroy(&attributes);
	if (r < 0) {
		net_call_begin(call, NULL, NULL);
		link_free(link);
	}
	return r;
}

bool links_accept(struct links *links, struct net_call *call)
{
	int r = 0;

	if (strcmp(net_call_path(call), LINK_PATH) || !links->options->n_shared)
		return false;
	pthread_mutex_lock(&links->lock);
	if (links->stopping)
		r = -ESHUTDOWN;
	else
		links->accepted++;
	pthread_mutex_unlock(&links->lock);
	if (r == 0) {
		r = accept_link(links, call);
		if (r < 0) {
			pthread_mutex_lock(&links->lock);
			links->accepted--;
			pthread_mutex_unlock(&links->lock);
		}
	}
	if (r < 0)
		status_say(call, NET_RESOURCE_EXHAUSTED,
			   "no more links: %s (there may be %d, and %d of one peer)",
			   ipc_strerror(r), ACCEPTED_MAX, PEER_LINKS_MAX);
	return true;
}

/* --- Links that this side opens ----------------------------------------------------------- */

/* Waits before the next attempt. Returns false if the gateway stops. */
static bool wait_msec(struct links *links, unsigned int msec)
{
	const struct timespec until = link_time_in(msec);
	bool stopping;
	int r = 0;

	pthread_mutex_lock(&links->lock);
	while (!links->stopping && r != ETIMEDOUT)
		r = pthread_cond_clockwait(&links->changed, &links->lock, CLOCK_MONOTONIC, &until);
	stopping = links->stopping;
	pthread_mutex_unlock(&links->lock);
	return !stopping;
}

/* Connects once, and serves the link if that succeeds. */
static struct link *attempt(struct peer *peer)
{
	static const struct net_head head = { .path = LINK_PATH, .remaining = UINT64_MAX };
	struct link *link = link_new(peer->of, peer);
	int r = -ENOMEM;

	if (!link)
		return NULL;
	r = open_bus(link);
	if (r == 0) {
		/* Callbacks may run before it returns. */
		pthread_mutex_lock(&link->lock);
		r = net_call_open(peer->channel, &head, NULL, &ops, link, &link->call);
		pthread_mutex_unlock(&link->lock);
	}
	if (r == 0)
		serve(link);
	else
		link->why = strdup(ipc_strerror(r));
	return link;
}

static void *run_peer(void *userdata)
{
	struct peer *peer = userdata;
	unsigned int msec = BACKOFF_MIN_MSEC;
	struct link *link;
	char *said = NULL;

	do {
		link = attempt(peer);
		if (!link)
			continue;
		if (link->greeted)
			msec = BACKOFF_MIN_MSEC;
		else if (msec < BACKOFF_MAX_MSEC)
			msec *= 2;
		if (link->greeted || !said || !link->why || strcmp(said, link->why))
			log_line("%s %s: %s",
				 link->greeted ? "lost the link with" : "cannot link with",
				 peer->target, link->why ?: "no memory");
		free(said);
		said = link->why;
		link->why = NULL;
		take_apart(link);
		link_free(link);
	} while (wait_msec(peer->of, msec));
	free(said);
	return NULL;
}

/* --- Setting up --------------------------------------------------------------------------- */

static struct peer *peer_find(struct links *links, const char *target)
{
	const struct link_options *options = links->options;
	bool tls = !strncmp(target, "tls:", 4);
	struct peer *peer;

	for (peer = links->peers; peer; peer = peer->next)
		if (!strcmp(peer->target, target))
			return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->of = links;
	peer->target = strdup(target);
	peer->uses = calloc(options->n_uses, sizeof(*peer->uses));
	if (!peer->target || !peer->uses ||
	    net_channel_new(links->net,
			    &(struct net_channel_options){ .target = tls ? target + 4 : target,
							   .pem = tls ? options->pem : NULL,
							   .message_size = options->message_size,
							   .counts = &links->counts,
							   .keepalive_msec = NET_KEEPALIVE_MSEC },
			    &peer->channel) < 0) {
		free(peer->target);
		free(peer->uses);
		free(peer);
		return NULL;
	}
	peer->next = links->peers;
	links->peers = peer;
	return peer;
}

/* Adds NAME[=REMOTE]@TARGET to the uses of a peer. Returns 0, -EINVAL or -ENOMEM. */
static int add_use(struct links *links, const char *what)
{
	const char *at = strchr(what, '@'), *equals = strchr(what, '=');
	struct peer *peer;
	struct use *use;

	if (equals && at && equals > at)
		equals = NULL;
	if (!at || at == what || !at[1] || equals == what || (equals && equals + 1 == at)) {
		log_line("cannot link %s: it is not NAME[=REMOTE]@TARGET", what);
		return -EINVAL;
	}
	peer = peer_find(links, at + 1);
	if (!peer)
		return -ENOMEM;
	use = &peer->uses[peer->n_uses++];
	use->name = strndup(what, (size_t)((equals ?: at) - what));
	use->remote = equals ? strndup(equals + 1, (size_t)(at - equals - 1)) :
			       strndup(what, (size_t)(at - what));
	return use->name && use->remote ? 0 : -ENOMEM;
}

const struct net_counts *links_counts(const struct links *links)
{
	return &links->counts;
}

int links_new(struct links **ret_links, struct net *net, const struct link_options *options)
{
	struct links *links = calloc(1, sizeof(*links));
	int r = 0;

	if (!links)
		return -ENOMEM;
	links->net = net;
	links->options = options;
	pthread_mutex_init(&links->lock, NULL);
	pthread_cond_init(&links->changed, NULL);
	r = peers_new(&links->callers,
		      &(struct peer_limits){ "peer", ACCEPTED_MAX, PEER_LINKS_MAX });
	for (size_t i = 0; r == 0 && i < options->n_uses; i++)
		r = add_use(links, options->uses[i]);
	if (r < 0) {
		links_free(links);
		return r;
	}
	*ret_links = links;
	return 0;
}

int links_start(struct links *links)
{
	int r = 0;

	for (struct peer *peer = links->peers; r == 0 && peer; peer = peer->next) {
		r = -pthread_create(&peer->thread, NULL, run_peer, peer);
		peer->started = r == 0;
	}
	return r;
}

void links_review(struct links *links)
{
	pthread_mutex_lock(&links->lock);
	for (struct link *link = links->first; link; link = link->next)
		names_review(link);
	pthread_mutex_unlock(&links->lock);
}

void links_stop(struct links *links)
{
	pthread_mutex_lock(&links->lock);
	links->stopping = true;
	pthread_cond_broadcast(&links->changed);
	for (struct link *link = links->first; link; link = link->next)
		link_break(link, "the gateway ends");
	while (links->accepted)
		pthread_cond_wait(&links->changed, &links->lock);
	pthread_mutex_unlock(&links->lock);
	for (struct peer *peer = links->peers; peer; peer = peer->next)
		if (peer->started) {
			pthread_join(peer->thread, NULL);
			peer->started = false;
		}
}

struct links *links_free(struct links *links)
{
	struct peer *next;

	if (!links)
		return NULL;
	for (struct peer *peer = links->peers; peer; peer = next) {
		next = peer->next;
		net_channel_free(peer->channel);
		for (size_t i = 0; i < peer->n_uses; i++) {
			free(peer->uses[i].name);
			free(peer->uses[i].remote);
		}
		free(peer->uses);
		free(peer->target);
		free(peer);
	}
	peers_free(links->callers);
	pthread_cond_destroy(&links->changed);
	pthread_mutex_destroy(&links->lock);
	free(links);
	return NULL;
}
