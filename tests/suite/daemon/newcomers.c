// SPDX-License-Identifier: MIT
/*
 * Many threads use the bus for the first time at once. All of them must be served, although they
 * are idle afterwards. Then threads start, use the bus once, and end, all the time: a thread's
 * first ioctl must not be starved by later threads. In a PID namespace below the daemon's, the
 * daemon accepts its threads in sequence.
 *
 *   newcomers      with $IPCBUS_BUS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipcbus.h"
#include "../../../libipc/device/device-daemon.h"

#define BURST	 150
#define PLACES	 16
#define SECONDS	 4
#define PATIENCE 30
#define LONGEST	 1500 /* ms: each waits for all earlier threads in turn */
#define MS(nsec) ((nsec) / 1000000)

static struct daemon_link *bus;
static atomic_llong longest;
static atomic_uint begun, failed;

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static pthread_barrier_t barrier;
static atomic_bool finished;

static void *come_at_once(void *unused)
{
	struct ipcbus_info info = { .size = sizeof(info) };

	pthread_barrier_wait(&barrier);
	if (daemon_ioctl_of(bus, 0, IPCBUS_IOC_INFO, &info))
		atomic_fetch_add(&failed, 1);
	atomic_fetch_add(&begun, 1);
	while (!atomic_load(&finished))
		usleep(10000);
	daemon_ioctl_of(bus, 0, IPCBUS_IOC_THREAD_EXIT, NULL);
	return unused;
}

/* Returns whether all threads were served. */
static bool come_together(void)
{
	long long begin = now();
	pthread_t thread[BURST];

	pthread_barrier_init(&barrier, NULL, BURST);
	for (int i = 0; i < BURST; i++)
		if (pthread_create(&thread[i], NULL, come_at_once, NULL))
			abort();
	while (atomic_load(&begun) < BURST && now() - begin < PATIENCE * 1000000000LL)
		usleep(10000);
	printf("%u threads of %d are served\n", atomic_load(&begun), BURST);
	if (atomic_load(&begun) < BURST)
		return false;
	atomic_store(&finished, true);
	for (int i = 0; i < BURST; i++)
		pthread_join(thread[i], NULL);
	atomic_store(&begun, 0);
	return true;
}

static void *come(void *unused)
{
	struct ipcbus_info info = { .size = sizeof(info) };
	long long begin = now(), took, most;

	if (daemon_ioctl_of(bus, 0, IPCBUS_IOC_INFO, &info))
		atomic_fetch_add(&failed, 1);
	took = now() - begin;
	most = atomic_load(&longest);
	while (took > most && !atomic_compare_exchange_weak(&longest, &most, took))
		;
	atomic_fetch_add(&begun, 1);
	daemon_ioctl_of(bus, 0, IPCBUS_IOC_THREAD_EXIT, NULL);
	return unused;
}

static void *come_one_by_one(void *unused)
{
	long long end = now() + SECONDS * 1000000000LL;
	pthread_t thread;

	while (now() < end) {
		if (pthread_create(&thread, NULL, come, NULL))
			abort();
		pthread_join(thread, NULL);
	}
	return unused;
}

int main(void)
{
	const char *path = getenv("IPCBUS_BUS");
	pthread_t place[PLACES];
	int r;

	r = path ? daemon_open(path, &bus) : -EINVAL;
	if (r < 0 || !bus) {
		printf("cannot use the bus: %s\n", strerror(-r));
		return 1;
	}
	if (!come_together())
		return 1;
	for (int i = 0; i < PLACES; i++)
		if (pthread_create(&place[i], NULL, come_one_by_one, NULL))
			abort();
	for (int i = 0; i < PLACES; i++)
		pthread_join(place[i], NULL);
	printf("%u threads, %u failed, the longest wait %lld ms\n", atomic_load(&begun),
	       atomic_load(&failed), MS(atomic_load(&longest)));
	return failed || MS(atomic_load(&longest)) > LONGEST;
}
