/* SPDX-License-Identifier: MIT */
/*
 * What a transport is to the benchmark: how two processes, a client and a
 * server of one thread each, reach each other and make one round trip.
 *
 * pair.c forks the two; main.c lets the client run the rounds and reads the clock;
 * a transport (futex.c, pipe.c, socket.c, binder.c, ipcbus.c, typed.c and others) never
 * measures, never prints but for bench_fail(), never allocates in a round.
 *
 * A case is one of two shapes:
 *
 *   call    a round is a request of `size` bytes and a reply of 4. The request
 *           was written before the first round, and who receives it does not
 *           look into it, unless the transport itself has to copy it out.
 *   oneway  a round is `batch` messages of `size` bytes there, and then as many
 *           back: each message is sent, woken up for, received and released,
 *           and nothing else is paid for.
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
/* For transports with space for so many. */
/* Processes beside the client and the server. */
#define BENCH_MAX_BESIDE	16

/**
 * struct bench_beside - what else happens while calls are measured
 * @name: of the case in the table
 * @calls: how many calls the mean is of; 0: 2,000
 * @hog: a process beside the two computes all the time
 * @clients: so many more clients call the server all the time
 * @nap: the client sleeps so many nanoseconds before each call
 * @think: the client computes so much before each call (see bench_spin())
 * @work: the server computes so much before each reply
 */
struct bench_beside {
	const char *name;
	unsigned int calls;
	bool hog;
	unsigned int clients;
	unsigned long nap;
	unsigned long think;
	unsigned long work;
};

/**
 * struct bench_case - one figure to find out, as seen by one of the two
 * @transport: how
 * @size: bytes of a request or of a oneway message
 * @batch: messages in a row; 0: calls
 * @beside: what else happens; NULL: nothing does, and the figure is a median
 * @work: the server's to compute before each reply
 * @request: @size bytes to send
 * @client: which of several this is; 0: the one that is measured
 * @server: the process of the server; set in the client
 * @daemon: between the two, if create started one
 * @pids_beside: the processes that @beside asks for; 0: no more
 * @calls_beside: further clients add their calls to this; NULL: these are not counted
 * @client_cpu: the only CPU of the client, not of the daemon; -1: any
 * @server_cpu: the only CPU of the server; -1: any
 * @ready_fd: the server's to report that it can be reached, see bench_ready()
 * @state: the transport's own, state_size bytes, zero at first
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
 * struct bench_transport - how messages travel
 * @name: the name in the table
 * @call: the name of its call case: "call", or "typed" through stubs, or "raw" without libipc;
 *	NULL: it has none
 * @state_size: bytes of bench_case.state
 * @max_size: the largest request; 0: any. A futex moves no payload.
 * @has_oneway: @turn exists
 * @has_beside: its server does bench_case.work
 * @many: its server has many clients
 * @spins: each side takes a CPU all the time
 * @exists: whether it can be measured here; NULL: always. Who asks for it by name hears why not.
 * @create: makes what the two share, before the fork; may be NULL
 * @serve: the server: gets ready, says so by bench_ready(), then replies until
 *	it is killed; returns only to fail
 * @connect: the client, when the server is ready; may be NULL
 * @round: the client's part of one round, of the case's shape
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
extern const struct bench_transport bench_oneways, bench_daemon_oneways;
extern const struct bench_transport bench_calls, bench_daemon_calls;
extern const struct bench_transport bench_streams;
extern const struct bench_transport bench_daemon, bench_daemon_raw;
extern const struct bench_transport bench_daemon_typed;
extern const struct bench_transport bench_channels, bench_channels_typed;
extern const struct bench_transport bench_dbus_direct, bench_dbus_broker;
extern const struct bench_transport bench_grpc;
extern const struct bench_transport bench_cpp;
extern const struct bench_transport bench_spin_ring;
extern const struct bench_transport bench_zeromq;

/* What this program measures, in the order of its lines; NULL at the end. */
extern const struct bench_transport *const bench_transports[];
/* Of bench-native: what was not built, and the package that it takes; NULL at the end. */
extern const char *const bench_not_built[];

/* For create: libipc's bus is ipcbusd's, which is started first. Each case is a process. */
int bench_daemon_start(struct bench_case *c);
/* Also lets client and server use direct channels. */
int bench_channels_start(struct bench_case *c);
bool bench_daemon_exists(void);
/* Whether libipc's bus is the driver's and has no service manager. */
bool bench_driver_exists(void);

/* Computes for so many turns of a loop. */
static inline void bench_spin(unsigned long turns)
{
	for (unsigned long i = 0; i < turns; i++)
		__asm__ volatile("" : : "r"(i));
}

/* The path of a program of the build, such as "daemon/ipcbusd": beside the folder of this one. Stays
 * until the next call; "": it is not known. */
const char *bench_program(const char *name);

/* Lets the client connect. */
int bench_ready(struct bench_case *c);

/* Prints "bench: WHAT: meaning of code" and returns code. */
int bench_fail(const char *what, int code);

#endif /* BENCH_H */
