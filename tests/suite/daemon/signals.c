// SPDX-License-Identifier: MIT
/*
 * A signal must end a wait, even if it arrives while the thread checks whether the daemon is alive.
 * The library's clock is behind in this program, so that threads check 3,000 times a second instead
 * of once.
 *
 *   signals        with $IPCBUS_BUS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NSEC 300000

/* One second before the next check is due. */
static void read_clock(struct timespec *ts)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	ts->tv_sec--;
	ts->tv_nsec += LOOK_NSEC;
	if (ts->tv_nsec < 1000000000)
		return;
	ts->tv_nsec -= 1000000000;
	ts->tv_sec++;
}

#define clock_gettime(clock, ts) read_clock(ts)
#include "../../../libipc/device/device-daemon.c"
#include "../../../libipc/device/device-open.c"
#undef clock_gettime

#define THREADS 32
#define ROUNDS	40
#define REGION	65536
#define SECONDS 20

static struct daemon_link *bus;
static _Thread_local volatile sig_atomic_t signalled;

static void on_signal(int signal)
{
	(void)signal;
	signalled = 1;
}

/* Waits until the signal ends the wait. */
static void *wait_for_signal(void *unused)
{
	struct ipcbus_exchange x;
	int r;

	device_set_interruptible(true);
	do {
		x = (struct ipcbus_exchange){ .size = sizeof(x),
					      .flags = IPCBUS_WAIT | IPCBUS_SERVE };
		r = daemon_ioctl_of(bus, 0, IPCBUS_IOC_EXCHANGE, &x);
	} while (r == 0 && x.event.kind == IPCBUS_EVENT_INTERRUPTED && !signalled);
	daemon_ioctl_of(bus, 0, IPCBUS_IOC_THREAD_EXIT, NULL);
	return r || x.event.kind != IPCBUS_EVENT_INTERRUPTED ? unused : NULL;
}

/* Returns the number of threads that do not end. */
static int play_round(void)
{
	struct timespec until;
	pthread_t thread[THREADS];
	int missed = 0;
	void *failed;

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, wait_for_signal, &bus))
			abort();
	usleep(20000);
	for (int i = 0; i < THREADS; i++)
		pthread_kill(thread[i], SIGUSR1);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SECONDS;
	for (int i = 0; i < THREADS; i++) {
		if (pthread_timedjoin_np(thread[i], &failed, &until))
			missed++;
		else if (failed)
			abort();
	}
	return missed;
}

int main(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	const char *path = getenv("IPCBUS_BUS");
	const void *region;
	int r, missed = 0;

	r = path ? daemon_open(path, &bus) : -EINVAL;
	if (r == 0)
		r = daemon_map(bus, REGION, &region);
	if (r < 0) {
		printf("cannot use the bus: %s\n", strerror(-r));
		return 1;
	}
	sigaction(SIGUSR1, &act, NULL);
	for (int i = 0; i < ROUNDS && !missed; i++)
		missed = play_round();
	printf("%d signals did not end a wait\n", missed);
	return missed != 0;
}
