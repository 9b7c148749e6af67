// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon's counterpart of debugfs and /sys/module: the driver's files and its parameters.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "account.h"
#include "client.h"
#include "ipcbus-daemon.h"
#include "kernel/fiber.h"
#include "kernel/rcu.h"
#include "kernel/slab.h"
#include "shim.h"
#include "socket.h"

/* --- Files of the driver ------------------------------------------------------------- */

struct reading {
	struct flight *flight;
	int socket;
	char name[sizeof(((struct ipcbusd_message *)0)->name) + 1];
};

/* Held while a thread makes a text, which can be large. */
static pthread_mutex_t reading_lock = PTHREAD_MUTEX_INITIALIZER;

static int write_all(int fd, const char *text, size_t size)
{
	ssize_t n;

	for (; size; text += n, size -= (size_t)n) {
		n = write(fd, text, size);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			n = 0;
	}
	return lseek(fd, 0, SEEK_SET) ? -errno : 0;
}

/* Returns a memfd with the text, or -errno. */
static int open_text(const char *name)
{
	char *text = shim_debugfs_read(name);
	int fd, ret;

	if (!text)
		return -ENOENT;
	fd = memfd_create(name, MFD_CLOEXEC);
	ret = fd < 0 ? -errno : write_all(fd, text, strlen(text));
	free(text);
	if (!ret)
		return fd;
	if (fd >= 0)
		close(fd);
	return ret;
}

static void *read_main(void *arg)
{
	struct reading *reading = arg;
	struct ipcbusd_message reply = { .kind = IPCBUSD_READ };
	int fd;

	pthread_mutex_lock(&reading_lock);
	fd = open_text(reading->name);
	pthread_mutex_unlock(&reading_lock);
	reply.error = fd < 0 ? fd : 0;
	socket_send(reading->socket, &reply, &fd, fd >= 0);
	flight_end(reading->flight);
	if (fd >= 0)
		close(fd);
	free(reading);
	shim_task_exit();
	rcu_retire();
	return NULL;
}

int admin_read(struct flight *flight, int socket, const char *name)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	pthread_t thread;
	int r;

	if (!reading)
		return -ENOMEM;
	reading->flight = flight;
	reading->socket = socket;
	strncpy(reading->name, name, sizeof(reading->name) - 1);
	r = pthread_create(&thread, NULL, read_main, reading);
	if (r)
		free(reading);
	else
		pthread_detach(thread);
	return -r;
}

/* --- The clock, failures and parameters ---------------------------------------------- */

void admin_stop_clock(void)
{
	shim_clock_stop();
}

int admin_advance(uint64_t by, uint64_t *ret_now)
{
	if (!shim_clock_is_stopped())
		return -EOPNOTSUPP;
	if (by > INT64_MAX - ktime_get_ns())
		return -ERANGE;
	shim_clock_advance(by);
	workers_wake();
	*ret_now = ktime_get_ns();
	return 0;
}

uint64_t admin_fail(int pid, uint64_t nth)
{
	return slab_fail(pid, nth);
}

int admin_set(const char *name, unsigned int value, unsigned int *ret_before)
{
	unsigned int *parameter = shim_param(name);

	if (!parameter)
		return -ENOENT;
	*ret_before = __atomic_exchange_n(parameter, value, __ATOMIC_RELAXED);
	return 0;
}

void admin_set_default(const char *name, unsigned int value)
{
	unsigned int *parameter = shim_param(name);

	if (parameter && !*parameter)
		*parameter = value;
}

/* The driver derives its limits from this. */
unsigned long totalram_pages(void)
{
	return memory_total() / PAGE_SIZE;
}

#define PART_OF_MEMORY	4
#define LEAST_MEMORY	(16U << 10)	/* KiB */
#define MOST_MEMORY	(4U << 20)

void admin_update_memory(void)
{
	static unsigned int before;
	unsigned int *parameter = shim_param("user_memory"), now;
	uint64_t part = memory_total() / 1024 / PART_OF_MEMORY;

	now = (unsigned int)clamp(part, (uint64_t)LEAST_MEMORY, (uint64_t)MOST_MEMORY);
	if (__atomic_load_n(parameter, __ATOMIC_RELAXED) != before)
		return;
	before = now;
	__atomic_store_n(parameter, now, __ATOMIC_RELAXED);
}
