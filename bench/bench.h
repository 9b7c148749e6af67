/* SPDX-License-Identifier: MIT */
/*
 * The interface of a transport to the benchmark: how a client and a server, two processes of one
 * thread each, reach each other and make a round trip.
 *
 * pair.c forks the two. main.c lets the client run the rounds and reads the clock. A transport must
 * not measure, must not print except by bench_fail(), and must not allocate memory in a round.
 *
 * A case has one of two shapes:
 *
 *   call    a round is a request of `size` bytes and a reply of 4. The request
 *           was written before the first round. The receiver does not read it,
 *           unless the transport itself must copy it out.
 *   oneway  a round is `batch` messages of `size` bytes there, and then as many
 *           back. The figure covers sending, wake-up, receiving and releasing
 *           each message.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define BENCH_REPLY_SIZE	4
#define BENCH_MAX_SIZE		((size_t)1 << 20)
#define BENCH_MAX_BATCH		16
/* The maximum number of processes beside the client and the server. */
#define BENCH_MAX_BESIDE	80

/**
 * struct bench_beside - other work while calls are measured
 * @name: of the case in the table
 * @calls: the number of calls that are averaged; 0: 2,000
 * @hog: a separate process computes all the time
 * @clients: the number of further clients that call the server all the time
 * @bus: how many of them have no direct channels
 * @threads: the number of the server's threads; 0: one
 * @nap: nanoseconds that the client sleeps before each call
 * @think: work of the client before each call (see bench_spin())
 * @work: work of the server before each reply
 */
struct bench_beside {
	const char *name;
	unsigned int calls;
	bool hog;
	unsigned int clients;
	unsigned int bus;
	unsigned int threads;
	unsigned long nap;
	unsigned long think;
	unsigned long work;
};

/**
 * struct bench_case - a figure to measure, as seen by the client or the server
 * @transport: the transport
 * @size: bytes of a request or of a oneway message
 * @batch: messages in a row; 0: calls
 * @beside: other work; NULL: none, and the figure is a median
 * @work: work of the server before each reply
 * @request: @size bytes to send
 * @client: the number of the client; 0: the client that is measured
 * @server: the process of the server; set in the client
 * @daemon: the daemon between the two, if create started one
 * @pids_beside: the processes that @beside needs, terminated by 0
 * @calls_beside: [BENCH_MAX_BESIDE] further clients count their calls here; NULL: they do not
 * @client_cpu: the only CPU of the client, not of the daemon; -1: any
 * @server_cpu: the only CPU of the server; -1: any
 * @ready_fd: with which the server reports that it is ready, see bench_ready()
 * @state: state_size bytes for the transport, zero at first
 */
struct bench_case {
	const struct bench_transport *transport;
	size_t size;
	unsigned int batch;
	const struct bench_beside *beside;
	unsigned long work;
	const void *request;
	unsigned int client;
	pid_t server;
	pid_t daemon;
	pid_t pids_beside[BENCH_MAX_BESIDE];
	unsigned long *calls_beside;
	int client_cpu;
	int server_cpu;
	int ready_fd;
	void *state;
};

/**
 * struct bench_transport - a way to send messages
 * @name: the name in the table
 * @call: the name of its call case: "call", or "typed" through stubs, or "raw" without libipc;
 *	NULL: it has none
 * @state_size: bytes of bench_case.state
 * @max_size: the largest request; 0: any. A futex moves no payload.
 * @has_oneway: @round also does oneways
 * @has_beside: its server does bench_case.work
 * @many: its server has many clients
 * @threads: its server has bench_beside.threads
 * @spins: each side takes a CPU all the time
 * @exists: whether it can be measured here; NULL: always. If the user asked for it by name, prints
 *	the reason.
 * @create: makes the memory, files or sockets of both sides, before the fork; may be NULL. They end
 *	with the case, which is a process.
 * @serve: the server: gets ready, calls bench_ready(), then replies until
 *	it is killed; returns only on failure
 * @connect: the client, when the server is ready; may be NULL
 * @round: the client's part of a round, of the case's shape
 *
 * All return 0 or -errno.
 */
struct bench_transport {
	const char *name;
	const char *call;
	size_t state_size;
	size_t max_size;
	bool has_oneway;
	bool has_beside;
	bool many;
	bool threads;
	bool spins;
	bool (*exists)(void);
	int (*create)(struct bench_case *c);
	int (*serve)(struct bench_case *c);
	int (*connect)(struct bench_case *c);
	int (*round)(struct bench_case *c);
};

extern const struct bench_transport bench_futex, bench_shared, bench_file;
extern const struct bench_transport bench_pipe, bench_pipe_each;
extern const struct bench_transport bench_stream;
extern const struct bench_transport bench_seqpacket;
extern const struct bench_transport bench_protobuf;
extern const struct bench_transport bench_binder;
extern const struct bench_transport bench_ipcbus;
extern const struct bench_transport bench_alone, bench_handles, bench_procs, bench_queued;
extern const struct bench_transport bench_fragmented;
extern const struct bench_transport bench_typed;
extern const struct bench_transport bench_oneways, bench_daemon_oneways, bench_channels_oneways;
extern const struct bench_transport bench_calls, bench_daemon_calls, bench_channels_calls;
extern const struct bench_transport bench_streams, bench_daemon_streams, bench_channels_streams;
extern const struct bench_transport bench_daemon, bench_daemon_raw;
extern const struct bench_transport bench_daemon_typed;
extern const struct bench_transport bench_channels, bench_channels_typed;
extern const struct bench_transport bench_channels_epoll, bench_channels_client_epoll;
extern const struct bench_transport bench_channels_both_epoll, bench_channels_sd_event;
extern const struct bench_transport bench_packets_epoll;
extern const struct bench_transport bench_dbus_direct, bench_dbus_broker;
extern const struct bench_transport bench_grpc;
extern const struct bench_transport bench_cpp;
extern const struct bench_transport bench_spin_ring;

/* The transports that this program measures, in the order of its lines; NULL at the end. */
extern const struct bench_transport *const bench_transports[];
/* For bench-native: the transports that were not built, with the missing package; NULL at the
 * end. */
extern const char *const bench_not_built[];

/* For create: starts ipcbusd and makes it libipc's bus. */
int bench_daemon_start(struct bench_case *c);
/* As bench_daemon_start(), and lets client and server use direct channels. */
int bench_channels_start(struct bench_case *c);
bool bench_daemon_exists(void);
/* Whether libipc's bus is the driver's and has no service manager. */
bool bench_driver_exists(void);

/* Computes for this number of turns of a loop. */
static inline void bench_spin(unsigned long turns)
{
	for (unsigned long i = 0; i < turns; i++)
		__asm__ volatile("" : : "r"(i));
}

/* Returns the path of a program of the build, such as "daemon/ipcbusd", relative to this program's
 * folder. Valid until the next call. Empty if it is not known. */
const char *bench_program(const char *name);

/* Lets the client connect. */
int bench_ready(struct bench_case *c);

/* Prints "bench: WHAT: meaning of code" and returns code. */
int bench_fail(const char *what, int code);

#endif /* BENCH_H */
