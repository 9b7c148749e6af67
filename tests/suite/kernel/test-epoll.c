// SPDX-License-Identifier: MIT
/*
 * Those who poll an epoll file that has a proc's fd in it are woken with each event of the proc.
 * Nothing limits how many there are. Whoever replies to the proc, or makes space for it, does not
 * wake them in its own time, but for the first time.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "users.h"

#define THREADS 32
#define POLLS 4096
#define EVENTS 20
/* Waking 131,072 takes ten times as long; a wake-up takes a hundredth. */
#define LONG_NS 1000000
/* A machine that does other things may be slow now and then. */
#define MOST_LONG 5

static pthread_barrier_t polling;

/* For what never comes. */
static void *poll_it(void *arg)
{
	struct pollfd *p = calloc(POLLS, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	for (int i = 0; i < POLLS; i++)
		p[i] = (struct pollfd){ .fd = *(int *)arg, .events = POLLPRI };
	pthread_barrier_wait(&polling);
	for (;;)
		poll(p, POLLS, -1);
	return NULL;
}

/* Polls the epoll file with all threads, and notifies. */
static int poll_the_epoll(struct peer *self, void *e)
{
	struct rlimit files = { POLLS, POLLS };
	pthread_attr_t small;
	pthread_t thread;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	pthread_barrier_init(&polling, NULL, THREADS + 1);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread, &small, poll_it, e), 0);
	pthread_barrier_wait(&polling);
	/* Until they poll. */
	usleep(500000);
	peer_notify(self, 1);
	for (;;)
		pause();
	return 0;
}

static int epoll_of(const struct raw *r)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int e = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_eq(epoll_ctl(e, EPOLL_CTL_ADD, r->fd, &event), 0);
	return e;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

START_TEST(replies_to_a_polled_proc)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC };
	uint64_t begin, longest = 0;
	struct ipcbus_event ev;
	struct peer poller;
	int n_long = 0, e = epoll_of(&cli);

	for (int i = 0; i < EVENTS; i++)
		assert_ok(raw_send(&cli, &call, NULL));
	peer_start(&poller, poll_the_epoll, &e);
	peer_hear(&poller);
	for (int i = 0; i < EVENTS; i++) {
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		begin = cpu_ns();
		raw_reply(&srv, ev.call, NULL, 0);
		begin = cpu_ns() - begin;
		n_long += begin > LONG_NS;
		longest = begin > longest ? begin : longest;
	}
	peer_kill(&poller);
	close(e);
	ck_assert_msg(n_long <= MOST_LONG, "%d of %d replies took long, the longest %lu ns", n_long,
		      EVENTS, (unsigned long)longest);
	/* cli got all of them. */
	for (int i = 0; i < EVENTS; i++)
		raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* Somebody who waits in the epoll file itself is woken in the end, whoever does so. */
START_TEST(waiter_beside_them_is_woken)
{
	struct epoll_event event;
	struct peer poller;
	uint64_t node = raw_node(&oth, 0, 1);
	uint32_t handle = give_handle(&cli, &oth, node);
	int e = epoll_of(&oth);

	peer_start(&poller, poll_the_epoll, &e);
	peer_hear(&poller);
	for (int i = 0; i < EVENTS; i++) {
		struct ipcbus_event ev;

		raw_oneway(&cli, handle, 0, NULL, 0);
		ck_assert_int_eq(epoll_wait(e, &event, 1, 10000), 1);
		raw_take(&oth, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&oth, &ev);
	}
	peer_kill(&poller);
	close(e);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("epoll");
	TCase *tc = add_user_case(s, "many");

	tcase_add_test(tc, replies_to_a_polled_proc);
	tcase_add_test(tc, waiter_beside_them_is_woken);
	return suite_main(s);
}
