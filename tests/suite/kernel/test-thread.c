// SPDX-License-Identifier: MIT
/*
 * Threads: when the driver requests another, which thread is chosen, the effect of signals and
 * close on a waiting thread, and many threads on two CPUs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"

/* A thread of srv's. It replies to code 0 with its tid, and ends with QUIT. */
struct server {
	struct helper h;
	unsigned int served;
	unsigned int asked; /* events with SPAWN */
	bool exit_politely;
};

static void *serve_thread(void *arg)
{
	struct server *s = arg;
	struct ipcbus_event ev;
	bool quit = false;

	while (!quit) {
		raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
		s->served++;
		s->asked += !!(ev.flags & IPCBUS_EVENT_SPAWN);
		quit = ev.code == QUIT;
		raw_reply(&srv, ev.call, &s->h.tid, sizeof(s->h.tid));
		raw_release(&srv, &ev);
	}
	if (s->exit_politely)
		assert_ok(dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	return NULL;
}

static void start_server(struct server *s)
{
	*s = (struct server){ .exit_politely = true };
	helper_start(&s->h, serve_thread, s);
	wait_asleep(s->h.tid);
}

/* Returns the tid of the thread that replied. */
static pid_t ask(const struct raw *r, uint32_t code)
{
	struct ipcbus_event ev;
	pid_t tid;

	raw_call_wait(r, 0, code, NULL, 0, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_REPLY);
	memcpy(&tid, raw_payload(r, &ev), sizeof(tid));
	ck_assert_uint_eq(ev.tid, tid);
	ck_assert_uint_eq(ev.pid, getpid());
	raw_release(r, &ev);
	return tid;
}

START_TEST(latest_idle_first)
{
	struct server s[3];
	pid_t last;

	for (int i = 0; i < 3; i++)
		start_server(&s[i]);
	/* The last thread to become idle is chosen, again and again. */
	last = s[2].h.tid;
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(ask(&cli, 0), last);
		wait_asleep(last);
	}
	ck_assert_int_eq(ask(&cli, QUIT), s[2].h.tid);
	helper_end(&s[2].h);
	ck_assert_int_eq(ask(&cli, QUIT), s[1].h.tid);
	helper_end(&s[1].h);
	ck_assert_int_eq(ask(&cli, QUIT), s[0].h.tid);
	helper_end(&s[0].h);
}
END_TEST

/* SPAWN */

static uint32_t take_call_flags(uint64_t *ret_call)
{
	struct ipcbus_event ev;

	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	*ret_call = ev.call;
	return ev.flags & IPCBUS_EVENT_SPAWN;
}

static void finish(const struct raw *from, uint64_t call)
{
	struct ipcbus_event ev;

	raw_reply(&srv, call, NULL, 0);
	raw_take(from, IPCBUS_EVENT_REPLY, &ev);
}

START_TEST(no_thread_asked_for_by_default)
{
	uint64_t call;

	for (int i = 0; i < 3; i++) {
		raw_call(&cli, 0, 0, NULL, 0);
		ck_assert_uint_eq(take_call_flags(&call), 0);
		finish(&cli, call);
	}
}
END_TEST

START_TEST(thread_asked_for_once)
{
	uint64_t call, second;

	assert_ok(raw_set_threads(&srv, 3));
	raw_call(&cli, 0, 0, NULL, 0);
	raw_call(&oth, 0, 0, NULL, 0);
	ck_assert_uint_eq(take_call_flags(&call), IPCBUS_EVENT_SPAWN);
	/* The requested thread has not arrived yet. */
	ck_assert_uint_eq(take_call_flags(&second), 0);
	finish(&cli, call);
	finish(&oth, second);
}
END_TEST

/* The thread could not be started: setting the limit again makes the driver request it again. */
START_TEST(missing_thread_is_requested_again)
{
	uint64_t call;

	for (int i = 0; i < 3; i++) {
		assert_ok(raw_set_threads(&srv, 3));
		raw_call(&cli, 0, 0, NULL, 0);
		ck_assert_uint_eq(take_call_flags(&call), IPCBUS_EVENT_SPAWN);
		finish(&cli, call);
		raw_call(&cli, 0, 0, NULL, 0);
		ck_assert_uint_eq(take_call_flags(&call), 0);
		finish(&cli, call);
	}
}
END_TEST

/* The first thread takes a call while the second waits. */
START_TEST(no_thread_requested_while_a_thread_waits)
{
	struct server s[2];

	assert_ok(raw_set_threads(&srv, 10));
	start_server(&s[0]);
	start_server(&s[1]);
	for (int i = 0; i < 5; i++) {
		ask(&cli, i < 4 ? 0 : QUIT);
		if (i == 4)
			break;
		wait_asleep(s[0].h.tid);
		wait_asleep(s[1].h.tid);
	}
	ck_assert_uint_eq(s[0].asked + s[1].asked, 0);
	/* Now the remaining thread takes the last call, and none waits. */
	ask(&cli, QUIT);
	helper_end(&s[0].h);
	helper_end(&s[1].h);
	ck_assert_uint_eq(s[0].asked + s[1].asked, 1);
}
END_TEST

/* The limit counts threads, not how often they start to serve. */
START_TEST(serving_again_counts_once)
{
	uint64_t call;

	assert_ok(raw_set_threads(&srv, 2));
	for (int i = 0; i < 10; i++)
		raw_none(&srv);
	for (int i = 0; i < 3; i++) {
		raw_call(&cli, 0, 0, NULL, 0);
		ck_assert_uint_eq(take_call_flags(&call), i ? 0 : IPCBUS_EVENT_SPAWN);
		finish(&cli, call);
	}
}
END_TEST

/* Neither by an invalid number, nor by setting it again. */
START_TEST(limit_is_kept)
{
	static const uint32_t bad[] = { 1025, 0x7fffffff, 0x80000000, 0xffffffff };
	uint64_t call;

	ck_assert_uint_eq(raw_info(&srv).max_threads, 1024);
	assert_ok(raw_set_threads(&srv, 1));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_result(raw_set_threads(&srv, bad[i]), -EINVAL);
		raw_call(&cli, 0, 0, NULL, 0);
		ck_assert_uint_eq(take_call_flags(&call), 0);
		finish(&cli, call);
		assert_ok(raw_set_threads(&srv, 1));
	}
}
END_TEST

/* If more threads serve than the limit allows, none is requested, and all continue. */
START_TEST(lower_limit_than_threads)
{
	struct server s[3];

	assert_ok(raw_set_threads(&srv, 10));
	for (int i = 0; i < 3; i++)
		start_server(&s[i]);
	assert_ok(raw_set_threads(&srv, 1));
	for (int i = 2; i >= 0; i--) {
		ck_assert_int_eq(ask(&cli, QUIT), s[i].h.tid);
		helper_end(&s[i].h);
		ck_assert_uint_eq(s[i].asked, 0);
	}
}
END_TEST

/* A thread that exits makes space for another. */
START_TEST(thread_is_requested_again_after_exit)
{
	struct server s;
	uint64_t call;

	assert_ok(raw_set_threads(&srv, 2));
	raw_none(&srv);
	for (int i = 0; i < 3; i++) {
		start_server(&s);
		ask(&cli, QUIT);
		helper_end(&s.h);
		raw_call(&cli, 0, 0, NULL, 0);
		ck_assert_uint_eq(take_call_flags(&call), IPCBUS_EVENT_SPAWN);
		finish(&cli, call);
	}
}
END_TEST

/* A pool as in libraries. */

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct helper threads[16];
	int n, busy;
	bool release;
};

static struct pool pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
			    .change = PTHREAD_COND_INITIALIZER };

/* All threads but the last wait for an effect of the last call, which must be served. */

static void *pool_call(void *arg)
{
	struct ipcbus_event ev;

	raw_call_wait(arg, 0, 0, NULL, 0, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_REPLY);
	return NULL;
}

static void *unlock_thread(void *arg)
{
	struct ipcbus_event ev;
	int n;

	(void)arg;
	do {
		raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
		if (ev.flags & IPCBUS_EVENT_SPAWN) {
			pthread_mutex_lock(&pool.lock);
			n = pool.n++;
			pthread_mutex_unlock(&pool.lock);
			helper_start(&pool.threads[n], unlock_thread, NULL);
		}
		pthread_mutex_lock(&pool.lock);
		pool.busy += ev.code == 0;
		pool.release |= ev.code == 1;
		pthread_cond_broadcast(&pool.change);
		while (ev.code == 0 && !pool.release)
			pthread_cond_wait(&pool.change, &pool.lock);
		pthread_mutex_unlock(&pool.lock);
		raw_reply(&srv, ev.call, NULL, 0);
	} while (ev.code != QUIT);
	return NULL;
}

START_TEST(last_thread_serves_the_unblocking_call)
{
	enum { LIMIT = 4 };
	struct raw callers[LIMIT - 1];
	struct helper blocked[LIMIT - 1];
	struct ipcbus_event ev;

	assert_ok(raw_set_threads(&srv, LIMIT));
	pool.n = 1;
	helper_start(&pool.threads[0], unlock_thread, NULL);
	for (int i = 0; i < LIMIT - 1; i++) {
		raw_open(&callers[i], 4096);
		helper_start(&blocked[i], pool_call, &callers[i]);
	}
	pthread_mutex_lock(&pool.lock);
	while (pool.busy < LIMIT - 1)
		pthread_cond_wait(&pool.change, &pool.lock);
	pthread_mutex_unlock(&pool.lock);
	raw_call_wait(&cli, 0, 1, NULL, 0, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_REPLY);
	for (int i = 0; i < LIMIT - 1; i++) {
		helper_end(&blocked[i]);
		raw_close(&callers[i]);
	}
	/* The last thread was needed, and no more. */
	ck_assert_int_eq(pool.n, LIMIT);
	for (int i = 0; i < LIMIT; i++)
		raw_call_wait(&cli, 0, QUIT, NULL, 0, &ev);
	for (int i = 0; i < LIMIT; i++)
		helper_end(&pool.threads[i]);
	ck_assert_int_eq(pool.n, LIMIT);
}
END_TEST

/* The hint */

START_TEST(wrong_hints_do_no_harm)
{
	static const uint32_t hints[] = { 0, 1, 2, 3, 7, 100, 1023, 1024, 1025, 65536, 0x7fffffff,
					  0x80000000, 0xffffffff };
	struct ipcbus_event ev;
	struct server s;
	uint32_t mine;

	start_server(&s);
	raw_call_wait(&cli, 0, 0, NULL, 0, &ev);
	mine = ev.thread;
	raw_release(&cli, &ev);
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		struct ipcbus_exchange x = {
			.flags = IPCBUS_WAIT, .thread = hints[i],
			.send = { .kind = IPCBUS_SEND_CALL },
		};

		assert_ok(raw_exchange(&cli, &x));
		ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_REPLY);
		ck_assert_uint_eq(x.event.thread, mine);
		raw_release(&cli, &x.event);
	}
	/* Another thread's number does not give access to its calls. */
	struct ipcbus_exchange x = {
		.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK, .thread = 1,
	};

	assert_ok(raw_exchange(&srv, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_NONE);
	ask(&cli, QUIT);
	helper_end(&s.h);
}
END_TEST

START_TEST(thread_exit_and_back)
{
	for (int i = 0; i < 10; i++) {
		raw_round_trip(&cli, 0, &srv, "x", 1);
		assert_ok(dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
		assert_ok(dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
		assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	}
}
END_TEST

START_TEST(thread_exit_keeps_no_record)
{
	long before = live("threads");

	raw_round_trip(&cli, 0, &srv, "x", 1);
	ck_assert_int_eq(live("threads"), before + 2);
	assert_ok(dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	assert_ok(dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	for (int i = 0; i < 100 && live("threads") != before; i++)
		usleep(5000);
	ck_assert_int_eq(live("threads"), before);
}
END_TEST

static void *touch(void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	return NULL;
}

/* Threads that end without announcing it make space when it is needed. */
START_TEST(ended_threads_do_not_use_up_the_limit)
{
	uint32_t max = raw_info(&cli).max_threads;
	struct helper h;

	ck_assert_uint_le(max, 4096);
	for (uint32_t i = 0; i < max + 20; i++) {
		helper_start(&h, touch, NULL);
		helper_end(&h);
	}
	raw_none(&cli);
	ck_assert_int_le(live("threads"), (long)max + 3);
}
END_TEST

/* Signals and closing */

static void on_signal(int sig)
{
	(void)sig;
}

static void catch(int sig)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(sig, &act, NULL);
}

struct waiter {
	const struct raw *r;
	struct ipcbus_exchange x;
	struct ipcbus_event first, second;
};

/* Waits. If interrupted, waits once more without sending again. */
static void *wait_twice(void *arg)
{
	struct waiter *w = arg;

	assert_ok(raw_exchange(w->r, &w->x));
	w->first = w->x.event;
	if (w->first.kind == IPCBUS_EVENT_INTERRUPTED) {
		memset(&w->x.send, 0, sizeof(w->x.send));
		assert_ok(raw_exchange(w->r, &w->x));
		w->second = w->x.event;
	}
	return NULL;
}

static void *wait_once(void *arg)
{
	struct waiter *w = arg;
	struct raw r = *w->r;

	assert_ok(raw_exchange(&r, &w->x));
	w->first = w->x.event;
	return NULL;
}

START_TEST(signal_interrupts_a_caller_once)
{
	struct waiter w = { .r = &cli, .x = { .flags = IPCBUS_WAIT,
					      .send = { .kind = IPCBUS_SEND_CALL } } };
	struct ipcbus_event ev;
	struct helper h;

	catch(SIGUSR1);
	helper_start(&h, wait_twice, &w);
	wait_asleep(h.tid);
	pthread_kill(h.thread, SIGUSR1);
	wait_asleep(h.tid);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_none(&srv); /* the call was sent once */
	raw_reply(&srv, ev.call, "late", 4);
	helper_end(&h);
	ck_assert_uint_eq(w.first.kind, IPCBUS_EVENT_INTERRUPTED);
	ck_assert_uint_eq(w.second.kind, IPCBUS_EVENT_REPLY);
	raw_holds(&cli, &w.second, "late", 4);
	raw_release(&cli, &w.second);
}
END_TEST

START_TEST(signal_interrupts_a_server)
{
	struct waiter w = { .r = &srv, .x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE } };
	struct helper h;

	catch(SIGUSR1);
	helper_start(&h, wait_twice, &w);
	wait_asleep(h.tid);
	pthread_kill(h.thread, SIGUSR1);
	wait_asleep(h.tid);
	raw_call(&cli, 0, 1, "x", 1);
	helper_end(&h);
	ck_assert_uint_eq(w.first.kind, IPCBUS_EVENT_INTERRUPTED);
	ck_assert_uint_eq(w.second.kind, IPCBUS_EVENT_CALL);
	raw_release(&srv, &w.second);
}
END_TEST

/* Calls and signals at random: each call still gets exactly its own reply. */
static void *shoot(void *arg)
{
	pthread_t target = *(pthread_t *)arg;

	for (int i = 0; i < 400; i++) {
		pthread_kill(target, SIGUSR1);
		usleep(500);
	}
	return NULL;
}

START_TEST(calls_under_fire)
{
	pthread_t self = pthread_self();
	struct server s;
	struct helper h;

	catch(SIGUSR1);
	start_server(&s);
	helper_start(&h, shoot, &self);
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(ask(&cli, 0), s.h.tid);
	helper_end(&h);
	ask(&cli, QUIT);
	helper_end(&s.h);
	ck_assert_uint_eq(s.served, 501);
}
END_TEST

START_TEST(closing_a_dup_wakes_waiters)
{
	struct waiter w = { .r = &srv, .x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE } };
	struct helper h;
	int twin = dup(srv.fd);

	helper_start(&h, wait_twice, &w);
	wait_asleep(h.tid);
	close(twin);
	usleep(20000);
	wait_asleep(h.tid);
	raw_call(&cli, 0, 1, "x", 1);
	helper_end(&h);
	ck_assert_uint_eq(w.first.kind, IPCBUS_EVENT_INTERRUPTED);
	ck_assert_uint_eq(w.second.kind, IPCBUS_EVENT_CALL);
	raw_release(&srv, &w.second);
}
END_TEST

/* The last fd is closed while a thread waits: it wakes, and the proc is freed when it left. */
START_TEST(closing_the_last_fd_under_a_waiter)
{
	struct waiter w = { .r = &oth, .x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE } };
	struct helper h;

	helper_start(&h, wait_once, &w);
	wait_asleep(h.tid);
	raw_close(&oth);
	helper_end(&h);
	ck_assert_uint_eq(w.first.kind, IPCBUS_EVENT_INTERRUPTED);
}
END_TEST

/* Many */

/* If the machine's clock stands still while a thread runs, the number of calls ends the test. */
enum { SERVERS = 8, CLIENTS = 6, MOST_CALLS = 10000 };

static uint64_t stress_end;

static void *stress_client(void *arg)
{
	uint32_t seed = 77 + *(int *)arg;
	static __thread char data[6000];
	struct ipcbus_event ev;
	struct raw r;
	uintptr_t calls = 0;

	raw_open(&r, 65536);
	while (now_ms() < stress_end && calls < MOST_CALLS) {
		size_t size = next_random(&seed) % sizeof(data);

		pattern_fill(data, size, seed);
		raw_call_wait(&r, 0, 1, data, size, &ev);
		raw_assert(ev.kind == IPCBUS_EVENT_REPLY, "event %u, %s", ev.kind,
			   errname(ev.error));
		raw_holds(&r, &ev, data, size);
		raw_release(&r, &ev);
		calls++;
	}
	raw_close(&r);
	return (void *)calls;
}

static void *stress_server(void *arg)
{
	(void)arg;
	serve_echo(&srv);
	return NULL;
}

START_TEST(many_threads_many_clients)
{
	struct helper servers[SERVERS], clients[CLIENTS];
	struct ipcbus_event ev;
	int names[CLIENTS];
	uintptr_t calls = 0;

	stress_end = now_ms() + 4000;
	for (int i = 0; i < SERVERS; i++)
		helper_start(&servers[i], stress_server, NULL);
	for (int i = 0; i < CLIENTS; i++) {
		names[i] = i;
		helper_start(&clients[i], stress_client, &names[i]);
	}
	for (int i = 0; i < CLIENTS; i++)
		calls += (uintptr_t)helper_end(&clients[i]);
	for (int i = 0; i < SERVERS; i++)
		raw_call_wait(&cli, 0, QUIT, NULL, 0, &ev);
	for (int i = 0; i < SERVERS; i++)
		helper_end(&servers[i]);
	ck_assert_uint_gt(calls, 2 * CLIENTS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("thread");
	TCase *tc = add_case(s, "pool", setup_bus);

	tcase_add_test(tc, latest_idle_first);
	tcase_add_test(tc, no_thread_asked_for_by_default);
	tcase_add_test(tc, thread_asked_for_once);
	tcase_add_test(tc, missing_thread_is_requested_again);
	tcase_add_test(tc, no_thread_requested_while_a_thread_waits);
	tcase_add_test(tc, last_thread_serves_the_unblocking_call);
	tcase_add_test(tc, serving_again_counts_once);
	tcase_add_test(tc, limit_is_kept);
	tcase_add_test(tc, lower_limit_than_threads);
	tcase_add_test(tc, thread_is_requested_again_after_exit);

	tc = add_case(s, "records", setup_bus);
	tcase_add_test(tc, wrong_hints_do_no_harm);
	tcase_add_test(tc, thread_exit_and_back);
	tcase_add_test(tc, thread_exit_keeps_no_record);

	tc = add_case(s, "limits", setup_bus);
	tcase_set_tags(tc, "long");
	tcase_add_test(tc, ended_threads_do_not_use_up_the_limit);

	tc = add_case(s, "interruptions", setup_bus);
	tcase_add_test(tc, signal_interrupts_a_caller_once);
	tcase_add_test(tc, signal_interrupts_a_server);
	tcase_add_test(tc, calls_under_fire);
	tcase_add_test(tc, closing_a_dup_wakes_waiters);
	tcase_add_test(tc, closing_the_last_fd_under_a_waiter);

	tc = add_case(s, "many", setup_bus);
	tcase_add_test(tc, many_threads_many_clients);
	return suite_main(s);
}
