// SPDX-License-Identifier: MIT
/*
 * Lifetimes of the library's API, under sanitizers: threads drop references, end slots, cancel,
 * stop and close connections at every moment, whatever the other threads do.
 *
 * Every reference is a *thing* in a table. A thread takes a thing out of the table, calls a
 * function of the API with it, and puts it back or drops it. So each reference has a single owner
 * at a time. destroy frees the userdata of a callback: if the callback runs too late, it uses
 * freed memory, and if destroy does not run, a count remains. Functions that may block must have a
 * timeout. The choices of a thread depend only on the seed, but their order among threads does
 * not.
 *
 *   IPCBUS_LIFETIMES_SECONDS=3600   duration (3), in whole rounds
 *   IPCBUS_LIFETIMES_SEED=N         the first seed (1)
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <ipc/ipc.h>
#include <ipc/raw.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../../suite/kernel/fixture.h"

#define ACTORS	4
#define THINGS	48
#define CONNS	6	/* at once, more or less */
#define USEC_SHORT	2000	/* the limit of a call that may not be replied to */
#define ROUND_SECONDS	600	/* Check cannot count a case of more than half an hour */

enum { ECHO = 1, KEEP, FRESH, STORE, REFUSE, METHODS };
enum { TALK = 1, WAITED, KEPT, STREAMS };	/* methods, too */

/* --- Things ---------------------------------------------------------------------------- */

/* A connection and its serving threads. Its memory stays until the end, for handlers. */
struct conn {
	atomic_uint refs;
	struct ipc *ipc;
	pthread_t server;
	struct conn *next;	/* to be closed */
	struct conn *all;
};

enum kind { CONN, PROXY, OBJECT, SLOT, CANCELLATION, STREAM, CALL };

struct thing {
	enum kind kind;
	struct conn *conn;	/* held; NULL: it holds its connection itself */
	union {
		struct ipc_proxy *proxy;
		struct ipc_object *object;
		struct ipc_slot *slot;
		struct ipc_cancellation *cancellation;
		struct ipc_stream *stream;
		struct ipc_call *call;
	};
	struct data *data;	/* SLOT: of its callback */
	bool talks;		/* STREAM: the reference that may send and receive */
	bool cancels;		/* STREAM: the thing ends it */
};

/* The userdata of callbacks. */
struct data {
	atomic_uint refs;	/* held by its destroy, and by the thing with the slot */
	atomic_uint running;
	atomic_bool destroyed;
	struct conn *conn;	/* held; or NULL */
	struct ipc_slot *slot;	/* of a callback that ends itself */
};

static struct thing *_Atomic things[THINGS];
static atomic_uint n_conns, n_data, n_objects, n_things;
static atomic_ulong n_acts, n_called, n_served, n_closed;
static atomic_bool finished;
static int seconds;

static pthread_mutex_t conns_lock = PTHREAD_MUTEX_INITIALIZER;
static struct conn *ended, *all_conns;

static void *need(void *memory)
{
	ck_assert_ptr_nonnull(memory);
	return memory;
}

/* False: it is being closed. */
static bool conn_get(struct conn *conn)
{
	unsigned int n = atomic_load(&conn->refs);

	while (n)
		if (atomic_compare_exchange_weak(&conn->refs, &n, n + 1))
			return true;
	return false;
}

static void conn_put(struct conn *conn)
{
	if (!conn || atomic_fetch_sub(&conn->refs, 1) != 1)
		return;
	pthread_mutex_lock(&conns_lock);
	conn->next = ended;
	ended = conn;
	pthread_mutex_unlock(&conns_lock);
}

static void data_put(struct data *data)
{
	if (atomic_fetch_sub(&data->refs, 1) != 1)
		return;
	free(data);
	atomic_fetch_sub(&n_data, 1);
}

static struct thing *thing_new(enum kind kind, struct conn *conn, const void *what)
{
	struct thing *thing = need(calloc(1, sizeof(*thing)));

	thing->kind = kind;
	thing->conn = conn;
	memcpy(&thing->proxy, &what, sizeof(what));
	atomic_fetch_add(&n_things, 1);
	return thing;
}

static void thing_drop(struct thing *thing)
{
	if (!thing)
		return;
	switch (thing->kind) {
	case CONN:
		break;
	case PROXY:
		ipc_proxy_unref(thing->proxy);
		break;
	case OBJECT:
		ipc_object_unref(thing->object);
		break;
	case SLOT:
		ipc_slot_end_async(thing->slot);
		data_put(thing->data);
		break;
	case CANCELLATION:
		ipc_cancellation_unref(thing->cancellation);
		break;
	case STREAM:
		/* Otherwise a stream with callbacks continues. */
		if (thing->cancels)
			ipc_stream_cancel(thing->stream);
		ipc_stream_unref(thing->stream);
		break;
	case CALL:
		ipc_call_unref(thing->call);
		break;
	}
	conn_put(thing->conn);
	free(thing);
	atomic_fetch_sub(&n_things, 1);
}

/* Replaces another thing if the table is full. */
static void thing_put(struct thing *thing, unsigned int at)
{
	for (unsigned int i = 0; i < THINGS; i++) {
		struct thing *none = NULL;

		if (atomic_compare_exchange_strong(&things[(at + i) % THINGS], &none, thing))
			return;
	}
	thing_drop(atomic_exchange(&things[at % THINGS], thing));
}

static struct thing *thing_take(unsigned int at)
{
	return atomic_exchange(&things[at % THINGS], NULL);
}

/* --- Callbacks ------------------------------------------------------------------------- */

static struct data *data_new(struct conn *conn)
{
	struct data *data = need(calloc(1, sizeof(*data)));

	atomic_init(&data->refs, 1);
	if (conn && conn_get(conn))
		data->conn = conn;
	atomic_fetch_add(&n_data, 1);
	return data;
}

static void data_destroy(void *userdata)
{
	struct data *data = userdata;

	conn_put(data->conn);
	ck_assert_uint_eq(data->running, 0);
	ck_assert(!atomic_exchange(&data->destroyed, true));
	data_put(data);
}

static void called(struct data *data)
{
	atomic_fetch_add(&data->running, 1);
	ck_assert(!data->destroyed);
	atomic_fetch_add(&n_called, 1);
	sched_yield();
	atomic_fetch_sub(&data->running, 1);
}

static void on_proxy(struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	called(userdata);
}

static void on_writable(struct ipc *ipc, void *userdata)
{
	(void)ipc;
	called(userdata);
}

static void on_canceled(struct ipc_call *call, void *userdata)
{
	called(userdata);
	ipc_call_fail(call, ECANCELED, NULL, NULL);
}

static void on_reply(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
		     void *userdata)
{
	struct data *data = userdata;

	ck_assert_int_eq(error->code, result);
	called(data);
	if (reply) {
		ipc_raw_keep(reply);
		ipc_raw_free(reply);
	}
	if (data->slot) {
		ipc_slot_set_destroy(data->slot, data_destroy);
		ipc_slot_end(data->slot);
	}
}

/* --- Streams with callbacks -------------------------------------------------------------- */

static void on_message(struct ipc_stream *stream, void *userdata)
{
	const struct ipc_raw_message *message;

	called(userdata);
	if (ipc_raw_stream_receive(stream, 0, &message, NULL) > 0)
		ipc_raw_stream_send(stream, message, 0);
}

static void on_space(struct ipc_stream *stream, void *userdata)
{
	(void)stream;
	called(userdata);
}

static void on_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		   void *userdata)
{
	(void)result, (void)error;
	called(userdata);
	ipc_stream_end(stream);
}

static int drive(struct ipc_stream *stream, struct conn *conn)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_message = on_message,
		.on_writable = on_space,
		.on_end = on_end,
		.destroy = data_destroy,
	};
	/* Somebody has to serve until it is over. */
	struct data *data = data_new(conn);
	int r = data->conn ? ipc_stream_set_ops(stream, &ops, data) : -ESHUTDOWN;

	if (r < 0)
		data_destroy(data);
	return r;
}

/* --- Serving ----------------------------------------------------------------------------- */

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata);

static int serve_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	unsigned int n = (unsigned int)atomic_fetch_add(&n_served, 1);
	const struct ipc_raw_message *message;
	struct ipc_raw_message hello = { .data = "hello", .size = 5 };

	ipc_raw_stream_send(stream, &hello, 0);
	switch (method) {
	case TALK:
		return drive(stream, userdata);
	case WAITED:
		ipc_raw_stream_receive(stream, USEC_SHORT, &message, NULL);
		return 0;
	case KEPT:
		thing_put(thing_new(STREAM, NULL, ipc_stream_ref(stream)), n);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static void object_ended(void *userdata)
{
	(void)userdata;
	atomic_fetch_sub(&n_objects, 1);
}

static const struct ipc_raw_ops object_ops = {
	.serve = serve, .stream = serve_stream, .destroy = object_ended,
};

static struct ipc_object *object_new(struct conn *conn)
{
	struct ipc_object *object = NULL;

	atomic_fetch_add(&n_objects, 1);
	if (ipc_raw_object_new(conn->ipc, &object_ops, conn, &object) < 0)
		atomic_fetch_sub(&n_objects, 1);
	return object;
}

static int reply_object(struct ipc_call *call, struct conn *conn)
{
	struct ipc_raw_entry entry = { .tag = 1, .type = IPC_RAW_OBJECT };
	struct ipc_raw_message reply = { .entries = &entry, .n_entries = 1 };
	int r = -ESHUTDOWN;

	entry.object = object_new(conn);
	if (entry.object)
		r = ipc_raw_reply(call, &reply);
	ipc_object_unref(entry.object);
	return r;
}

static void store(const struct ipc_raw_message *message, struct conn *conn, unsigned int at)
{
	const struct ipc_raw_entry *entry = message->entries;

	if (!message->n_entries || !conn_get(conn))
		return;
	if (entry->type == IPC_RAW_PROXY)
		thing_put(thing_new(PROXY, conn, ipc_proxy_ref(entry->proxy)), at);
	else if (entry->type == IPC_RAW_OBJECT && entry->object)
		thing_put(thing_new(OBJECT, conn, ipc_object_ref(entry->object)), at);
	else
		conn_put(conn);
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	unsigned int n = (unsigned int)atomic_fetch_add(&n_served, 1);
	struct ipc_raw_message reply = { .data = request->data, .size = request->size };

	switch (request->method) {
	case ECHO:
		return ipc_raw_reply(call, &reply);
	case KEEP:
		thing_put(thing_new(CALL, NULL, ipc_call_ref(call)), n);
		return 0;
	case FRESH:
		return reply_object(call, userdata);
	case STORE:
		store(request, userdata, n);
		return ipc_raw_reply(call, &reply);
	default:
		return n % 2 ? -EIO : ipc_call_fail(call, 0, "test.Refused", "%u", n);
	}
}

/* --- Connections --------------------------------------------------------------------------- */

static void *run(void *data)
{
	struct conn *conn = data;

	ck_assert_int_eq(ipc_run(conn->ipc), 0);
	return NULL;
}

static struct conn *conn_open(void)
{
	struct conn *conn = need(calloc(1, sizeof(*conn)));

	atomic_init(&conn->refs, 1);
	ck_assert_int_eq(ipc_open(&conn->ipc, NULL), 0);
	ck_assert_int_eq(ipc_set_threads(conn->ipc, 3), 0);
	atomic_fetch_add(&n_conns, 1);
	pthread_mutex_lock(&conns_lock);
	conn->all = all_conns;
	all_conns = conn;
	pthread_mutex_unlock(&conns_lock);
	ck_assert_int_eq(pthread_create(&conn->server, NULL, run, conn), 0);
	return conn;
}

/* Slots, streams, calls and cancellations of other threads may keep it open. */
static void close_ended(void)
{
	struct conn *conn;

	for (;;) {
		pthread_mutex_lock(&conns_lock);
		conn = ended;
		ended = conn ? conn->next : NULL;
		pthread_mutex_unlock(&conns_lock);
		if (!conn)
			return;
		ipc_stop(conn->ipc);
		pthread_join(conn->server, NULL);
		ipc_unref(conn->ipc);
		atomic_fetch_sub(&n_conns, 1);
		n_closed++;
	}
}

/* --- Acts ---------------------------------------------------------------------------------- */

struct actor {
	pthread_t thread;
	unsigned int seed;
};

static unsigned int chance(struct actor *actor, unsigned int n)
{
	return (unsigned int)rand_r(&actor->seed) % n;
}

static void put(struct actor *actor, struct thing *thing)
{
	thing_put(thing, chance(actor, THINGS));
}

static void put_new(struct actor *actor, enum kind kind, struct conn *conn, const void *what)
{
	if (!what)
		return;
	ck_assert(!conn || conn_get(conn));
	put(actor, thing_new(kind, conn, what));
}

/* A registration that was made with data: its slot is a thing now. */
static void keep(struct actor *actor, int r, struct ipc_slot **slot, struct data *data)
{
	struct thing *thing;

	if (r < 0) {
		data_destroy(data);
		return;
	}
	thing = thing_new(SLOT, NULL, *slot);
	thing->data = data;
	atomic_fetch_add(&data->refs, 1);
	ipc_slot_set_destroy(*slot, data_destroy);
	put(actor, thing);
}

static void act_conn(struct actor *actor, struct thing *thing)
{
	struct conn *conn = thing->conn;
	struct ipc_cancellation *cancellation;
	struct ipc_slot *slot;
	struct ipc_proxy *proxy;
	struct data *data;

	switch (chance(actor, 5)) {
	case 0:
	case 1:
		if (ipc_get_manager(conn->ipc, &proxy) == 0)
			put_new(actor, PROXY, conn, proxy);
		break;
	case 2:
		put_new(actor, OBJECT, conn, object_new(conn));
		break;
	case 3:
		ck_assert_int_eq(ipc_cancellation_new(conn->ipc, &cancellation), 0);
		put_new(actor, CANCELLATION, NULL, cancellation);
		break;
	case 4:
		data = data_new(NULL);
		keep(actor, ipc_on_writable(conn->ipc, on_writable, data, &slot), &slot, data);
		break;
	}
}

static void call_async(struct actor *actor, struct thing *thing,
		       const struct ipc_raw_message *request, const struct ipc_options *options)
{
	bool itself = chance(actor, 2);
	/* A call that ends itself must end while a thread serves. */
	struct data *data = data_new(itself ? thing->conn : NULL);
	struct ipc_slot *slot;
	int r;

	r = ipc_raw_call_async(thing->proxy, request, options, on_reply, data,
			       itself ? &data->slot : &slot);
	if (!itself)
		keep(actor, r, &slot, data);
	else if (r < 0)
		data_destroy(data);
}

static void open_stream(struct actor *actor, struct thing *thing, const struct ipc_options *options)
{
	uint32_t code = 1 + chance(actor, STREAMS);
	struct ipc_stream *stream;
	struct thing *new;

	if (ipc_raw_stream_open(thing->proxy, code, options, &stream, NULL) < 0)
		return;
	/* A stream holds its connection. A thread must serve, so that the stream proceeds. */
	new = thing_new(STREAM, conn_get(thing->conn) ? thing->conn : NULL, stream);
	new->talks = new->cancels = true;
	put(actor, new);
}

static void call_with(struct actor *actor, struct thing *thing, const struct ipc_options *options)
{
	struct ipc_raw_message request = { .method = 1 + chance(actor, METHODS), .data = "x", .size = 1 };
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	struct ipc_raw_message *reply = NULL;

	switch (chance(actor, 4)) {
	case 0:
		ipc_raw_oneway(thing->proxy, &request, NULL);
		break;
	case 1:
		call_async(actor, thing, &request, options);
		break;
	case 2:
		open_stream(actor, thing, options);
		break;
	case 3:
		if (ipc_raw_call(thing->proxy, &request, options, &reply, &error) == 0)
			store(reply, thing->conn, chance(actor, THINGS));
		ipc_raw_free(reply);
		break;
	}
}

static void act_proxy(struct actor *actor, struct thing *thing)
{
	struct ipc_options options = { .timeout_usec = 1 + chance(actor, USEC_SHORT) };
	struct thing *parent = thing_take(chance(actor, THINGS));
	struct ipc_cancellation *cancellation = NULL;
	struct data *data;
	struct ipc_slot *slot;

	/* If that came to another connection, the call is refused. */
	options.parent = parent && parent->kind == CALL ? parent->call : NULL;
	options.parent_stream = parent && parent->kind == STREAM ? parent->stream : NULL;
	if (parent && parent->kind == CANCELLATION)
		cancellation = ipc_cancellation_ref(parent->cancellation);
	else if (chance(actor, 2))
		ck_assert_int_eq(ipc_cancellation_new(thing->conn->ipc, &cancellation), 0);
	options.cancellation = cancellation;
	if (!chance(actor, 4))
		put_new(actor, CANCELLATION, NULL, ipc_cancellation_ref(cancellation));
	switch (chance(actor, 5)) {
	case 0:
		data = data_new(NULL);
		keep(actor, ipc_proxy_on_death(thing->proxy, on_proxy, data, &slot), &slot, data);
		break;
	case 1:
		put_new(actor, PROXY, thing->conn, ipc_proxy_ref(thing->proxy));
		break;
	default:
		call_with(actor, thing, &options);
	}
	ipc_cancellation_unref(cancellation);
	if (parent)
		put(actor, parent);
}

/* The manager stores it. */
static void act_object(struct actor *actor, struct thing *thing)
{
	struct ipc_raw_entry entry = { .tag = 1, .type = IPC_RAW_OBJECT, .object = thing->object };
	struct ipc_raw_message request = { .method = STORE, .entries = &entry, .n_entries = 1 };
	struct ipc_options options = { .timeout_usec = USEC_SHORT };
	struct ipc_proxy *manager;

	if (!chance(actor, 5)) {
		put_new(actor, OBJECT, thing->conn, ipc_object_ref(thing->object));
	} else if (ipc_get_manager(thing->conn->ipc, &manager) == 0) {
		ipc_raw_call(manager, &request, &options, NULL, NULL);
		ipc_proxy_unref(manager);
	}
}

static void act_slot(struct actor *actor, struct thing *thing)
{
	static struct ipc_slot *(*const ends[])(struct ipc_slot * slot) = {
		ipc_slot_end,
		ipc_slot_end_async,
		ipc_slot_detach,
	};
	unsigned int how = chance(actor, 3);
	bool ended = thing->slot && how == 0;

	thing->slot = ends[how](thing->slot);
	ck_assert(!ended || thing->data->destroyed);
}

static void act_cancellation(struct actor *actor, struct thing *thing)
{
	if (!chance(actor, 5))
		put_new(actor, CANCELLATION, NULL, ipc_cancellation_ref(thing->cancellation));
	else
		ck_assert_int_eq(ipc_cancel(thing->cancellation), 0);
}

static void act_stream(struct actor *actor, struct thing *thing)
{
	struct ipc_raw_message message = { .data = "stream", .size = 6 };
	const struct ipc_raw_message *received;

	switch (chance(actor, thing->talks ? 7 : 3)) {
	case 0:
		ipc_stream_cancel(thing->stream);
		break;
	case 1:
		ipc_stream_end(thing->stream);
		break;
	case 2:
		put_new(actor, STREAM, NULL, ipc_stream_ref(thing->stream));
		break;
	case 3:
		ipc_raw_stream_send(thing->stream, &message, chance(actor, USEC_SHORT));
		break;
	case 4:
	case 5:
		ipc_raw_stream_receive(thing->stream, chance(actor, USEC_SHORT), &received, NULL);
		break;
	case 6:
		/* From here on only callbacks receive. */
		if (thing->conn && drive(thing->stream, thing->conn) == 0)
			thing->talks = false;
		break;
	}
}

static void act_call(struct actor *actor, struct thing *thing)
{
	struct ipc_raw_message reply = { .data = "late", .size = 4 };
	struct ipc_slot *slot;
	struct data *data;

	switch (chance(actor, 4)) {
	case 0:
		ipc_raw_reply(thing->call, &reply);
		break;
	case 1:
		ipc_call_fail(thing->call, EIO, NULL, NULL);
		break;
	case 2:
		data = data_new(NULL);
		keep(actor, ipc_call_on_cancel(thing->call, on_canceled, data, &slot), &slot, data);
		break;
	case 3:
		put_new(actor, CALL, NULL, ipc_call_ref(thing->call));
		break;
	}
}

static void act(struct actor *actor, struct thing *thing)
{
	static void (*const acts[])(struct actor *actor, struct thing *thing) = {
		[CONN] = act_conn,     [PROXY] = act_proxy, [OBJECT] = act_object,
		[SLOT] = act_slot,     [CALL] = act_call,   [STREAM] = act_stream,
		[CANCELLATION] = act_cancellation,
	};

	acts[thing->kind](actor, thing);
	atomic_fetch_add(&n_acts, 1);
}

static void *play(void *data)
{
	struct actor *actor = data;
	struct thing *thing;

	while (!atomic_load(&finished)) {
		thing = thing_take(chance(actor, THINGS));
		if (!thing && atomic_load(&n_conns) < CONNS)
			thing = thing_new(CONN, conn_open(), NULL);
		if (!thing)
			continue;
		act(actor, thing);
		/* Things from which other things are created last longer. */
		if (chance(actor, thing->kind <= PROXY ? 10 : 3))
			put(actor, thing);
		else
			thing_drop(thing);
	}
	return NULL;
}

static unsigned int setting(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)atoi(text) : otherwise;
}

/* With everything that is left in the table, until the last connection is closed. */
static void end_all(struct conn *hub)
{
	struct conn *conn;

	conn_put(hub);
	do {
		for (unsigned int i = 0; i < THINGS; i++)
			thing_drop(thing_take(i));
		close_ended();
		sched_yield();
	} while (atomic_load(&n_conns) || atomic_load(&n_things) || atomic_load(&n_data));
	ck_assert_uint_eq(n_objects, 0);
	while ((conn = all_conns)) {
		all_conns = conn->all;
		free(conn);
	}
}

START_TEST(everything_ends_at_every_moment)
{
	time_t until = time(NULL) + (seconds < ROUND_SECONDS ? seconds : ROUND_SECONDS);
	unsigned int seed = setting("IPCBUS_LIFETIMES_SEED", 1) + (unsigned int)_i;
	struct actor actors[ACTORS];
	struct ipc_object *object;
	struct conn *hub;

	printf("# IPCBUS_LIFETIMES_SEED=%u\n", seed);
	hub = conn_open();
	object = object_new(hub);
	ck_assert_int_eq(ipc_set_manager(hub->ipc, object), 0);
	ipc_object_unref(object);
	for (unsigned int i = 0; i < ACTORS; i++) {
		actors[i].seed = seed * ACTORS + i;
		ck_assert_int_eq(pthread_create(&actors[i].thread, NULL, play, &actors[i]), 0);
	}
	while (time(NULL) < until) {
		close_ended();
		usleep(1000);
	}
	atomic_store(&finished, true);
	for (unsigned int i = 0; i < ACTORS; i++)
		pthread_join(actors[i].thread, NULL);
	end_all(hub);
	printf("# %lu acts, %lu served, %lu callbacks, %lu connections\n", n_acts, n_served, n_called,
	       n_closed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lifetimes");
	TCase *tc = add_case(suite, "lifetimes", setup_bare);

	seconds = (int)setting("IPCBUS_LIFETIMES_SECONDS", 3);
	tcase_set_timeout(tc, 300 + ROUND_SECONDS);
	tcase_add_loop_test(tc, everything_ends_at_every_moment, 0, seconds / ROUND_SECONDS ?: 1);
	return suite_main(suite);
}
