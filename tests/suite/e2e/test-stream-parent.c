// SPDX-License-Identifier: MIT
/*
 * Calls and streams made for a stream end with it. There are three connections: a client opens a
 * stream at the relay. The handler of the relay calls the sleeper on behalf of its stream, or opens
 * a stream there. The sleeper never replies, and gets the cancellation.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ipc/raw.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"

/* The relay's action for its stream. */
enum { CALLS = 1, OPENS, WAITS };
#define USEC_LIMIT UINT64_C(2000000)

/* A connection that is served by a thread. */
struct station {
	struct ipc *ipc;
	pthread_t thread;
};

static struct station relay, sleeper;
static struct ipc_proxy *sleeping;	/* the relay's proxy for the sleeper */
static struct ipc_stream *_Atomic relayed;

/* Observations of the last stream. */
static atomic_uint arrived, noticed, finished, over;
static atomic_int result;

static void *run(void *data)
{
	struct station *station = data;

	ck_assert_int_eq(ipc_run(station->ipc), 0);
	return NULL;
}

static void station_begin(struct station *station, unsigned int threads)
{
	ck_assert_int_eq(ipc_open(&station->ipc, NULL), 0);
	ck_assert_int_eq(ipc_set_threads(station->ipc, threads), 0);
	ck_assert_int_eq(pthread_create(&station->thread, NULL, run, station), 0);
}

static void station_end(struct station *station)
{
	ipc_stop(station->ipc);
	pthread_join(station->thread, NULL);
	ipc_unref(station->ipc);
}

static void until(atomic_uint *count)
{
	while (!atomic_load(count))
		sleep_ms(1);
}

/* --- The sleeper --------------------------------------------------------------------------- */

static void on_canceled(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	ipc_call_fail(call, ECANCELED, NULL, NULL);
	ipc_call_unref(call);
	atomic_fetch_add(&noticed, 1);
}

static int sleep_over(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	int r;

	(void)request, (void)userdata;
	r = ipc_call_on_cancel(ipc_call_ref(call), on_canceled, NULL, NULL);
	if (r < 0)
		ipc_call_unref(call);
	atomic_fetch_add(&arrived, 1);
	return r;
}

static void on_end(struct ipc_stream *stream, int r, const struct ipc_error *error, void *userdata)
{
	(void)stream, (void)r, (void)error, (void)userdata;
	atomic_fetch_add(&noticed, 1);
}

static int sleep_in_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops), .on_end = on_end };
	int r = ipc_stream_set_ops(stream, &ops, NULL);

	(void)method, (void)userdata;
	atomic_fetch_add(&arrived, 1);
	return r;
}

static const struct ipc_raw_ops sleeper_ops = { .serve = sleep_over, .stream = sleep_in_stream };

/* --- The relay ------------------------------------------------------------------------------ */

static void on_reply(int r, struct ipc_raw_message *reply, const struct ipc_error *error,
		     void *userdata)
{
	(void)reply, (void)error, (void)userdata;
	atomic_store(&result, r);
	atomic_fetch_add(&finished, 1);
}

static void on_inner_end(struct ipc_stream *stream, int r, const struct ipc_error *error,
			 void *userdata)
{
	(void)stream;
	on_reply(r, NULL, error, userdata);
}

static int open_inner(const struct ipc_options *options)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops), .on_end = on_inner_end };
	struct ipc_stream *inner;
	int r;

	r = ipc_raw_stream_open(sleeping, 1, options, &inner, NULL);
	if (r < 0) {
		/* The sleeper noticed before the reply. */
		on_reply(r, NULL, NULL, NULL);
		return r;
	}
	r = ipc_stream_set_ops(inner, &ops, NULL);
	ipc_stream_unref(inner);
	return r;
}

static void on_over(void *userdata)
{
	(void)userdata;
	atomic_fetch_add(&over, 1);
}

static int relay_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	static const struct ipc_stream_ops ops = { .size = sizeof(ops), .destroy = on_over };
	static const struct ipc_raw_message request = { .method = 1 };
	const struct ipc_options options = { .parent_stream = stream };
	int r;

	(void)userdata;
	atomic_store(&relayed, stream);
	r = ipc_stream_set_ops(stream, &ops, NULL);
	if (r < 0)
		return r;
	if (method == OPENS)
		return open_inner(&options);
	if (method == CALLS)
		return ipc_raw_call_async(sleeping, &request, &options, on_reply, NULL, NULL);
	r = ipc_raw_call(sleeping, &request, &options, NULL, NULL);
	on_reply(r, NULL, NULL, NULL);
	return r;
}

/* The client passes the sleeper's object. */
static int relay_call(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	const struct ipc_raw_message reply = { .size = 0 };

	(void)userdata;
	sleeping = ipc_proxy_ref(request->entries[0].proxy);
	return ipc_raw_reply(call, &reply);
}

static const struct ipc_raw_ops relay_ops = { .serve = relay_call, .stream = relay_stream };

/* --- Cases ----------------------------------------------------------------------------------- */

static struct ipc_object *make_object(struct ipc *ipc, const struct ipc_raw_ops *ops)
{
	struct ipc_object *object;

	ck_assert_int_eq(ipc_raw_object_new(ipc, ops, NULL, &object), 0);
	return object;
}

static void begin(void)
{
	struct ipc_raw_entry entry = { .tag = 1, .type = IPC_RAW_OBJECT };
	struct ipc_raw_message request = { .method = 1, .entries = &entry, .n_entries = 1 };
	struct ipc_object *object;
	struct ipc_proxy *proxy;

	station_begin(&relay, 3);
	object = make_object(relay.ipc, &relay_ops);
	ck_assert_int_eq(ipc_set_manager(relay.ipc, object), 0);
	ipc_object_unref(object);

	station_begin(&sleeper, 1);
	entry.object = make_object(sleeper.ipc, &sleeper_ops);
	ck_assert_int_eq(ipc_get_manager(sleeper.ipc, &proxy), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
	ipc_object_unref(entry.object);
	ipc_proxy_unref(proxy);
}

static void end(void)
{
	ipc_proxy_unref(sleeping);
	station_end(&relay);
	station_end(&sleeper);
}

/* A client with its own connection, which no thread serves. */
static struct ipc_stream *open_stream(uint32_t code, uint64_t timeout_usec)
{
	const struct ipc_options options = { .timeout_usec = timeout_usec };
	struct ipc_stream *stream;
	struct ipc_proxy *proxy;
	struct ipc *ipc;

	atomic_store(&arrived, 0);
	atomic_store(&noticed, 0);
	atomic_store(&finished, 0);
	atomic_store(&over, 0);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	ck_assert_int_eq(ipc_raw_stream_open(proxy, code, &options, &stream, NULL), 0);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	until(&arrived);
	return stream;
}

/* The relay gets the error, and the sleeper gets the cancellation. */
static void expect_end(int error)
{
	until(&noticed);
	until(&finished);
	until(&over);
	ck_assert_int_eq(result, error);
	ck_assert_uint_eq(noticed, 1);
	ck_assert_uint_eq(finished, 1);
}

START_TEST(a_client_that_cancels)
{
	struct ipc_stream *stream;

	begin();
	for (uint32_t code = CALLS; code <= WAITS; code++) {
		stream = open_stream(code, 0);
		ck_assert_uint_eq(noticed, 0);
		ipc_stream_cancel(stream);
		expect_end(-ECANCELED);
		ipc_stream_unref(stream);
	}
	end();
}
END_TEST

/* The client's connection is closed too. */
START_TEST(a_client_that_closes)
{
	begin();
	for (uint32_t code = CALLS; code <= WAITS; code++) {
		ipc_stream_unref(open_stream(code, 0));
		expect_end(-ECANCELED);
	}
	end();
}
END_TEST

START_TEST(a_relay_that_ends_its_stream)
{
	struct ipc_stream *stream;

	begin();
	for (uint32_t code = CALLS; code <= WAITS; code++) {
		stream = open_stream(code, 0);
		ck_assert_int_eq(ipc_stream_end(atomic_load(&relayed)), 0);
		expect_end(-ECANCELED);
		ipc_stream_unref(stream);
	}
	end();
}
END_TEST

START_TEST(time_that_is_over)
{
	struct ipc_stream *stream;

	begin();
	for (uint32_t code = CALLS; code <= WAITS; code++) {
		/* The timeout includes the opening. */
		stream = open_stream(code, USEC_LIMIT);
		ck_assert_uint_le(ipc_stream_remaining(stream), USEC_LIMIT);
		expect_end(-ETIMEDOUT);
		ck_assert_uint_eq(ipc_stream_remaining(stream), 0);
		ipc_stream_unref(stream);
	}
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("stream-parent", a_client_that_cancels, a_client_that_closes,
			 a_relay_that_ends_its_stream, time_that_is_over);
}
