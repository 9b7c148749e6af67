// SPDX-License-Identifier: MIT
/*
 * Fairness between clients with channels and clients of the bus. The server's only thread blocks
 * until all messages wait. Then the order in which it serves them must mix the clients, however
 * fast each of them is.
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

enum { PASS = 1, BLOCK, NOTE };

#define CLIENTS	 80U
#define MESSAGES 10U
#define FLOOD	 300U

static struct shared {
	atomic_uint blocked, go;
	atomic_uint n;			/* handled messages */
	uint8_t order[1024];		/* their clients */
	atomic_uint direct;		/* processes with a channel */
	sem_t ready, may_call[CLIENTS];	/* of processes */
} *shared;

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	unsigned int n;

	(void)userdata;
	if (request->method == BLOCK) {
		atomic_store(&shared->blocked, 1);
		while (!atomic_load(&shared->go))
			usleep(1000);
	}
	if (request->method == NOTE) {
		n = atomic_fetch_add(&shared->n, 1);
		if (ipc_call_is_oneway(call)) {
			shared->order[n] = CLIENTS;
			/* Longer than a turn of oneways beside other messages. */
			usleep(100);
			return 0;
		}
		shared->order[n] = *(const uint8_t *)request->data;
	}
	return reply_number(call, is_channel_call(call->number));
}

static const struct ipc_raw_ops ops = { .serve = serve };

static void begin_blocked(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	begin_ops(1, "1", &ops);
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get(PASS);
	ck_assert_uint_eq(get(PASS), 1);
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
	ck_assert_uint_eq(get(PASS), channels[0] == '1');
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

static void start_calls(unsigned int i)
{
	for (unsigned int call = 0; call < MESSAGES; call++)
		start_call(proxies[i], i);
}

static void send_oneway(size_t size)
{
	static const uint8_t data[CHANNEL_DATA_MAX + 1];

	ck_assert_int_eq(ipc_raw_oneway(proxy,
					&(struct ipc_raw_message){
						.method = NOTE, .data = data, .size = size,
					},
					NULL), 0);
}

/* Lets the server begin, and waits until it has handled so many messages. */
static void go(pthread_t thread, unsigned int n)
{
	atomic_store(&shared->go, 1);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	for (unsigned int i = 0; i < 20000 && atomic_load(&shared->n) < n; i++)
		usleep(1000);
	ck_assert_uint_eq(atomic_load(&shared->n), n);
}

static pthread_t start_block(void)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, block, NULL), 0);
	while (!atomic_load(&shared->blocked))
		usleep(1000);
	return thread;
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

static void mix(unsigned int with_channel, unsigned int without)
{
	unsigned int clients = with_channel + without;
	pthread_t thread;

	begin_blocked();
	for (unsigned int i = 0; i < clients; i++)
		open_client(i, i < with_channel ? "1" : "0");
	thread = start_block();
	/* The calls of each client of the bus together: the bus delivers them in this order. */
	for (unsigned int i = 0; i < clients; i++)
		start_calls(i);
	go(thread, clients * MESSAGES);
	if (without == 1)
		check_order(clients, 3);
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

START_TEST(channel_and_bus_take_turns) { mix(1, 1); } END_TEST
START_TEST(several_channels_and_bus_take_turns) { mix(5, 1); } END_TEST
START_TEST(bus_with_more_clients_does_not_delay_channels) { mix(2, 4); } END_TEST

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
	pthread_t thread;
	int status;

	begin_blocked();
	ck_assert_int_eq(sem_init(&shared->ready, /* pshared= */ 1, 0), 0);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		ck_assert_int_eq(sem_init(&shared->may_call[i], 1, 0), 0);
		pids[i] = fork();
		if (!pids[i])
			run_client(i);
		sem_wait(&shared->ready);
	}
	ck_assert_uint_eq(atomic_load(&shared->direct), 47);
	thread = start_block();
	for (unsigned int n = 0; n < CLIENTS * MESSAGES; n++) {
		sem_post(&shared->may_call[n % CLIENTS]);
		sem_wait(&shared->ready);
	}
	go(thread, CLIENTS * MESSAGES);
	check_order(CLIENTS, 3);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	end_blocked();
}
END_TEST

/* A client that fills its ring, and then must use the bus, delays the calls of another client by a
 * few oneways for each call. */
static void flood(bool large, const char *channels)
{
	unsigned int oneways = 0, calls = 0;
	pthread_t thread;

	begin_blocked();
	open_client(0, channels);
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		send_oneway(8);
	while (atomic_load(&shared->n) < CHANNEL_AFTER)
		usleep(1000);
	atomic_store(&shared->n, 0);
	thread = start_block();
	for (unsigned int i = 0; i < FLOOD; i++)
		send_oneway(8);
	if (large)
		send_oneway(CHANNEL_DATA_MAX + 1);
	start_calls(0);
	go(thread, FLOOD + large + MESSAGES);
	while (calls < MESSAGES)
		if (shared->order[oneways + calls] == 0)
			calls++;
		else
			oneways++;
	/* Some before the other client's calls are seen, then a turn of one for each call. */
	ck_assert_uint_le(oneways, 2 * 16 + 4 * MESSAGES);
	close_clients(1);
	end_blocked();
}

START_TEST(oneways_in_the_ring_do_not_delay_calls) { flood(false, "1"); } END_TEST
START_TEST(oneways_before_the_bus_do_not_delay_calls) { flood(true, "1"); } END_TEST
START_TEST(oneways_before_the_bus_do_not_delay_calls_of_the_bus) { flood(true, "0"); } END_TEST

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
			 bus_with_more_clients_does_not_delay_channels,
			 more_clients_than_channels_take_turns,
			 oneways_in_the_ring_do_not_delay_calls,
			 oneways_before_the_bus_do_not_delay_calls,
			 oneways_before_the_bus_do_not_delay_calls_of_the_bus,
			 round_ends_at_the_second_event_of_a_sender,
			 invisible_senders_have_the_share_of_the_channels,
			 round_with_many_senders_ends);
}
