/* SPDX-License-Identifier: MIT */
/*
 * The fixture of each test in this folder: procs, processes, threads, and the check that no
 * object is left.
 *
 * Most tests play all sides of a conversation in a single thread: a thread may use any number of
 * procs, and sending does not wait. The order of events is then exact. Processes are only for
 * cases that need them: death, fork, identity.
 */
#ifndef TESTS_KERNEL_FIXTURE_H
#define TESTS_KERNEL_FIXTURE_H

#include <pthread.h>

#include "raw.h"

#define REGION (1U << 20)
#define SRV_COOKIE 0x5e57e4ULL

/*
 * setup_bus(): srv is the bus's manager with node srv_node, which accepts fds; cli and oth are
 * clients. setup_bare(): all three are closed.
 */
extern struct raw srv, cli, oth;
extern uint64_t srv_node;

void setup_bus(void);
void setup_bare(void);
/* Closes all procs and asserts that all live counters have their former values. */
void teardown(void);

/* Gives @to a handle for node @node of @from, by way of srv. No events may be queued. */
uint32_t give_handle(const struct raw *to, const struct raw *from, uint64_t node);

/* Returns the value of a live counter of the driver; fails if there is no such counter. */
long live(const char *name);
/* Waits up to 2 s until all live counters have their values from the start. */
void expect_nothing_left(void);

/* Another process. The result of its function is its exit status. */
struct peer {
	pid_t pid;
	int notify; /* a byte per step, in both directions */
	int hear;
};

void peer_start(struct peer *p, int (*fn)(struct peer *self, void *arg), void *arg);
void peer_notify(struct peer *p, uint64_t what);
uint64_t peer_hear(struct peer *p);
void peer_kill(struct peer *p);
/*
 * For a peer that is killed at any moment: stops reporting to Check from now on, because Check
 * would read half a message as the beginning of the next. Failed assertions still end the peer.
 */
void peer_report_nothing(void);
/* must: the peer ends by itself, with status 0 */
void peer_end(struct peer *p);

/* Returns memory that parent and peers share. */
void *shared_memory(size_t size);

/* Sets a field of 4 or 8 bytes in native byte order. */
void set_field(void *at, size_t width, uint64_t value);

/* Another thread. */
struct helper {
	pthread_t thread;
	pid_t tid;
	void *(*fn)(void *);
	void *arg;
};

void helper_start(struct helper *h, void *(*fn)(void *), void *arg);
void *helper_end(struct helper *h);
/* Waits until that thread of this process sleeps in the kernel. */
void wait_asleep(pid_t tid);

/* Replies to calls with their own payload, until a call with code QUIT. */
#define QUIT 0xffffffffU
void serve_echo(const struct raw *r);

/*
 * Reads a region in the same way as the kernel does for a process: an unreadable page is an
 * error, not a signal. Use it from a single thread at a time.
 */
struct peep {
	const struct raw *raw;
	int socket[2];
};

void peep_open(struct peep *p, const struct raw *r);
/* Copies up to a page. Returns false if a part of it is unreadable. */
bool peep(struct peep *p, size_t offset, void *to, size_t size);
void peep_close(struct peep *p);

/* Bind the calling thread to CPU 0; the second also sets policy and priority. */
void use_first_cpu(void);
void run_on_first_cpu(int policy, int priority);

uint64_t now_ms(void);
/* deadline_in(): the time in @ms milliseconds, as the driver's deadlines count it. */
uint64_t deadline_in(int ms);
int count_fds(void);
/* Returns the bytes that the kernel uses for itself: slabs and page tables. */
long kernel_memory(void);
/* Limits the process to @more fds beyond the highest open fd; gaps below it stay usable. */
void limit_fds(int more);
/* Writes a file of the kernel. Returns 0 or -errno. */
int write_file(const char *path, const char *text);
/* Sends a copy of the fd through a Unix socket. */
void send_fd(int socket, int fd);
/* Returns a number from the environment that a person may set for a run. */
unsigned int from_environment(const char *name, unsigned int otherwise);
/* Returns @n rounds, divided by IPCBUS_FEWER_ROUNDS for slow kernels. */
unsigned int rounds(unsigned int n);
/* xorshift: the same seed gives the same numbers on every machine */
uint32_t next_random(uint32_t *state);

/*
 * raw_none() for a server with calls that ended by their deadlines. If the server took a call just
 * as it ended, the server gets an event about that, and its reply has no receiver.
 */
void none_but_ended(const struct raw *server);

/* For a case that cannot run here: counts it as skipped. The case must return afterwards. */
#define case_skip(why) skip_case(__func__, why)
void skip_case(const char *name, const char *why);

/* add_case() and suite_main() run each case in a process of its own. */
TCase *add_case(Suite *suite, const char *name, void (*setup)(void));
int suite_main(Suite *suite);

#endif /* TESTS_KERNEL_FIXTURE_H */
