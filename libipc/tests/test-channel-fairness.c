// SPDX-License-Identifier: MIT
/*
 * Fairness between clients with channels and clients of the bus. The server's threads block until
 * all messages wait. Then the order in which they serve them must mix the clients, however fast
 * each of them is.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/test.h>

#include "channel-run.h"
#include "channels/channel-opened.h"
#include "channels/channel-round.h"
#include "channels/channel-server.h"
#include "core/call.h"
#include "core/object.h"

enum { PASS = 1, BLOCK, NOTE };

#define CLIENTS	 80U
#define MESSAGES 20U
#define FLOOD	 300U
#define THREADS	 4U
#define PARKED	 50U
/* In place of a client: a oneway of a channel, see parked_oneways_take_turns_with_channel. */
#define PARKER	 (CLIENTS + 1)

static struct shared {
	unsigned int threads;		/* of the server */
	atomic_uint blocked, go;
	atomic_uint taken, n, by_bus;	/* messages, those in the order, and those of the bus */
	uint8_t order[2048];		/* their clients */
	atomic_uint direct;		/* processes with a channel */
	sem_t ready, may_call[CLIENTS];	/* of processes */
} *shared;

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	unsigned int n, client;

	(void)userdata;
	if (request->method == BLOCK) {
		atomic_fetch_add(&shared->blocked, 1);
		while (!atomic_load(&shared->go))
			usleep(1000);
	}
	if (request->method == NOTE) {
		client = *(const uint8_t *)request->data;
		n = atomic_fetch_add(&shared->taken, 1);
		shared->order[n] = client;
		atomic_fetch_add(&shared->by_bus, !is_route_call(call->number));
		while (client == PARKER && atomic_load(&shared->by_bus) < PARKED &&
		       !(atomic_load(&call->object->turn.state) & TURN_PARKED))
			usleep(100);
		atomic_fetch_add(&shared->n, 1);
		/* Longer than a turn of oneways beside other messages. Other threads serve. */
		if (ipc_call_is_oneway(call) || shared->threads > 1)
			usleep(100);
		if (ipc_call_is_oneway(call))
			return 0;
	}
	return reply_number(call, is_route_call(call->number));
}

static const struct ipc_raw_ops ops = { .serve = serve };

static void begin_blocked(unsigned int threads)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	shared->threads = threads;
	begin_ops(threads, "1", &ops);
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get(PASS);
	/* A thread may set the channel up beside the thread that serves the calls. */
	while (!get(PASS))
		;
}

static void end_blocked(void)
{
	end();
	munmap(shared, sizeof(*shared));
}

static struct ipc *ipcs[CLIENTS];
static struct ipc_proxy *proxies[CLIENTS];

/* Opens a connection. channels: the value of IPC_CHANNELS, "1" if it must have one. */
static void open_client(unsigned int i, const char *channels)
{
	struct ipc *first = ipc;
	struct ipc_proxy *first_proxy = proxy;

	setenv("IPC_CHANNELS", channels, 1);
	ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	for (unsigned int call = 0; call < CHANNEL_AFTER; call++)
		get(PASS);
	while (get(PASS) != (channels[0] == '1'))
		;
	ipcs[i] = ipc;
	proxies[i] = proxy;
	ipc = first;
	proxy = first_proxy;
}

static void close_clients(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		ipc_proxy_unref(proxies[i]);
		ipc_unref(ipcs[i]);
	}
}

static void *block(void *data)
{
	(void)data;
	get(BLOCK);
	return NULL;
}

static void on_end(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	(void)code, (void)reply, (void)error, (void)userdata;
}

static void start_call(struct ipc_proxy *by, unsigned int i)
{
	const uint8_t client = (uint8_t)i;

	ck_assert_int_eq(ipc_raw_call_async(by,
					    &(struct ipc_raw_message){
						    .method = NOTE, .data = &client, .size = 1,
					    },
					    NULL, on_end, NULL, NULL), 0);
}

static void start_calls(struct ipc_proxy *by, unsigned int i)
{
	for (unsigned int call = 0; call < MESSAGES; call++)
		start_call(by, i);
}

static void send_oneway(struct ipc_proxy *by, size_t size, uint8_t client)
{
	const uint8_t data[CHANNEL_DATA_MAX + 1] = { client };

	ck_assert_int_eq(ipc_raw_oneway(by,
					&(struct ipc_raw_message){
						.method = NOTE, .data = data, .size = size,
					},
					NULL), 0);
}

static pthread_t blockers[THREADS];

/* Waits until the server has handled so many messages. */
static void wait_for(unsigned int n)
{
	for (unsigned int i = 0; i < 20000 && atomic_load(&shared->n) < n; i++)
		usleep(1000);
	ck_assert_uint_eq(atomic_load(&shared->n), n);
}

/* Sends oneways until the sender has a channel, and forgets them. */
static void send_first(struct ipc_proxy *by)
{
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		send_oneway(by, 8, CLIENTS);
	wait_for(CHANNEL_AFTER);
	atomic_store(&shared->n, 0);
	atomic_store(&shared->taken, 0);
	atomic_store(&shared->by_bus, 0);
}

/* Lets the server begin, and waits until it has handled so many messages. */
static void go(unsigned int n)
{
	atomic_store(&shared->go, 1);
	for (unsigned int i = 0; i < shared->threads; i++)
		ck_assert_int_eq(pthread_join(blockers[i], NULL), 0);
	wait_for(n);
}

static void start_block(void)
{
	for (unsigned int i = 0; i < shared->threads; i++)
		ck_assert_int_eq(pthread_create(&blockers[i], NULL, block, NULL), 0);
	while (atomic_load(&shared->blocked) < shared->threads)
		usleep(1000);
}

/* All clients have served calls in each prefix of the order: at most some more than others. */
static void check_order(unsigned int clients, unsigned int most)
{
	unsigned int served[CLIENTS + 1] = { 0 };

	for (unsigned int i = 0; i < clients * MESSAGES; i++) {
		served[shared->order[i]]++;
		for (unsigned int client = 0; client < clients; client++)
			ck_assert_uint_le(served[shared->order[i]],
					  served[client] + most);
	}
}

static void mix(unsigned int threads, unsigned int with_channel, unsigned int without)
{
	unsigned int clients = with_channel + without;

	begin_blocked(threads);
	for (unsigned int i = 0; i < clients; i++)
		open_client(i, i < with_channel ? "1" : "0");
	start_block();
	/* The calls of each client of the bus together: the bus delivers them in this order. */
	for (unsigned int i = 0; i < clients; i++)
		start_calls(proxies[i], i);
	go(clients * MESSAGES);
	if (without == 1)
		/* Each further thread may have taken a message early, and another one late. */
		check_order(clients, 1 + 2 * threads);
	else
		for (unsigned int i = 0, ends = 0; i < clients * MESSAGES; i++)
			/* Channels do not wait for the bus: each has its turn after at most two
			 * events. */
			if (shared->order[i] < with_channel &&
			    ++ends == with_channel * MESSAGES)
				ck_assert_uint_le(i, ends + 2 * MESSAGES + 2);
	close_clients(clients);
	end_blocked();
}

START_TEST(channel_and_bus_take_turns) { mix(1, 1, 1); } END_TEST
START_TEST(several_channels_and_bus_take_turns) { mix(1, 5, 1); } END_TEST
START_TEST(threads_of_the_server_share_rounds) { mix(THREADS, 5, 1); } END_TEST
START_TEST(bus_with_more_clients_does_not_delay_channels) { mix(1, 2, 4); } END_TEST

static _Noreturn void run_client(unsigned int i)
{
	connect_again();
	for (unsigned int call = 0; call < CHANNEL_AFTER; call++)
		get(PASS);
	atomic_fetch_add(&shared->direct, get(PASS));
	for (unsigned int call = 0; call < MESSAGES; call++) {
		sem_post(&shared->ready);
		sem_wait(&shared->may_call[i]);
		start_call(proxy, i);
	}
	sem_post(&shared->ready);
	while (atomic_load(&shared->n) < CLIENTS * MESSAGES)
		usleep(10000);
	_exit(0);
}

/* A process with a thread for each client: 47 of them get channels, and the user has a 48th. */
START_TEST(more_clients_than_channels_take_turns)
{
	pid_t pids[CLIENTS];
	int status;

	begin_blocked(1);
	ck_assert_int_eq(sem_init(&shared->ready, /* pshared= */ 1, 0), 0);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		ck_assert_int_eq(sem_init(&shared->may_call[i], 1, 0), 0);
		pids[i] = fork();
		if (!pids[i])
			run_client(i);
		sem_wait(&shared->ready);
	}
	ck_assert_uint_eq(atomic_load(&shared->direct), 47);
	start_block();
	for (unsigned int n = 0; n < CLIENTS * MESSAGES; n++) {
		sem_post(&shared->may_call[n % CLIENTS]);
		sem_wait(&shared->ready);
	}
	go(CLIENTS * MESSAGES);
	check_order(CLIENTS, 3);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	end_blocked();
}
END_TEST

/* A client that fills its ring, and then must use the bus or ends, delays the calls of another
 * client by a few oneways for each call. */
static void flood(bool large, bool ends, const char *channels)
{
	unsigned int oneways = 0, calls = 0;
	struct ipc_proxy *sender, *caller;

	begin_blocked(1);
	open_client(0, channels);
	/* Then the caller has the only channel. */
	sender = ends ? proxies[0] : proxy;
	caller = ends ? proxy : proxies[0];
	send_first(sender);
	start_block();
	for (unsigned int i = 0; i < FLOOD; i++)
		send_oneway(sender, 8, CLIENTS);
	if (large)
		send_oneway(sender, CHANNEL_DATA_MAX + 1, CLIENTS);
	start_calls(caller, 0);
	if (ends)
		close_clients(1);
	go(FLOOD + large + MESSAGES);
	while (calls < MESSAGES)
		if (shared->order[oneways + calls] == 0)
			calls++;
		else
			oneways++;
	/* Some before the other client's calls are seen, then a turn of one for each call. */
	ck_assert_uint_le(oneways, 2 * 16 + 2 * MESSAGES);
	if (!ends)
		close_clients(1);
	end_blocked();
}

START_TEST(oneways_in_the_ring_do_not_delay_calls) { flood(false, false, "1"); } END_TEST
START_TEST(oneways_before_the_bus_do_not_delay_calls) { flood(true, false, "1"); } END_TEST
START_TEST(oneways_before_the_bus_do_not_delay_calls_of_the_bus) { flood(true, false, "0"); } END_TEST
START_TEST(oneways_before_the_end_do_not_delay_calls) { flood(false, true, "1"); } END_TEST

/* Sends the oneways of a channel, each of which lasts until a oneway of the bus waits for the turn
 * of the object. Then that must be next. */
START_TEST(parked_oneways_take_turns_with_channel)
{
	unsigned int by_bus = 0;

	begin_blocked(THREADS);
	open_client(0, "0");
	send_first(proxy);
	start_block();
	for (unsigned int i = 0; i < PARKED; i++) {
		send_oneway(proxy, 8, PARKER);
		send_oneway(proxies[0], 8, CLIENTS);
	}
	go(2 * PARKED);
	for (unsigned int i = 0; by_bus < PARKED; i++) {
		by_bus += shared->order[i] == CLIENTS;
		ck_assert_uint_le(i + 1 - by_bus, by_bus + 1);
	}
	close_clients(1);
	end_blocked();
}
END_TEST

/* --- Rounds ------------------------------------------------------------------------------ */

START_TEST(round_ends_at_the_second_event_of_a_sender)
{
	static struct round round;

	round_end(&round);
	for (unsigned int n = 0; n < 3; n++) {
		/* Senders whose places in the table collide, too. */
		for (uint64_t sender = 1; sender <= 200; sender++)
			ck_assert(round_note(&round, sender << 32 | sender) == (n && sender == 1));
		ck_assert_uint_eq(round.n, 200);
	}
	/* The event that ended a round is the first of the next one. */
	ck_assert(round_note(&round, 1ULL << 32 | 1));
	ck_assert_uint_eq(round.n, 1);
	ck_assert(round_note(&round, 1ULL << 32 | 1));
	round_end(&round);
	ck_assert(!round_note(&round, 1ULL << 32 | 1));
}
END_TEST

START_TEST(invisible_senders_have_the_share_of_the_channels)
{
	const struct ipcbus_event event = { .uid = 7 }, seen = { .pid = 7, .tid = 7, .uid = 7 };
	static struct round round;

	round_end(&round);
	for (unsigned int n = 0; n < 9; n++)
		ck_assert_uint_eq(round_note(&round, round_sender(&round, &event, 2)),
				  n && n % 3 == 0);
	round_end(&round);
	ck_assert(!round_note(&round, round_sender(&round, &seen, 2)));
	ck_assert(round_note(&round, round_sender(&round, &seen, 2)));
}
END_TEST

START_TEST(round_with_many_senders_ends)
{
	static struct round round;
	unsigned int ends = 0;

	round_end(&round);
	for (uint64_t sender = 1; sender <= 4 * ROUND_SENDERS; sender++)
		ends += round_note(&round, sender);
	ck_assert_uint_eq(ends, 3);
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-fairness", channel_and_bus_take_turns,
			 several_channels_and_bus_take_turns,
			 threads_of_the_server_share_rounds,
			 bus_with_more_clients_does_not_delay_channels,
			 more_clients_than_channels_take_turns,
			 oneways_in_the_ring_do_not_delay_calls,
			 oneways_before_the_bus_do_not_delay_calls,
			 oneways_before_the_bus_do_not_delay_calls_of_the_bus,
			 oneways_before_the_end_do_not_delay_calls,
			 parked_oneways_take_turns_with_channel,
			 round_ends_at_the_second_event_of_a_sender,
			 invisible_senders_have_the_share_of_the_channels,
			 round_with_many_senders_ends);
}
