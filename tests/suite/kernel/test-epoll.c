// SPDX-License-Identifier: MIT
/*
 * Those who poll an epoll file that has a proc's fd in it are woken with each event of the proc.
 * Nothing limits how many there are. Whoever replies to the proc, or makes space for it, does not
 * wake them in its own time, but for the first time. Nobody is asleep beside an event for that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "namespace.h"
#include "users.h"

#define THREADS 32
#define POLLS 4096
#define EVENTS 20
/* Waking 131,072 takes ten times as long; a wake-up takes a hundredth. */
#define LONG_NS 1000000
/* A machine that does other things may be slow now and then. */
#define MOST_LONG 5
/* So long the driver remembers at most what a wake-up took. */
#define LONGEST_S 10
/* More than whoever sends wakes in its own time. */
#define EXCLUSIVE 24
#define MESSAGES 8
#define SLOW 4
#define COPIES 300

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

/* User-mode Linux may have a clock that stands still while a program computes. */
static bool is_time_seen(void)
{
	uint64_t begin = cpu_ns();

	for (volatile int i = 0; i < 1000000; i++)
		;
	return cpu_ns() > begin;
}

/* What it takes to send to the manager. */
static bool takes_long(const struct raw *r)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC };
	uint64_t begin = cpu_ns();

	assert_ok(raw_send(r, &call, NULL));
	return cpu_ns() - begin > LONG_NS;
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

#define NAMESPACE_USERS "0 1000 1\n1 2001 20\n"
#define NAMESPACE_GROUPS "0 1000 1\n"

/* Users 1 to 20 of the namespace are others outside; 1000 made it. Says of how many the call took
 * long. */
static int send_as_many_users(struct peer *self, void *unused)
{
	int n_long = 0;
	struct raw r;

	(void)unused;
	if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
		return 97;
	if (!enter_namespace(self, 0))
		return 0;
	if (setresuid(0, 0, 0) < 0)
		return 98;
	raw_open(&r, REGION);
	for (uid_t user = 1; user <= EVENTS; user++) {
		if (setresuid(-1, user, -1) < 0)
			return 99;
		n_long += takes_long(&r);
		if (setresuid(-1, 0, -1) < 0)
			return 99;
	}
	peer_notify(self, n_long);
	return 0;
}

/* The same in a namespace in which everybody has the number that he has outside. */
static int send_from_within(struct peer *self, void *unused)
{
	struct peer sender;

	(void)unused;
	if (!enter_namespace(self, 0))
		return 0;
	peer_start(&sender, send_as_many_users, NULL);
	if (!give_users(&sender, NAMESPACE_USERS, NAMESPACE_GROUPS))
		return 98;
	peer_notify(self, peer_hear(&sender));
	peer_end(&sender);
	return 0;
}

static void users_wake_as_one(int (*send)(struct peer *self, void *arg), const char *users,
			      const char *groups)
{
	struct peer poller, sender;
	int e = epoll_of(&srv);

	peer_start(&poller, poll_the_epoll, &e);
	peer_hear(&poller);
	peer_start(&sender, send, NULL);
	if (!give_users(&sender, users, groups)) {
		case_skip("no user namespaces in this kernel");
		peer_end(&sender);
	} else {
		ck_assert_uint_le(peer_hear(&sender), MOST_LONG);
		peer_end(&sender);
	}
	peer_kill(&poller);
	close(e);
}

START_TEST(users_of_a_namespace_wake_as_one)
{
	users_wake_as_one(send_as_many_users, NAMESPACE_USERS, NAMESPACE_GROUPS);
}
END_TEST

START_TEST(users_of_a_namespace_in_roots_wake_as_one)
{
	users_wake_as_one(send_from_within, "0 0 3000\n", "0 0 3000\n");
}
END_TEST

/* Whose deadlines pass may be anybody: that a worker was slow then is not what root did. */
static bool root_wakes_after_a_worker(const struct raw *r)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC };
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	struct ipcbus_event ev;
	uint64_t begin;
	int e;

	assert_ok(raw_send(r, &call, NULL));
	do {
		call.deadline = deadline_in(20);
		e = raw_send(r, &call, NULL);
	} while (e == -ETIMEDOUT);
	assert_ok(e);
	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	raw_failed(r, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	begin = cpu_ns();
	raw_reply(&srv, ev.call, NULL, 0);
	begin = cpu_ns() - begin;
	raw_take(r, IPCBUS_EVENT_REPLY, &ev);
	return begin > LONG_NS;
}

START_TEST(workers_have_a_time_of_their_own)
{
	struct peer poller;
	struct raw r;
	bool wakes;
	int e;

	if (!is_time_seen()) {
		case_skip("no time passes here while a program computes");
		return;
	}
	raw_open(&r, REGION);
	e = epoll_of(&r);
	peer_start(&poller, poll_the_epoll, &e);
	peer_hear(&poller);
	wakes = root_wakes_after_a_worker(&r);
	if (!wakes) {
		/* Perhaps because of what root did before. */
		sleep(LONGEST_S + 1);
		wakes = root_wakes_after_a_worker(&r);
	}
	ck_assert(wakes);
	peer_kill(&poller);
	close(e);
	raw_close(&r);
}
END_TEST

static int woken;

static void *wait_for_one(void *unused)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int e = epoll_create1(EPOLL_CLOEXEC), n = -EXCLUSIVE;

	if (!epoll_ctl(e, EPOLL_CTL_ADD, srv.fd, &event))
		n = epoll_wait(e, &event, 1, 3000);
	__atomic_fetch_add(&woken, n, __ATOMIC_RELAXED);
	close(e);
	return unused;
}

/* For each message one of them at least, though a worker wakes them and they came at once. */
START_TEST(one_is_woken_for_each)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC };
	struct helper waiters[EXCLUSIVE];
	struct ipcbus_event ev;

	woken = 0;
	for (int i = 0; i < EXCLUSIVE; i++) {
		helper_start(&waiters[i], wait_for_one, NULL);
		wait_asleep(waiters[i].tid);
	}
	run_on_first_cpu(SCHED_FIFO, 1);
	for (int i = 0; i < MESSAGES; i++)
		assert_ok(raw_send(&cli, &call, NULL));
	run_on_first_cpu(SCHED_OTHER, 0);
	for (int i = 0; i < EXCLUSIVE; i++)
		helper_end(&waiters[i]);
	ck_assert_int_ge(woken, MESSAGES);
	for (int i = 0; i < MESSAGES; i++) {
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		raw_reply(&srv, ev.call, NULL, 0);
		raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	}
}
END_TEST

/* Copies that are slow to wake go to the end of the queue again, all the time. */
static void *move_copies(void *arg)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int e = ((int *)arg)[0], fd = ((int *)arg)[1], copies[COPIES];

	for (int i = 0; i < COPIES; i++) {
		copies[i] = dup(fd);
		ck_assert_int_eq(epoll_ctl(e, EPOLL_CTL_ADD, copies[i], &event), 0);
	}
	pthread_barrier_wait(&polling);
	for (int i = 0;; i = (i + 1) % COPIES) {
		epoll_ctl(e, EPOLL_CTL_DEL, copies[i], &event);
		epoll_ctl(e, EPOLL_CTL_ADD, copies[i], &event);
		if (i % 128 == 0)
			usleep(10000);
	}
	return NULL;
}

/* Of two procs the first has such copies, and both get a reply. */
static int wait_for_the_second(struct peer *self, void *unused)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC };
	struct epoll_event event = { .events = EPOLLIN };
	int second = epoll_create1(EPOLL_CLOEXEC), moved[2];
	struct rlimit files = { POLLS, POLLS };
	pthread_t thread;
	struct raw r[2];

	(void)unused;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (int i = 0; i < 2; i++) {
		open_as(&r[i], 1000);
		assert_ok(raw_send(&r[i], &call, NULL));
	}
	moved[0] = epoll_create1(EPOLL_CLOEXEC);
	moved[1] = r[0].fd;
	for (int i = 0; i < EXCLUSIVE; i++)
		ck_assert_int_eq(epoll_ctl(second, EPOLL_CTL_ADD, dup(r[1].fd), &event), 0);
	pthread_barrier_init(&polling, NULL, SLOW + 2);
	for (int i = 0; i < SLOW; i++)
		ck_assert_int_eq(pthread_create(&thread, NULL, poll_it, &moved[0]), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, move_copies, moved), 0);
	pthread_barrier_wait(&polling);
	usleep(500000);
	peer_notify(self, 1);
	return epoll_wait(second, &event, 1, 10000) != 1;
}

/* The worker's turn has an end, and then comes another proc of the same user. */
START_TEST(who_comes_meanwhile_is_not_waited_for)
{
	struct ipcbus_event ev;
	struct peer waiter;

	peer_start(&waiter, wait_for_the_second, NULL);
	peer_hear(&waiter);
	for (int i = 0; i < 2; i++) {
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		raw_reply(&srv, ev.call, NULL, 0);
	}
	peer_end(&waiter);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("epoll");
	TCase *tc = add_user_case(s, "many");

	tcase_add_test(tc, replies_to_a_polled_proc);
	tcase_add_test(tc, waiter_beside_them_is_woken);
	tcase_add_test(tc, users_of_a_namespace_wake_as_one);
	tcase_add_test(tc, users_of_a_namespace_in_roots_wake_as_one);
	tcase_add_test(tc, workers_have_a_time_of_their_own);
	tcase_add_test(tc, one_is_woken_for_each);
	tcase_add_test(tc, who_comes_meanwhile_is_not_waited_for);
	return suite_main(s);
}
