// SPDX-License-Identifier: MIT
/*
 * Freezing a process with many threads.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "fixture.h"

static void on_signal(int sig)
{
	(void)sig;
}

/* More than the driver stops in a single step. */
#define THREADS 70

static void *serve_in_vain(void *arg)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_SERVE };
	struct raw r = srv;

	(void)arg;
	assert_ok(raw_exchange(&r, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_INTERRUPTED);
	return NULL;
}

/* No thread has any work left when it leaves. */
START_TEST(all_threads_are_stopped)
{
	struct sigaction act = { .sa_handler = on_signal };
	static struct helper h[THREADS];
	struct ipcbus_event ev;
	struct ipcbus_freeze f;

	sigaction(SIGUSR1, &act, NULL);
	for (int i = 0; i < THREADS; i++)
		helper_start(&h[i], serve_in_vain, NULL);
	for (int i = 0; i < THREADS; i++)
		wait_asleep(h[i].tid);
	assert_ok(raw_freeze(&cli, 0, getpid(), 0, &f));
	raw_oneway(&cli, 0, 1, "kept", 4);
	for (int i = 0; i < THREADS; i++) {
		pthread_kill(h[i].thread, SIGUSR1);
		helper_end(&h[i]);
	}
	assert_ok(raw_freeze(&cli, IPCBUS_FREEZE_THAW, getpid(), 0, &f));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}
END_TEST

/* Closing a copy of the fd, by which libipc wakes its threads, also wakes frozen threads. */
START_TEST(frozen_threads_are_interrupted)
{
	struct helper h[2];
	struct ipcbus_freeze f;

	for (int i = 0; i < 2; i++)
		helper_start(&h[i], serve_in_vain, NULL);
	for (int i = 0; i < 2; i++)
		wait_asleep(h[i].tid);
	assert_ok(raw_freeze(&cli, 0, getpid(), 0, &f));
	close(dup(srv.fd));
	for (int i = 0; i < 2; i++)
		helper_end(&h[i]);
	assert_ok(raw_freeze(&cli, IPCBUS_FREEZE_THAW, getpid(), 0, &f));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("freeze-threads");
	TCase *tc = add_case(s, "bus", setup_bus);

	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, all_threads_are_stopped);
	tcase_add_test(tc, frozen_threads_are_interrupted);
	return suite_main(s);
}
