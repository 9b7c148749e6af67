// SPDX-License-Identifier: MIT
/*
 * Oneways through direct channels: order with oneways of the bus, no concurrency, and no losses.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel-run.h"
#include "core/call.h"
#include "channels/channel-client.h"
#include "channels/channel-server.h"

/* Methods of the server. */
enum { LOG = 1, LOG_KEEP, LOG_SLOWLY, GET, END_OBJECT, STOP_SERVING, HANG, ECHO_BYTES };

#define SENDERS 8U
#define PADDING 6000U	/* too large for a channel */

struct entry {
	uint32_t sender;
	uint32_t number;
};

/* Oneways that the server has handled. */
struct seen {
	uint32_t next[SENDERS];	/* number of the next oneway of each sender */
	uint32_t total;
	uint32_t by_channel;
	uint32_t wrong;		/* out of order, or concurrent */
};

/* --- The server -------------------------------------------------------------------------- */

static struct seen seen;
/* Calls may read it meanwhile. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint running;

static void log_entry(const struct ipc_call *call, const struct ipc_raw_message *message,
		      bool alone)
{
	const uint8_t *padding = (const uint8_t *)message->data + sizeof(struct entry);
	size_t size = message->size - sizeof(struct entry);
	struct entry entry;

	memcpy(&entry, message->data, sizeof(entry));
	pthread_mutex_lock(&lock);
	/* All bytes of the padding are the same. */
	if (size && memcmp(padding, padding + 1, size - 1))
		seen.wrong++;
	if (!alone || entry.sender >= SENDERS || entry.number != seen.next[entry.sender]++)
		seen.wrong++;
	seen.total++;
	seen.by_channel += is_route_call(call->number);
	pthread_mutex_unlock(&lock);
}

static void *release_later(void *call)
{
	usleep(200);
	atomic_fetch_sub(&running, 1);
	ipc_call_unref(call);
	return NULL;
}

/* The oneway lasts longer than its handler. */
static int keep(struct ipc_call *call)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, release_later, ipc_call_ref(call)))
		_exit(1);
	pthread_detach(thread);
	return 0;
}

static int serve_oneway(struct ipc_call *call, const struct ipc_raw_message *message)
{
	if (message->method == HANG) {
		sleep(1000);
		return 0;
	}
	log_entry(call, message, atomic_fetch_add(&running, 1) == 0);
	if (message->method == LOG_KEEP)
		return keep(call);
	if (message->method == LOG_SLOWLY)
		usleep(3000);
	atomic_fetch_sub(&running, 1);
	return 0;
}

static int reply_seen(struct ipc_call *call)
{
	struct seen now;

	pthread_mutex_lock(&lock);
	now = seen;
	pthread_mutex_unlock(&lock);
	return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = &now, .size = sizeof(now) });
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *message, void *userdata)
{
	(void)userdata;
	switch (message->method) {
	case GET:
		return reply_seen(call);
	case END_OBJECT:
		ipc_object_end(call->object);
		return reply_number(call, 0);
	case ECHO_BYTES:
		return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = message->data,
								      .size = message->size });
	case STOP_SERVING:
		ipc_stop(call->ipc);
		return reply_number(call, 0);
	default:
		return serve_oneway(call, message);
	}
}

static const struct ipc_raw_ops log_ops = { .serve = serve };

/* --- Clients ----------------------------------------------------------------------------- */

static int send_to(struct ipc_proxy *to, uint32_t code, const void *data, size_t size,
		   struct ipc_raw_entry *entry)
{
	/* Waits for space. */
	const struct ipc_options options = { .timeout_usec = 20000000 };
	const struct ipc_raw_message message = {
		.method = code, .data = data, .size = size, .entries = entry, .n_entries = !!entry,
	};

	return ipc_raw_oneway(to, &message, &options);
}

static int log_small(uint32_t sender, uint32_t number)
{
	struct entry entry = { sender, number };

	return send_to(proxy, LOG, &entry, sizeof(entry), NULL);
}

/* Numbers from first to end, without end. */
static void log_many(uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++)
		ck_assert_int_eq(log_small(0, i), 0);
}

static struct seen get_seen(void)
{
	struct ipc_raw_message *reply;
	struct seen result;

	ck_assert_int_eq(
		ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = GET }, NULL, &reply, NULL),
		0);
	memcpy(&result, reply->data, sizeof(result));
	ipc_raw_free(reply);
	return result;
}

static struct seen wait_for_total(uint32_t total)
{
	struct seen result = get_seen();

	while (result.total < total) {
		usleep(10000);
		result = get_seen();
	}
	ck_assert_uint_eq(result.total, total);
	ck_assert_uint_eq(result.wrong, 0);
	return result;
}

static void begin_serving(unsigned int threads)
{
	begin_ops(threads, "1", &log_ops);
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get_seen();
}

START_TEST(oneways_open_a_channel)
{
	uint32_t number = 0;

	begin_ops(1, "1", &log_ops);
	/* If the server is slow, the client tries again after four times as many. */
	do {
		for (int j = 0; j < 200; j++)
			ck_assert_int_eq(log_small(0, number++), 0);
	} while (!wait_for_total(number).by_channel);
	end();
}
END_TEST

START_TEST(large_oneways_keep_their_place)
{
	uint8_t large[PADDING] = { 0 };
	struct entry entry = { 0, 0 };
	struct seen result;

	begin_serving(2);
	for (; entry.number < 2000; entry.number++) {
		memcpy(large, &entry, sizeof(entry));
		ck_assert_int_eq(send_to(proxy, LOG, large,
					 entry.number % 50 == 49 ? PADDING : sizeof(entry), NULL),
				 0);
		/* After a large one, the bus is used until the server has caught up. */
		if (entry.number % 100 == 99)
			wait_for_total(entry.number + 1);
	}
	result = wait_for_total(2000);
	ck_assert_uint_gt(result.by_channel, 500);
	ck_assert_uint_lt(result.by_channel, 2000 - 40);
	end();
}
END_TEST

/* Calls and oneways with sizes at the limits of cells, ring and channel. */
static void *send_all_sizes(void *sender)
{
	static const size_t sizes[] = { sizeof(struct entry), CHANNEL_SMALL_MAX + 1,
					CHANNEL_DATA_MAX, CHANNEL_DATA_MAX + 1, 65536,
					CHANNEL_HUGE_MAX, CHANNEL_HUGE_MAX + 1 };
	struct entry entry = { (uint32_t)(uintptr_t)sender, 0 };
	uint8_t *data = malloc(CHANNEL_HUGE_MAX + 1);

	for (; entry.number < 700; entry.number++) {
		struct ipc_raw_message *reply;
		/* Most messages fit, or the channel would end. */
		size_t size = sizes[entry.number % 8 ? 0 : entry.number / 8 % 7];

		memset(data, (int)(entry.number + entry.sender), size);
		memcpy(data, &entry, sizeof(entry));
		ck_assert_int_eq(send_to(proxy, LOG, data, size, NULL), 0);
		data[size - 1]++;
		ck_assert_int_eq(ipc_raw_call(proxy,
					      &(struct ipc_raw_message){
						      .method = ECHO_BYTES,
						      .data = data,
						      .size = size,
					      },
					      NULL, &reply, NULL),
				 0);
		ck_assert_uint_eq(reply->size, size);
		ck_assert_mem_eq(reply->data, data, size);
		ipc_raw_free(reply);
	}
	free(data);
	return NULL;
}

START_TEST(messages_of_all_sizes_arrive_in_order)
{
	struct channel_caller *caller;
	pthread_t threads[2];

	begin_serving(2);
	for (uintptr_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, send_all_sizes, (void *)i), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_gt(wait_for_total(2 * 700).by_channel, 50);
	caller = (void *)atomic_load(&proxy->channel);
	ck_assert_uint_gt(caller->posted[CHANNEL_HUGE], 50);
	end();
}
END_TEST

START_TEST(kept_oneway_delays_the_next)
{
	struct entry entry = { 0, 0 };

	begin_serving(2);
	for (; entry.number < 1000; entry.number++)
		ck_assert_int_eq(send_to(proxy, entry.number % 7 ? LOG : LOG_KEEP, &entry,
					 sizeof(entry), NULL), 0);
	ck_assert_uint_gt(wait_for_total(1000).by_channel, 100);
	end();
}
END_TEST

/* More than the ring holds. */
START_TEST(full_ring_uses_the_bus)
{
	begin_serving(1);
	log_many(0, 50);
	wait_for_total(50);
	stop_server();
	log_many(50, 1000);
	kill(server, SIGCONT);
	ck_assert_uint_lt(wait_for_total(1000).by_channel, 950);
	end();
}
END_TEST

START_TEST(oneways_of_a_client_that_closed_are_served)
{
	begin_serving(1);
	log_many(0, 50);
	wait_for_total(50);
	stop_server();
	log_many(50, 150);
	connect_again();
	kill(server, SIGCONT);
	wait_for_total(150);
	end();
}
END_TEST

/* Oneways in the ring wait for the oneways that the client sent through the bus before. */
START_TEST(oneways_of_a_dead_client_are_served_in_order)
{
	pid_t client;
	int status;

	begin_serving(2);
	kill(server, SIGCONT);
	client = fork();
	if (!client) {
		uint8_t large[PADDING] = { 0 };

		connect_again();
		for (uint32_t i = 0; i < 50; i++)
			if (log_small(1, i) < 0)
				_exit(1);
		wait_for_total(50);
		kill(server, SIGSTOP);
		for (uint32_t i = 50; i < 150; i++) {
			struct entry entry = { 1, i };

			memcpy(large, &entry, sizeof(entry));
			if (send_to(proxy, LOG_SLOWLY, large, i % 60 ? 8 : PADDING, NULL) < 0)
				_exit(1);
		}
		kill(getpid(), SIGKILL);
	}
	waitpid(client, &status, 0);
	ck_assert(WIFSIGNALED(status));
	kill(server, SIGCONT);
	for (unsigned int i = 0; i < CHANNEL_MAX_WAIT * CHANNEL_AFTER; i++) {
		if (i % CHANNEL_AFTER == 0)
			connect_again();
		get_seen();
	}
	wait_for_total(150);
	end();
}
END_TEST

START_TEST(dead_server_is_noticed)
{
	int r = 0;

	begin_serving(1);
	log_many(0, 50);
	wait_for_total(50);
	kill(server, SIGKILL);
	usleep(50000);
	for (uint32_t i = 0; i < 5 && r == 0; i++) {
		r = log_small(0, i);
		usleep(30000);
	}
	/* The object is the manager. */
	ck_assert_int_eq(r, -ENOTCONN);
	end();
}
END_TEST

static void note_death(struct ipc_proxy *dead, void *userdata)
{
	(void)dead;
	*(int *)userdata = 1;
}

START_TEST(oneways_fail_after_a_reported_death)
{
	int died = 0;

	begin_serving(1);
	log_many(0, 50);
	wait_for_total(50);
	ck_assert_int_eq(ipc_proxy_on_death(proxy, note_death, &died, NULL), 0);
	kill(server, SIGKILL);
	while (!died) {
		ck_assert_int_eq(ipc_wait_event(ipc, IPC_NEVER), 1);
		ck_assert_int_ge(ipc_process(ipc), 0);
	}
	ck_assert_int_eq(log_small(0, 50), -ENOTCONN);
	end();
}
END_TEST

START_TEST(ended_object_is_noticed)
{
	begin_serving(1);
	log_many(0, 50);
	get(END_OBJECT);
	ck_assert_int_eq(log_small(0, 50), -ENOTCONN);
	end();
}
END_TEST

START_TEST(stop_ends_channels_and_oneways_go_on)
{
	begin_serving(1);
	for (uint32_t i = 0; i < 600; i++) {
		ck_assert_int_eq(log_small(0, i), 0);
		if (i == 300)
			get(STOP_SERVING);
	}
	wait_for_total(600);
	end();
}
END_TEST

/* A handler that hangs does not stop calls, if there is another thread. */
START_TEST(long_handler_delays_only_oneways)
{
	begin_serving(2);
	log_many(0, 50);
	wait_for_total(50);
	ck_assert_int_eq(send_to(proxy, HANG, "", 1, NULL), 0);
	for (uint32_t i = 0; i < 100; i++) {
		ck_assert_int_eq(log_small(0, i), 0);
		ck_assert_uint_eq(get_seen().total, 50);
	}
	end();
}
END_TEST

/* --- All together ------------------------------------------------------------------------ */

#define CLIENTS	2U
#define THREADS 3U
#define MESSAGES 1500U

static struct ipc_object *sent_object;

static void *send_mixed(void *number)
{
	uint32_t sender = (uint32_t)(uintptr_t)number;
	unsigned int seed = sender + 1;
	struct entry entry = { sender, 0 };
	uint8_t data[PADDING] = { 0 };

	for (; entry.number < MESSAGES; entry.number++) {
		struct ipc_raw_entry object = { .type = IPC_RAW_OBJECT, .object = sent_object };
		unsigned int dice = (unsigned int)rand_r(&seed) % 200;
		uint32_t code = dice < 8 ? LOG_KEEP : dice < 12 ? LOG_SLOWLY : LOG;

		memcpy(data, &entry, sizeof(entry));
		if (send_to(proxy, code, data, dice % 60 == 1 ? PADDING : 8 + dice,
			    dice % 80 == 2 ? &object : NULL) < 0)
			_exit(1);
		if (dice == 100)
			usleep(1000);
		/* If the server never catches up, nearly all oneways use the bus. */
		while (entry.number % 64 == 63 && get_seen().next[sender] + 32 < entry.number)
			usleep(500);
	}
	return NULL;
}

static void run_client(uint32_t first)
{
	pthread_t threads[THREADS];

	connect_again();
	/* Oneways would not wait for a busy server. */
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get_seen();
	if (ipc_raw_object_new(ipc, &log_ops, NULL, &sent_object) < 0)
		_exit(1);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, send_mixed, (void *)(first + i)))
			_exit(1);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ipc_object_unref(sent_object);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	_exit(0);
}

static void check_all_together(unsigned int threads, const char *channels)
{
	pid_t clients[CLIENTS];
	struct seen result;
	int status;

	begin_ops(threads, channels, &log_ops);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		if (!clients[i])
			run_client(i * THREADS);
	}
	for (uint32_t i = 0; i < CLIENTS; i++) {
		waitpid(clients[i], &status, 0);
		ck_assert_int_eq(status, 0);
	}
	result = wait_for_total(CLIENTS * THREADS * MESSAGES);
	for (uint32_t i = 0; i < CLIENTS * THREADS; i++)
		ck_assert_uint_eq(result.next[i], MESSAGES);
	if (channels[0] == '1')
		ck_assert_uint_gt(result.by_channel, MESSAGES);
	else
		ck_assert_uint_eq(result.by_channel, 0);
	end();
}

START_TEST(order_holds_for_a_thread) { check_all_together(1, "1"); } END_TEST
START_TEST(order_holds_for_several_threads) { check_all_together(4, "1"); } END_TEST
START_TEST(order_holds_without_channels) { check_all_together(4, "0"); } END_TEST

int main(void)
{
	return RUN_TESTS("channel-oneways", oneways_open_a_channel, large_oneways_keep_their_place,
			 messages_of_all_sizes_arrive_in_order,
			 kept_oneway_delays_the_next, full_ring_uses_the_bus,
			 oneways_of_a_client_that_closed_are_served,
			 oneways_of_a_dead_client_are_served_in_order, dead_server_is_noticed,
			 oneways_fail_after_a_reported_death,
			 ended_object_is_noticed, stop_ends_channels_and_oneways_go_on,
			 long_handler_delays_only_oneways, order_holds_for_a_thread,
			 order_holds_for_several_threads, order_holds_without_channels);
}
