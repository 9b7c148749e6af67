// SPDX-License-Identifier: MIT
/*
 * A worker that is about to sleep misses that a client rings, because late.c delays the sleep. The
 * thread must ring again soon, and not only in its check of each second.
 *
 *   wakes      with $IPCBUS_BUS
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipcbus.h"
#include "../../../libipc/core/device-daemon.h"

#define CALLS	20
/* Milliseconds for all calls. A call takes a few, or a second if only the check rings again. */
#define LONGEST 4000

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

int main(void)
{
	struct daemon_link *bus;
	long long begin, took;
	int r = daemon_open(getenv("IPCBUS_BUS"), &bus);

	if (r) {
		fprintf(stderr, "wakes: cannot open the bus: %s\n", strerror(-r));
		return 1;
	}
	begin = now();
	for (int i = 0; i < CALLS && !r; i++) {
		struct ipcbus_info info = { .size = sizeof(info) };

		/* The worker has read the bell, and does not sleep yet. */
		usleep(500);
		r = daemon_ioctl_of(bus, 0, IPCBUS_IOC_INFO, &info);
	}
	took = now() - begin;
	printf("# %d calls took %lld ms\n", CALLS, took);
	r = r || took > LONGEST;
	printf("%s - a worker that is about to sleep is woken soon\n", r ? "not ok" : "ok");
	return r;
}
