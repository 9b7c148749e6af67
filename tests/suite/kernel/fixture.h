/* SPDX-License-Identifier: MIT */
/*
 * What each test of this folder stands on: procs to talk with, processes and
 * threads to talk from, and the proof that nothing was left behind.
 *
 * Most tests play all sides of a conversation in one thread: a thread may use
 * any number of procs, and sending does not wait. That makes the order of
 * things exact. Processes are for what needs them: death, fork, identity.
 */
#ifndef TESTS_KERNEL_FIXTURE_H
#define TESTS_KERNEL_FIXTURE_H

#include <pthread.h>

#include "raw.h"

#define REGION (1U << 20)
#define SRV_COOKIE 0x5e57e4ULL

/*
 * setup_bus(): srv is the bus's manager by srv_node, which takes fds; cli and
 * oth are others. setup_bare(): none of them is open.
 */
extern struct raw srv, cli, oth;
extern uint64_t srv_node;

void setup_bus(void);
void setup_bare(void);
/* Closes what is open and asserts that all live counters are as before. */
void teardown(void);

/* Give @to a handle for a node of @from's, by way of srv; nothing may be queued. */
uint32_t give_handle(const struct raw *to, const struct raw *from, uint64_t node);

/* What a live counter of the driver says now; fails if there is none. */
long live(const char *name);
/* Wait, up to 2 s, until all live counters are what they were at the start. */
void expect_nothing_left(void);

/* Another process. Its function's result is its exit status. */
struct peer {
	pid_t pid;
	int notify; /* a byte a step, both ways */
	int hear;
};

void peer_start(struct peer *p, int (*fn)(struct peer *self, void *arg), void *arg);
void peer_notify(struct peer *p, uint64_t what);
uint64_t peer_hear(struct peer *p);
void peer_kill(struct peer *p);
/* For a peer that is killed wherever it is: from now on Check does not hear of what it does,
 * for half a message would be read as the beginning of the next. Assertions still end it. */
void peer_report_nothing(void);
/* must: ended by itself, with 0 */
void peer_end(struct peer *p);

/* Memory that parent and peers share. */
void *shared_memory(size_t size);

/* A field of 4 or 8 bytes, in this machine's order of bytes. */
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
/* Until that thread of this process sleeps in the kernel. */
void wait_asleep(pid_t tid);

/* Reply calls with their own payload until one with code QUIT. */
#define QUIT 0xffffffffU
void serve_echo(const struct raw *r);

/*
 * Looks at a region as the kernel does for a process: what cannot be read is an
 * error, not a signal. One thread at a time.
 */
struct peep {
	const struct raw *raw;
	int socket[2];
};

void peep_open(struct peep *p, const struct raw *r);
/* Copies up to a page; false if not all of it is there. */
bool peep(struct peep *p, size_t offset, void *to, size_t size);
void peep_close(struct peep *p);

/* The calling thread runs on CPU 0 alone; by that policy and priority. */
void use_first_cpu(void);
void run_on_first_cpu(int policy, int priority);

uint64_t now_ms(void);
/* The time that many ms from now, as the driver takes deadlines. */
uint64_t deadline_in(int ms);
int count_fds(void);
/* Bytes that the kernel has for itself: small objects, and tables. */
long kernel_memory(void);
/* No more than so many fds besides those that are open, which may leave gaps. */
void limit_fds(int more);
/* Sends a copy of the fd through a Unix socket. */
void send_fd(int socket, int fd);
/* A number that a person may set for a run. */
unsigned int from_environment(const char *name, unsigned int otherwise);
/* So many rounds, or IPCBUS_FEWER_ROUNDS times fewer: for kernels that are slow. */
unsigned int rounds(unsigned int n);
/* xorshift: the same numbers for the same seed everywhere */
uint32_t next_random(uint32_t *state);

/* raw_none() for one whose calls ended by their deadlines: one may be taken just as it
 * ends; then the server learns so, and replies nobody. */
void none_but_ended(const struct raw *server);

/*
 * The running case cannot show here what it is for: tests/each counts it as skipped. The
 * case returns after that.
 */
#define case_skip(why) skip_case(__func__, why)
void skip_case(const char *name, const char *why);

/* Both run each case in a process of its own. */
TCase *add_case(Suite *suite, const char *name, void (*setup)(void));
int suite_main(Suite *suite);

#endif /* TESTS_KERNEL_FIXTURE_H */
