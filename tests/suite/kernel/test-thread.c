// SPDX-License-Identifier: MIT
/*
 * Threads: which thread is chosen, the effect of signals and close on a waiting thread, and many
 * threads on two CPUs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"

/* A thread of srv's. It replies to code 0 with its tid, and ends with QUIT. */
struct server {
	struct helper h;
	unsigned int served;
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

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint n_touched;
static atomic_int refused;

static void *touch_and_stay(void *unused)
{
	struct ipcbus_event ev;
	int r = raw_next(&cli, IPCBUS_NONBLOCK, &ev);

	(void)unused;
	if (r < 0)
		refused = r;
	n_touched++;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return NULL;
}

/* With ipcbusd, a thread that only opened the bus counts as well. */
START_TEST(threads_over_the_cap)
{
	static struct helper h[1025];
	unsigned int n = 0;

	ck_assert_uint_eq(raw_info(&cli).max_threads, 1024);
	pthread_mutex_lock(&gate);
	while (!refused && n < ARRAY_SIZE(h)) {
		helper_start(&h[n++], touch_and_stay, NULL);
		while (n_touched < n)
			usleep(100);
	}
	assert_result(refused, -EDQUOT);
	ck_assert_uint_ge(n, 1024);
	pthread_mutex_unlock(&gate);
	for (unsigned int i = 0; i < n; i++)
		helper_end(&h[i]);
	raw_none(&cli);
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

	tc = add_case(s, "records", setup_bus);
	tcase_add_test(tc, wrong_hints_do_no_harm);
	tcase_add_test(tc, thread_exit_and_back);
	tcase_add_test(tc, thread_exit_keeps_no_record);

	tc = add_case(s, "limits", setup_bus);
	tcase_set_tags(tc, "long");
	tcase_add_test(tc, ended_threads_do_not_use_up_the_limit);
	tcase_add_test(tc, threads_over_the_cap);

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
