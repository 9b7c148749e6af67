// SPDX-License-Identifier: MIT
/*
 * A monitor's side of the driver: see tap.h. With device.c of libipc the only code
 * of user space that enters the driver.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ipcctl.h"
#include "tap.h"

/* Records have half of it. */
#define REGION_SIZE ((size_t)64 << 20)

struct tap {
	int fd;
	const unsigned char *region;
	uint64_t held;	/* the buffer of the record that was handed out */
};

static volatile sig_atomic_t stopped;

static void on_stop(int signal)
{
	(void)signal;
	stopped = 1;
}

void tap_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_stop };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool tap_stopped(void)
{
	return stopped;
}

uint64_t tap_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- Opening -------------------------------------------------------------------- */

static int cannot(int error)
{
	switch (error) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return complain(STATUS_NO_BUS, "load the module: modprobe ipcbus",
				"there is no bus %s", ctl_device());
	case EPERM:
	case EACCES:
		return complain(STATUS_DENIED, "try it as root: sudo ipcctl ...",
				"you may not monitor the bus %s", ctl_device());
	case EDQUOT:
		return complain(STATUS_FAILED, "end one of the others: ipcctl top, monitor, graph",
				"the bus has as many monitors as it may have");
	case ESRCH:
		return complain(STATUS_NOT_FOUND, NULL, "there is no such process");
	case ENOTTY:
		return complain(STATUS_FAILED, "ipcctl doctor says more",
				"%s has no monitors: no bus, or the driver is too old",
				ctl_device());
	default:
		return complain(STATUS_FAILED, NULL, "monitor %s: %s", ctl_device(),
				strerror(error));
	}
}

static int start(struct tap *tap, unsigned int flags, unsigned int pid, unsigned int max_data)
{
	struct ipcbus_monitor monitor = {
		.size = sizeof(monitor), .flags = flags, .pid = pid, .max_data = max_data,
	};
	void *region;

	tap->fd = open(ctl_device(), O_RDWR | O_CLOEXEC);
	if (tap->fd < 0)
		tap->fd = open(ctl_device(), O_RDONLY | O_CLOEXEC);
	if (tap->fd < 0)
		return -errno;
	region = mmap(NULL, REGION_SIZE, PROT_READ, MAP_SHARED, tap->fd, 0);
	if (region == MAP_FAILED)
		return errno == ENODEV ? -ENOTTY : -errno;
	tap->region = region;
	return ioctl(tap->fd, IPCBUS_IOC_MONITOR, &monitor) < 0 ? -errno : 0;
}

int tap_open(struct tap **ret_tap, unsigned int flags, unsigned int pid, unsigned int max_data)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int r;

	if (!tap)
		return fail_memory();
	tap->fd = -1;
	r = start(tap, flags, pid, max_data);
	if (r < 0) {
		tap_close(tap);
		return cannot(-r);
	}
	*ret_tap = tap;
	return STATUS_OK;
}

struct tap *tap_close(struct tap *tap)
{
	if (!tap)
		return NULL;
	if (tap->region)
		munmap((void *)tap->region, REGION_SIZE);
	if (tap->fd >= 0)
		close(tap->fd);
	free(tap);
	return NULL;
}

/* --- Records -------------------------------------------------------------------- */

/* A longer head than ours is from a newer driver; what we know is at its beginning. */
int record_parse(struct record *record, const void *raw, size_t size)
{
	const unsigned char *bytes = raw;
	struct ipcbus_tap *head = &record->head;
	uint64_t table;

	if (size < IPCBUS_TAP_SIZE_VER0)
		return -EBADMSG;
	memset(head, 0, sizeof(*head));
	memcpy(head, raw, IPCBUS_TAP_SIZE_VER0);
	table = (uint64_t)head->object_count * sizeof(struct ipcbus_tap_object);
	if (head->size < IPCBUS_TAP_SIZE_VER0 || head->size > size ||
	    head->data_kept > size - head->size || head->data_kept > head->data_size)
		return -EBADMSG;
	if (table && (head->objects % 8 || head->objects > size || table > size - head->objects))
		return -EBADMSG;
	record->data = bytes + head->size;
	record->objects = table ? (const void *)(bytes + head->objects) : NULL;
	record->raw = raw;
	record->raw_size = size;
	return 0;
}

/* Gives back what was handed out, and takes one more if there is one. */
static int take(struct tap *tap, struct record *record)
{
	struct ipcbus_exchange exchange = {
		.size = sizeof(exchange), .flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
		.free = tap->held, .free_count = tap->held != 0,
	};

	if (ioctl(tap->fd, IPCBUS_IOC_EXCHANGE, &exchange) < 0)
		return -errno;
	tap->held = exchange.event.buffer;
	if (exchange.event.kind != IPCBUS_EVENT_TAP)
		return 0;
	return record_parse(record, tap->region + exchange.event.offset,
			    exchange.event.data_size) ?: 1;
}

int tap_next(struct tap *tap, int timeout_ms, struct record *record)
{
	struct pollfd poller = { .fd = tap->fd, .events = POLLIN };
	int r;

	r = take(tap, record);
	if (r)
		return r;
	r = poll(&poller, 1, timeout_ms);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r ? take(tap, record) : 0;
}
