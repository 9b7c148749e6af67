// SPDX-License-Identifier: MIT
/*
 * A worker that is about to sleep misses that a client rings, because late.c delays the sleep. The
 * thread must ring again soon, and not only in its check of each second.
 *
 *   wakes CONNECTIONS      with $IPCBUS_BUS
 *
 * The last connections call in turns. With more than 64 connections, the worker finds those that
 * called last by their areas, and the others by the bell.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipcbus.h"
#include "../../../libipc/device/device-daemon.h"

#define CALLS	60
#define CALLERS	20
#define MAX	100
/* Milliseconds for all calls. A call takes a few, or a second if only the check rings again. */
#define LONGEST 12000

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	int n = argc == 2 ? atoi(argv[1]) : 0, callers = n < CALLERS ? n : CALLERS, r = 0;
	struct daemon_link *bus[MAX];
	long long begin, took;

	for (int i = 0; i < n && i < MAX && !r; i++)
		r = daemon_open(getenv("IPCBUS_BUS"), &bus[i]);
	if (r == -EDQUOT) {
		printf("ok - a worker of %d clients is woken soon # SKIP they are too many\n", n);
		return 0;
	}
	if (r || !callers || n > MAX) {
		fprintf(stderr, "wakes: cannot open the bus: %s\n", strerror(-r));
		return 1;
	}
	begin = now();
	for (int i = 0; i < CALLS && !r; i++) {
		struct ipcbus_info info = { .size = sizeof(info) };

		/* The worker has read the bell, and does not sleep yet. */
		usleep(500);
		r = daemon_ioctl_of(bus[n - 1 - i % callers], 0, IPCBUS_IOC_INFO, &info);
	}
	took = now() - begin;
	printf("# %d calls took %lld ms\n", CALLS, took);
	r = r || took > LONGEST;
	printf("%s - a worker of %d clients that is about to sleep is woken soon\n",
	       r ? "not ok" : "ok", n);
	return r;
}
