// SPDX-License-Identifier: MIT
/*
 * Many threads at once on what they share: the same handle coming and going,
 * the same object going out and coming home, watches set and taken back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

#define THREADS	4

/* IPCBUS_FEWER_ROUNDS: so many times fewer, for kernels that are slow. */
static int rounds = 1500;

static const struct server_options pool = { .threads = 3 };

/* Runs fn on several threads; each returns 0. */
static void run_threads(void *(*fn)(void *data), void *data)
{
	pthread_t threads[THREADS];
	void *result;

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fn, data), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		ck_assert_msg(!result, "a thread failed: %s", ipc_strerror((int)(intptr_t)result));
	}
}

static void *serve(void *data)
{
	return (void *)(intptr_t)ipc_run(data);
}

/* --- One handle --------------------------------------------------------------------- */

static int use_shared(struct client *client)
{
	ipc_auto(server_shared_counter_reply_free) E2e__NewCounterReply *reply = NULL;
	ipc_auto(counter_unref) struct counter *counter = NULL;
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;
	int r;

	r = server_shared_counter(client->server, &reply, NULL);
	if (r < 0)
		return r;
	r = counter_take(client->ipc, reply->counter, &counter);
	if (r < 0)
		return r;
	request.number = 1;
	return counter_add(counter, &request, NULL, NULL);
}

static void *use_shared_often(void *data)
{
	int r = 0;

	for (int i = 0; i < rounds && r == 0; i++)
		r = use_shared(data);
	return (void *)(intptr_t)r;
}

/* Puts and manager watches of one handle cross each other all the time. */
START_TEST(one_handle_for_all)
{
	pid_t pid = start_server(&pool);
	ipc_auto(server_shared_counter_reply_free) E2e__NewCounterReply *reply = NULL;
	ipc_auto(counter_add_reply_free) E2e__AddReply *sum = NULL;
	ipc_auto(counter_unref) struct counter *counter = NULL;
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;
	struct client client;

	client_open(&client);
	run_threads(use_shared_often, &client);
	ck_assert_int_eq(server_shared_counter(client.server, &reply, NULL), 0);
	ck_assert_int_eq(counter_take(client.ipc, reply->counter, &counter), 0);
	ck_assert_int_eq(counter_add(counter, &request, &sum, NULL), 0);
	ck_assert_uint_eq(sum->sum, THREADS * rounds);
	counter = counter_unref(counter);
	client_close(&client);
	kill_server(pid);
}
END_TEST

/* --- One object ---------------------------------------------------------------------- */

static atomic_int destroyed;
static struct ipc_object *travelling;

static void note_destroyed(void *userdata)
{
	(void)userdata;
	atomic_fetch_add(&destroyed, 1);
}

static int bounce(struct client *client, struct ipc_object *object)
{
	ipc_auto(server_bounce_reply_free) E2e__BounceReply *reply = NULL;
	ipc_auto(ipc_object_unref) struct ipc_object *home = NULL;
	E2e__BounceRequest request = E2E__BOUNCE_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	id.id = object_id(object);
	request.object = &id;
	r = server_bounce(client->server, &request, &reply, NULL);
	if (r < 0)
		return r;
	r = ipc_take_object(client->ipc, &reply->object->id, &home);
	if (r < 0)
		return r;
	return home == object ? 0 : -EXDEV;
}

static const struct visitor_ops no_handlers;

static void *bounce_often(void *data)
{
	int r = 0;

	for (int i = 0; i < rounds && r == 0; i++)
		r = bounce(data, travelling);
	return (void *)(intptr_t)r;
}

static void *bounce_new_ones(void *data)
{
	struct client *client = data;
	int r = 0;

	for (int i = 0; i < rounds && r == 0; i++) {
		ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;

		r = visitor_object_new(client->ipc, &no_handlers, NULL, note_destroyed, &object);
		if (r == 0)
			r = bounce(client, object);
	}
	return (void *)(intptr_t)r;
}

static void wait_destroyed(int count)
{
	uint64_t begin = now_ms();

	while (atomic_load(&destroyed) < count && now_ms() - begin < 5000)
		sleep_ms(5);
	ck_assert_int_eq(atomic_load(&destroyed), count);
}

START_TEST(one_object_for_all)
{
	pid_t pid = start_server(&pool);
	struct client client;
	pthread_t server;

	client_open(&client);
	ck_assert_int_eq(pthread_create(&server, NULL, serve, client.ipc), 0);
	ck_assert_int_eq(visitor_object_new(client.ipc, &no_handlers, NULL, note_destroyed,
					    &travelling), 0);
	run_threads(bounce_often, &client);
	ck_assert_int_eq(atomic_load(&destroyed), 0);
	ipc_object_unref(travelling);
	wait_destroyed(1);

	run_threads(bounce_new_ones, &client);
	wait_destroyed(1 + THREADS * rounds);
	ipc_stop(client.ipc);
	pthread_join(server, NULL);
	client_close(&client);
	kill_server(pid);
}
END_TEST

/* --- One watch ------------------------------------------------------------------------ */

static atomic_int called, ended, added;

static void count_call(struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	(void)userdata;
	atomic_fetch_add(&called, 1);
}

static void count_end(void *userdata)
{
	(void)userdata;
	atomic_fetch_add(&ended, 1);
}

static void *watch_often(void *data)
{
	struct counter *counter = data;
	struct ipc_slot *slot;

	for (int i = 0; i < rounds; i++) {
		int r = counter_on_death(counter, count_call, NULL, &slot);

		if (r < 0)
			return (void *)(intptr_t)r;
		atomic_fetch_add(&added, 1);
		ipc_slot_set_destroy(slot, count_end);
		if (i % 64 == 0)
			ipc_slot_release(slot);
		else
			ipc_slot_end(slot);
	}
	return NULL;
}

static void *kill_soon(void *data)
{
	sleep_ms(20);
	kill_server(*(pid_t *)data);
	return NULL;
}

/* The server dies meanwhile: each watcher ends once, called or not. */
START_TEST(watches_and_a_death)
{
	pid_t pid = start_server(&pool);
	ipc_auto(server_shared_counter_reply_free) E2e__NewCounterReply *reply = NULL;
	struct counter *counter;
	struct client client;
	pthread_t server, killer;
	uint64_t begin;

	client_open(&client);
	ck_assert_int_eq(server_shared_counter(client.server, &reply, NULL), 0);
	ck_assert_int_eq(counter_take(client.ipc, reply->counter, &counter), 0);
	ck_assert_int_eq(pthread_create(&server, NULL, serve, client.ipc), 0);
	ck_assert_int_eq(pthread_create(&killer, NULL, kill_soon, &pid), 0);
	run_threads(watch_often, counter);
	pthread_join(killer, NULL);
	for (begin = now_ms(); now_ms() - begin < 5000; sleep_ms(5))
		if (ended == added)
			break;
	ck_assert_int_eq(ended, added);
	ck_assert_int_gt(called, 0);
	ck_assert_int_le(called, added);
	counter_unref(counter);
	ipc_stop(client.ipc);
	pthread_join(server, NULL);
	client_close(&client);
}
END_TEST

int main(void)
{
	const char *text = getenv("IPCBUS_FEWER_ROUNDS");
	int fewer = text ? atoi(text) : 1;

	if (fewer > 0)
		rounds /= fewer;
	return RUN_TESTS("stress", one_handle_for_all, one_object_for_all, watches_and_a_death);
}
