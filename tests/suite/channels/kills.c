// SPDX-License-Identifier: MIT
/*
 * Clients and servers that are killed at random moments of calls through direct channels.
 *
 *   kills [--daemon PATH] [--kills N] [--seed N]
 *
 * Two clients with three threads each call one server with two threads, on a bus of ipcbusd. In
 * each round the test kills a process, or two, and starts them again.
 *
 * Requirements:
 *   - If the server dies, no thread of a client waits for longer than 100 ms after the bus has
 *     reported the death. The delays of a sleeping thread on a busy machine count as well.
 *   - If a client dies, the calls of the other client must succeed.
 *   - No call may run twice, and a call that succeeds must have run.
 *   - The oneways of a thread, through the channel or the bus, must arrive in order and never
 *     concurrently. A server that received a oneway must receive all later oneways until its end.
 *   - After each round, the descriptors and mappings of the daemon and the server, and the counts
 *     of the driver, must be the same as before. The daemon must print no messages: so a daemon
 *     with the address sanitizer has no leaks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/admin.h>
#include <ipc/raw.h>

#include "../daemon/bus.h"
#include "core/call.h"
#include "channels/channel-server.h"
#include "core/proxy.h"

#define CLIENTS	       2U
#define CLIENT_THREADS 3U
#define SERVER_THREADS 2U
#define CALLS	       (1U << 22) /* numbers before they are used again */
#define LARGE	       20000U	  /* does not fit into a channel */
#define LIFE_USEC      20000	  /* of a process, at most, once it has a channel */
#define BEAT_USEC      2000U
#define HANG_NS	       100000000ULL
/* For operations without a limit of their own, on a busy machine. */
#define PATIENCE_NS    30000000000ULL

/* Methods. The request is the number of the call. */
enum { ECHO = 1, SLEEP, REPLY_LARGE };

/* A oneway. Each thread of each client has a stream of its own. */
enum { LOG = 10 };
#define STREAMS (1U << 20)
struct entry {
	uint32_t stream;
	uint32_t number; /* from 1 */
};

static const char *daemon_path;
static unsigned long kills = 200, killed, seed = 1;
static unsigned long servers_without; /* channels */
static pid_t server_pid, client_pids[CLIENTS];

/* Shared by all processes. */
static struct report {
	atomic_bool failed;
	char text[500];
	atomic_uint next; /* number of a call */
	atomic_uint streams;
	atomic_ulong oneways, oneways_by_channel;
	atomic_uchar runs[CALLS];
	atomic_ulong calls, by_channel;
	atomic_ulong successes[CLIENTS], deaths, worst_ns;
	atomic_uint channel_calls[CLIENTS]; /* successes of this process after it has a channel */
} * report;

/* Values that must be equal after each round. */
struct counts {
	char stats[600];
	unsigned int daemon_fds, daemon_maps, server_fds, server_maps;
};

/* --- Findings ---------------------------------------------------------------------------- */

static void print_progress(void)
{
	fprintf(stderr, "# after %lu kills of seed %lu\n", killed, seed);
}

static void end_processes(void)
{
	const pid_t pids[] = { client_pids[0], client_pids[1], server_pid };

	for (unsigned int i = 0; i < 3; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
}

static const struct bus_program program = { print_progress, end_processes };

/* In a client or the server. */
static __attribute__((format(printf, 1, 2))) _Noreturn void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!atomic_load(&report->failed)) {
		vsnprintf(report->text, sizeof(report->text), format, args);
		atomic_store(&report->failed, true);
	}
	va_end(args);
	_exit(1);
}

/* --- The server -------------------------------------------------------------------------- */

static int serve_oneway(const struct ipc_call *call, const struct ipc_raw_message *request)
{
	static uint32_t last[STREAMS];
	static atomic_uint running;
	struct entry entry;
	uint32_t *seen;

	if (atomic_fetch_add(&running, 1))
		fail("two oneways at a time");
	memcpy(&entry, request->data, sizeof(entry));
	seen = &last[entry.stream % STREAMS];
	/* An earlier server may have got the first oneways. */
	if (*seen && entry.number != *seen + 1)
		fail("oneway %u follows oneway %u", entry.number, *seen);
	*seen = entry.number;
	atomic_fetch_add(&report->oneways, 1);
	if (is_route_call(call->number))
		atomic_fetch_add(&report->oneways_by_channel, 1);
	atomic_fetch_sub(&running, 1);
	return 0;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	static const uint8_t large[LARGE];
	uint32_t number;

	(void)userdata;
	if (request->method == LOG)
		return serve_oneway(call, request);
	if (request->size != sizeof(number))
		return -EINVAL;
	memcpy(&number, request->data, sizeof(number));
	if (atomic_fetch_add(&report->runs[number % CALLS], 1))
		fail("call %u runs twice", number);
	atomic_fetch_add(&report->calls, 1);
	if (is_route_call(call->number))
		atomic_fetch_add(&report->by_channel, 1);
	if (request->method == SLEEP)
		usleep(8000);
	if (request->method == REPLY_LARGE)
		return ipc_raw_reply(
			call, &(struct ipc_raw_message){ .data = large, .size = sizeof(large) });
	return ipc_raw_reply(call,
			     &(struct ipc_raw_message){ .data = &number, .size = sizeof(number) });
}

static const struct ipc_raw_ops ops = { .serve = serve };

static _Noreturn void run_server(void)
{
	struct ipc_object *object;
	struct ipc *ipc;
	int r;

	r = ipc_open(&ipc, bus_path);
	if (r == 0)
		r = ipc_raw_object_new(ipc, &ops, NULL, &object);
	if (r == 0)
		r = ipc_set_threads(ipc, SERVER_THREADS);
	/* The previous manager may still be on the bus. */
	for (int i = 0; r == 0 && (r = ipc_set_manager(ipc, object)) == -EBUSY && i < 10000; i++)
		usleep(1000), r = 0;
	if (r == 0)
		r = ipc_run(ipc);
	fail("the server ends: %s", strerror(-r));
}

/* --- A client ----------------------------------------------------------------------------- */

static unsigned int client_number;
static struct ipc *client_ipc;
static struct ipc_proxy *proxy;
static _Atomic uint64_t death_notice;

static void on_death(struct ipc_proxy *dead, void *userdata)
{
	(void)dead, (void)userdata;
	atomic_store(&death_notice, bus_now());
}

static void *run_connection(void *unused)
{
	(void)unused;
	ipc_run(client_ipc);
	return NULL;
}

/* A thread that only sleeps: its delays measure how busy the machine is. */
static _Atomic uint64_t last_beat, longest_beat;

static void *beat(void *unused)
{
	(void)unused;
	for (;;) {
		uint64_t begin = bus_now(), took;

		atomic_store(&last_beat, begin);
		usleep(BEAT_USEC);
		took = bus_now() - begin;
		if (took > atomic_load(&longest_beat))
			atomic_store(&longest_beat, took);
	}
	return NULL;
}

static uint64_t delay_of_machine(void)
{
	uint64_t running = bus_now() - atomic_load(&last_beat);
	uint64_t longest = atomic_load(&longest_beat);

	return running > longest ? running : longest;
}

/* The server is dead: checks how long the thread waited after the death was known. */
static void check_delay(uint64_t begin, int error)
{
	uint64_t notice = atomic_load(&death_notice), end = bus_now(), worst, delay;

	/* The bus has no manager until the next server. */
	if (error != -EOWNERDEAD && error != -ENOTCONN)
		fail("a call fails with %s", strerror(-error));
	atomic_fetch_add(&report->deaths, 1);
	if (!notice)
		return;
	delay = end - (notice > begin ? notice : begin);
	worst = atomic_load(&report->worst_ns);
	while (delay > worst && !atomic_compare_exchange_weak(&report->worst_ns, &worst, delay))
		;
	/* Several threads have to run in the meantime. */
	if (delay > HANG_NS + 4 * delay_of_machine())
		fail("a call ends %llu ms after the death of the server is known",
		     (unsigned long long)delay / 1000000);
}

static void check_reply(uint32_t code, uint32_t number, const struct ipc_raw_message *reply)
{
	if (reply->size != (code == REPLY_LARGE ? LARGE : sizeof(number)))
		fail("a reply has %zu bytes", reply->size);
	if (code != REPLY_LARGE && memcmp(reply->data, &number, sizeof(number)) != 0)
		fail("call %u got the reply of another call", number);
	if (atomic_load(&report->runs[number % CALLS]) != 1)
		fail("call %u succeeded, but did not run", number);
}

/* Returns false when the server is dead. */
static bool make_call(unsigned int *dice)
{
	unsigned int kind = (unsigned int)rand_r(dice) % 64;
	uint32_t number = atomic_fetch_add(&report->next, 1);
	const struct ipc_options options = {
		.timeout_usec = kind % 8 == 0 ? (unsigned int)rand_r(dice) % 10000 : 0,
	};
	const struct ipc_raw_message request = {
		.method = kind < 2 ? SLEEP :
			kind < 6 ? REPLY_LARGE :
				   ECHO,
		.data = &number,
		.size = sizeof(number),
	};
	struct ipc_raw_message *reply;
	uint64_t begin = bus_now();
	int r;

	atomic_store(&report->runs[number % CALLS], 0);
	r = ipc_raw_call(proxy, &request, &options, &reply, NULL);
	if (r == -ETIMEDOUT && options.timeout_usec)
		return true;
	if (r < 0) {
		check_delay(begin, r);
		return false;
	}
	check_reply(request.method, number, reply);
	ipc_raw_free(reply);
	atomic_fetch_add(&report->successes[client_number], 1);
	if (atomic_load(&proxy->channel))
		atomic_fetch_add(&report->channel_calls[client_number], 1);
	return true;
}

/* Returns false when the server is dead. */
static bool send_oneways(unsigned int *dice, struct entry *entry)
{
	uint8_t data[LARGE] = { 0 };

	for (unsigned int n = (unsigned int)rand_r(dice) % 20; n; n--) {
		const struct ipc_raw_message message = {
			.method = LOG,
			.data = data,
			.size = rand_r(dice) % 256 ? sizeof(*entry) : LARGE,
		};
		int r;

		memcpy(data, entry, sizeof(*entry));
		r = ipc_raw_oneway(proxy, &message, NULL);
		if (r == 0)
			entry->number++;
		else if (r != -EAGAIN)
			return false;
	}
	return true;
}

static void *make_calls(void *number)
{
	unsigned int dice = (unsigned int)((uintptr_t)number * 7919 + (unsigned int)getpid());
	struct entry entry = { .stream = atomic_fetch_add(&report->streams, 1), .number = 1 };

	while (make_call(&dice) && send_oneways(&dice, &entry))
		;
	return NULL;
}

static _Noreturn void run_client(unsigned int number)
{
	pthread_t threads[CLIENT_THREADS], connection, heart;
	int r;

	client_number = number;
	if (ipc_wait_manager(bus_path, 30000000) != 1)
		fail("no server");
	r = ipc_open(&client_ipc, bus_path);
	if (r == 0)
		r = ipc_get_manager(client_ipc, &proxy);
	if (r == 0)
		r = ipc_proxy_on_death(proxy, on_death, NULL, NULL);
	/* A server that was killed in the meantime. */
	if (r == -EOWNERDEAD)
		_exit(0);
	if (r < 0)
		fail("the client does not begin: %s", strerror(-r));
	atomic_store(&last_beat, bus_now());
	pthread_create(&heart, NULL, beat, NULL);
	pthread_create(&connection, NULL, run_connection, NULL);
	for (uintptr_t i = 0; i < CLIENT_THREADS; i++)
		pthread_create(&threads[i], NULL, make_calls, (void *)i);
	for (unsigned int i = 0; i < CLIENT_THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

/* --- Processes ---------------------------------------------------------------------------- */

static void check_alive(void)
{
	if (atomic_load(&report->failed))
		bus_found("%s", report->text);
	bus_check_alive();
}

static pid_t start(bool is_server, unsigned int number)
{
	pid_t pid = fork();

	if (pid < 0)
		bus_found("no process");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (is_server)
		run_server();
	run_client(number);
}

static void start_client(unsigned int i)
{
	atomic_store(&report->channel_calls[i], 0);
	client_pids[i] = start(false, i);
}

/* A client that has noticed the death of its server. */
static void wait_for_end(unsigned int i)
{
	uint64_t begin = bus_now();
	int status;

	while (waitpid(client_pids[i], &status, WNOHANG) != client_pids[i]) {
		check_alive();
		if (bus_now() - begin > PATIENCE_NS)
			bus_found("client %u hangs after the death of the server", i);
		usleep(500);
	}
	check_alive();
	if (WIFEXITED(status) && WEXITSTATUS(status))
		bus_found("client %u ended with status %#x", i, status);
}

/* All clients make calls, and through channels. On a busy machine a client may join too late, and
 * then its user gets no more channels to this server. Returns whether all clients have channels. */
static bool wait_for_channels(void)
{
	uint64_t begin = bus_now();

	for (unsigned int i = 0; i < CLIENTS; i++)
		while (atomic_load(&report->channel_calls[i]) < 10) {
			check_alive();
			if (bus_now() - begin > PATIENCE_NS) {
				if (++servers_without > 1 + kills / 500)
					bus_found("client %u makes no calls through a channel", i);
				return false;
			}
			usleep(500);
		}
	return true;
}

/* --- Checks after a round -------------------------------------------------------------------- */

static void count(struct counts *counts)
{
	*counts = (struct counts){ .daemon_fds = bus_count_fds(bus_daemon),
				   .daemon_maps = bus_count_maps(bus_daemon, "memfd:ipc") };
	bus_read_numbers(" procs nodes handles watches transactions files ", counts->stats,
			 sizeof(counts->stats));
	if (server_pid) {
		counts->server_fds = bus_count_fds(server_pid);
		counts->server_maps = bus_count_maps(server_pid, "memfd:ipc");
	}
}

static bool is_more(const struct counts *counts, const struct counts *before)
{
	return strcmp(counts->stats, before->stats) != 0 ||
	       counts->daemon_fds > before->daemon_fds ||
	       counts->daemon_maps > before->daemon_maps ||
	       counts->server_fds > before->server_fds || counts->server_maps > before->server_maps;
}

/* All clients have ended. The first time, remembers the counts once they stay the same. */
static void check_counts(struct counts *before)
{
	uint64_t begin = bus_now();
	struct counts counts;

	if (!before->daemon_fds) {
		usleep(500000);
		count(before);
		return;
	}
	for (;;) {
		count(&counts);
		if (!is_more(&counts, before))
			return;
		check_alive();
		if (bus_now() - begin > PATIENCE_NS)
			bus_found("left behind: %s, fds %u and %u, maps %u and %u; "
			      "before: %s, fds %u and %u, maps %u and %u",
			      counts.stats, counts.daemon_fds, counts.server_fds,
			      counts.daemon_maps, counts.server_maps, before->stats,
			      before->daemon_fds, before->server_fds, before->daemon_maps,
			      before->server_maps);
		usleep(1000);
	}
}

/* --- Rounds ------------------------------------------------------------------------------- */

static void kill_process(pid_t pid)
{
	kill(pid, SIGKILL);
	killed++;
}

static void kill_server(bool with_client)
{
	static struct counts before;

	kill_process(server_pid);
	if (with_client)
		kill_process(client_pids[0]);
	waitpid(server_pid, NULL, 0);
	server_pid = 0;
	for (unsigned int i = 0; i < CLIENTS; i++)
		wait_for_end(i);
	check_counts(&before);
	server_pid = start(true, 0);
	for (unsigned int i = 0; i < CLIENTS; i++)
		start_client(i);
}

static void kill_client(unsigned int i)
{
	unsigned int other = !i;
	unsigned long successes;
	uint64_t begin = bus_now();

	kill_process(client_pids[i]);
	waitpid(client_pids[i], NULL, 0);
	successes = atomic_load(&report->successes[other]);
	while (atomic_load(&report->successes[other]) < successes + 10) {
		check_alive();
		if (bus_now() - begin > PATIENCE_NS)
			bus_found("client %u gets no replies after the death of another client", other);
		usleep(100);
	}
	start_client(i);
}

static void kill_clients(void)
{
	static struct counts before;

	for (unsigned int i = 0; i < CLIENTS; i++) {
		kill_process(client_pids[i]);
		usleep((useconds_t)random() % 1000);
	}
	for (unsigned int i = 0; i < CLIENTS; i++)
		waitpid(client_pids[i], NULL, 0);
	check_counts(&before);
	for (unsigned int i = 0; i < CLIENTS; i++)
		start_client(i);
}

static void play_round(void)
{
	if (!wait_for_channels()) {
		kill_server(false);
		return;
	}
	usleep((useconds_t)random() % LIFE_USEC);
	switch (random() % 8) {
	case 0:
	case 1:
		kill_server(false);
		break;
	case 2:
		kill_server(true);
		break;
	case 3:
		kill_clients();
		break;
	default:
		kill_client((unsigned int)random() % CLIENTS);
	}
}

static void end_all(void)
{
	end_processes();
	for (unsigned int i = 0; i < CLIENTS; i++)
		waitpid(client_pids[i], NULL, 0);
	waitpid(server_pid, NULL, 0);
	bus_end();
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		unsigned long *value = !strcmp(argv[i], "--kills") ? &kills :
				       !strcmp(argv[i], "--seed")  ? &seed :
								     NULL;

		if (i + 1 < argc && !strcmp(argv[i], "--daemon")) {
			daemon_path = argv[i + 1];
		} else if (i + 1 < argc && value) {
			*value = strtoul(argv[i + 1], NULL, 0);
		} else {
			fputs("usage: kills [--daemon PATH] [--kills N] [--seed N]\n", stderr);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/tests/suite/daemon/asan/ipcbusd", getenv("B") ?: "build");
	daemon_path = path;
	parse(argc, argv);
	srandom((unsigned int)seed);
	setenv("IPC_CHANNELS", "1", 1);
	setenv("ASAN_OPTIONS", "detect_leaks=1", 0);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (report == MAP_FAILED)
		return 2;
	bus_start(&program, daemon_path, /* option= */ NULL);
	server_pid = start(true, 0);
	for (unsigned int i = 0; i < CLIENTS; i++)
		start_client(i);
	while (killed < kills)
		play_round();
	end_all();
	printf("kills: %lu of seed %lu: %lu calls, %lu through channels; %lu oneways, %lu through "
	       "channels; %lu calls ended with the server, at most %lu us after the notice\n",
	       killed, seed, report->calls, report->by_channel, report->oneways,
	       report->oneways_by_channel, report->deaths, report->worst_ns / 1000);
	return 0;
}
