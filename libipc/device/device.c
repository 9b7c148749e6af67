// SPDX-License-Identifier: MIT
/*
 * Access to the driver: open, mmap, ioctl, poll. See device.h. On a bus of ipcbusd, calls
 * device-daemon.c instead.
 *
 * The fields of an event are trusted, because the driver writes them. Payloads in the region are
 * not, and are not read here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "device-daemon.h"
#include "device-link.h"
#include "device.h"

#define DEBUGFS "/sys/kernel/debug/ipcbus"

/* For an operation on a number that is valid only in this generation of the connection; 0: of all
 * generations. */
static int device_ioctl_of(const struct device *device, uint64_t generation, unsigned long request,
			   void *arg)
{
	if (__builtin_expect(device->link != NULL, 0))
		return daemon_ioctl_of(device->link, generation, request, arg);
	return ioctl(device->fd, request, arg) < 0 ? -errno : 0;
}

static int open_bus(struct device *device, const char *path)
{
	int r;

	*device = (struct device){ .wake_fd = -1, .poll_fd = -1 };
	device->fd = descriptor_move(open(path, O_RDWR | O_CLOEXEC));
	if (device->fd >= 0)
		return 0;
	/* open() of a socket fails with ENXIO. */
	if (errno != ENXIO)
		return -errno;
	r = daemon_open(path, &device->link);
	if (r == 0)
		device->fd = device->link->fds[LINK_EVENTS];
	return r;
}

static int map_region(struct device *device, size_t size)
{
	const void *region;
	int r;

	if (device->link) {
		r = daemon_map(device->link, size, &region);
		if (r < 0)
			return r;
	} else {
		region = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, device->fd, 0);
		if (region == MAP_FAILED)
			return -errno;
	}
	device->region = region;
	device->region_size = size;
	return 0;
}

int device_open(struct device *device, const char *path, size_t region_size)
{
	struct ipcbus_info info = { 0 };
	int r;

	r = open_bus(device, path);
	if (r < 0)
		return r;

	if (!device->link) {
		device->wake_fd = fcntl(device->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		r = device->wake_fd < 0 ? -errno : 0;
	}
	/* On any other device this fails with ENOTTY, before the region is mapped. */
	if (r == 0)
		r = device_request(device, IPCBUS_IOC_INFO, &info);
	if (r == 0)
		r = map_region(device, region_size);
	if (r < 0) {
		device_close(device, /* mapped= */ true);
		return r;
	}
	device->version = info.version;
	device->features = info.features;
	return 0;
}

void device_close(struct device *device, bool mapped)
{
	if (device->poll_fd >= 0)
		close(device->poll_fd);
	if (device->link) {
		daemon_close(device->link, mapped);
	} else {
		if (mapped && device->region)
			munmap((void *)device->region, device->region_size);
		if (device->wake_fd >= 0)
			close(device->wake_fd);
		if (device->fd >= 0)
			close(device->fd);
	}
	*device = (struct device){ .fd = -1, .wake_fd = -1, .poll_fd = -1 };
}

int device_exchange(const struct device *device, uint64_t generation, struct ipcbus_exchange *x)
{
	x->size = sizeof(*x);
	if (x->send.kind)
		x->send.flags |= device->send_flags;
	/* The driver does not set it if it fails early. */
	x->event.stage = 0;
	return device_ioctl_of(device, generation, IPCBUS_IOC_EXCHANGE, x);
}

/*
 * Interrupts the waits of all threads. The driver does so when an fd of the file is closed. dup3()
 * over the spare fd closes it and has it back at once: it needs no free fd number.
 */
void device_wake(const struct device *device)
{
	int saved = errno;

	if (device->link) {
		daemon_wake(device->link);
		return;
	}
	while (dup3(device->fd, device->wake_fd, O_CLOEXEC) < 0 && errno == EBUSY)
		; /* another thread is just installing that very number */
	errno = saved;
}

int device_end_fd(const struct device *device)
{
	return device->link && !device->is_lost ? device->link->socket : -1;
}

uint64_t device_time_out(const struct device *device, uint64_t time)
{
	return device->link ? link_time_out(device->link, time) : time;
}

uint64_t device_time_in(const struct device *device, uint64_t time)
{
	return device->link ? link_time_in(device->link, time) : time;
}

bool device_has_ended(const struct device *device)
{
	return device->link && daemon_is_gone(device->link);
}

static int poll_change(int epoll, int how, int fd, struct epoll_event *event)
{
	return epoll_ctl(epoll, how, fd, event) < 0 && errno != ENOENT && errno != EEXIST ?
		       -errno : 0;
}

/* Polls for these conditions, each of which the daemon reports by an fd of its own. */
static int set_poll_daemon(struct device *device, unsigned int polls)
{
	struct epoll_event event = { .events = EPOLLIN };
	bool events = polls & DEVICE_POLL_EVENT, writable = polls & DEVICE_POLL_WRITABLE;
	int r;

	/* device_poll() looks for events in any case. */
	r = daemon_set_poll(device->link, writable);
	/* The bus has ended, which poll_fd reports already. Waiters for space need the error. */
	if (r == -ECONNRESET && !writable) {
		device->polls = polls;
		return 0;
	}
	if (r == 0)
		r = poll_change(device->poll_fd, events ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, device->fd,
				&event);
	if (r == 0)
		r = poll_change(device->poll_fd, writable ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
				device->link->fds[LINK_WRITABLE], &event);
	if (r == 0)
		device->polls = polls;
	return r;
}

int device_set_poll(struct device *device, unsigned int polls)
{
	struct epoll_event event = { 0 };
	bool is_new = device->poll_fd < 0;
	int how;

	if (is_new)
		device->poll_fd = descriptor_move(epoll_create1(EPOLL_CLOEXEC));
	if (device->poll_fd < 0)
		return -errno;
	/* Without events: its end is reported. */
	if (is_new && device_end_fd(device) >= 0 &&
	    epoll_ctl(device->poll_fd, EPOLL_CTL_ADD, device_end_fd(device), &event) < 0)
		return -errno;
	if (polls == device->polls)
		return 0;
	if (device->is_lost) {
		device->polls = polls;
		return 0;
	}
	if (device->link)
		return set_poll_daemon(device, polls);

	if (polls & DEVICE_POLL_EVENT)
		event.events |= EPOLLIN;
	/* After a poll with EPOLLOUT the driver may withdraw its report before device_is_writable()
	 * asks for it. */
	if (polls & DEVICE_POLL_WRITABLE)
		event.events |= EPOLLWRNORM;
	how = !device->polls ? EPOLL_CTL_ADD : polls ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
	if (epoll_ctl(device->poll_fd, how, device->fd, &event) < 0)
		return -errno;
	device->polls = polls;
	return 0;
}

/* --- Another daemon --------------------------------------------------------------- */

/* Notes that the bus has ended, and removes its files from the epoll file: if a forked child keeps
 * them open, closing does not. */
void device_lose(struct device *device)
{
	device->is_lost = true;
	if (device->poll_fd < 0)
		return;
	poll_change(device->poll_fd, EPOLL_CTL_DEL, device->link->socket, NULL);
	poll_change(device->poll_fd, EPOLL_CTL_DEL, device->fd, NULL);
	poll_change(device->poll_fd, EPOLL_CTL_DEL, device->link->fds[LINK_WRITABLE], NULL);
}

int device_reopen(struct device *device, const char *path)
{
	return daemon_reopen(device->link, path);
}

int device_resume(struct device *device, uint64_t generation)
{
	struct epoll_event event = { 0 };
	unsigned int polls = device->polls;

	device->link->generation = generation;
	__atomic_store_n(&device->link->gone, false, __ATOMIC_SEQ_CST);
	device->is_lost = false;
	device->polls = 0;
	if (device->poll_fd < 0)
		return 0;
	if (epoll_ctl(device->poll_fd, EPOLL_CTL_ADD, device_end_fd(device), &event) < 0)
		return -errno;
	return device_set_poll(device, polls);
}

bool device_is_old(const struct device *device, const void *at)
{
	return device->link && daemon_is_old(device->link, at);
}

void device_released_slowly(const struct device *device, uint64_t buffer)
{
	daemon_released(device->link, buffer);
}

/* --- Waiting ----------------------------------------------------------------------- */

static int poll_fds(struct pollfd *fds, unsigned int n, uint64_t timeout_usec)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_usec / 1000000),
		.tv_nsec = (long)(timeout_usec % 1000000) * 1000,
	};

	return ppoll(fds, n, timeout_usec == UINT64_MAX ? NULL : &ts, NULL) < 0 ? -errno : 0;
}

int device_poll(const struct device *device, unsigned int polls, int other, int another,
		uint64_t timeout_usec)
{
	const struct pollfd none = { .fd = -1 };
	struct pollfd fds[] = {
		none,
		none,
		{ .fd = other, .events = POLLIN },
		{ .fd = another, .events = POLLIN },
		{ .fd = device_end_fd(device) },
	};
	int r = 0;

	if (polls & DEVICE_POLL_EVENT) {
		fds[0] = (struct pollfd){ .fd = device->fd, .events = POLLIN };
		if (device->is_lost)
			fds[0].fd = -1;
		fds[1] = (struct pollfd){ .fd = device->poll_fd, .events = POLLIN };
		if (device->link && !device->is_lost)
			r = daemon_change_poll(device->link, IPCBUSD_POLL_EVENT, /* remove= */ 0);
	}
	if (r == 0)
		r = poll_fds(fds, 5, timeout_usec);
	if (r < 0)
		return r;
	if (fds[4].revents)
		return -ECONNRESET;
	for (int i = 0; i < 2; i++)
		if (fds[i].revents && !(fds[i].revents & fds[i].events))
			return -EIO;
	return (fds[0].revents ? (int)DEVICE_POLL_EVENT : 0) |
	       (fds[1].revents ? (int)DEVICE_POLL_WRITABLE : 0) |
	       (fds[2].revents ? (int)DEVICE_POLL_OTHER : 0);
}

int device_poll_words(const struct device *device, struct device_words *ret_words)
{
	if (!device->link)
		return -EOPNOTSUPP;
	*ret_words = (struct device_words){
		.event = (const atomic_uint *)&first_page(device->link)->event,
		.wakes = (const atomic_uint *)&device->link->wakes,
		.bell = (atomic_uint *)&device->link->wait_word,
	};
	return daemon_change_poll(device->link, IPCBUSD_POLL_WORD, /* remove= */ 0);
}

const uint32_t *device_monitors(const struct device *device)
{
	return device->link ? &device->link->status->monitors : NULL;
}

bool device_is_writable(const struct device *device)
{
	struct pollfd fd = {
		.fd = device->link ? device->link->fds[LINK_WRITABLE] : device->fd,
		.events = device->link ? POLLIN : POLLOUT,
	};

	if (poll(&fd, 1, 0) <= 0)
		return false;
	/* The daemon consumes the report when the client stops polling. */
	if (device->link && daemon_set_poll(device->link, false) == 0)
		daemon_set_poll(device->link, true);
	return true;
}

/* The event need not be taken, because the file is closed at once. */
int device_wait_manager(const char *path, uint64_t timeout_usec)
{
	struct ipcbus_handle watch = { .flags = IPCBUS_WATCH_MANAGER };
	struct device device;
	int r;

	r = open_bus(&device, path);
	if (r < 0)
		return r;

	r = device_request(&device, IPCBUS_IOC_WATCH, &watch);
	if (r == 0)
		r = device_poll(&device, DEVICE_POLL_EVENT, /* other= */ -1, /* another= */ -1,
				timeout_usec);
	device_close(&device, /* mapped= */ true);
	return r;
}

/* The files of the default bus are in debugfs, the files of a mounted bus beside its file "bus". */
int device_open_state(const char *path, const char *name)
{
	char file[PATH_MAX];
	struct stat st;
	int n, fd;

	if (strchr(name, '/'))
		return -EINVAL;
	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISSOCK(st.st_mode))
		return daemon_open_state(path, name);
	n = S_ISCHR(st.st_mode) ? snprintf(file, sizeof(file), DEBUGFS "/%s", name) :
				  snprintf(file, sizeof(file), "%.*s%s",
					   (int)(basename(path) - path), path, name);
	if (n < 0 || (size_t)n >= sizeof(file))
		return -ENAMETOOLONG;
	fd = descriptor_move(open(file, O_RDONLY | O_CLOEXEC));
	return fd < 0 ? -errno : fd;
}

int device_request(const struct device *device, unsigned long request, void *arg)
{
	*(uint32_t *)arg = _IOC_SIZE(request);
	return device_ioctl_of(device, /* generation= */ 0, request, arg);
}

int device_node_destroy(const struct device *device, uint64_t node, bool if_idle)
{
	struct ipcbus_node arg = {
		.flags = if_idle ? IPCBUS_NODE_IF_IDLE : 0,
		.node = node,
	};

	return device_request(device, IPCBUS_IOC_NODE_DESTROY, &arg);
}

int device_handle_put(const struct device *device, uint64_t generation, uint32_t handle,
		      uint32_t count)
{
	struct ipcbus_handle arg = { .size = sizeof(arg), .handle = handle, .count = count };

	return device_ioctl_of(device, generation, IPCBUS_IOC_HANDLE_PUT, &arg);
}

int device_cancel(const struct device *device, uint64_t cookie)
{
	struct ipcbus_cancel arg = { .cookie = cookie };

	return device_request(device, IPCBUS_IOC_CANCEL, &arg);
}

int device_thread_exit(const struct device *device)
{
	return device_ioctl_of(device, /* generation= */ 0, IPCBUS_IOC_THREAD_EXIT, NULL);
}
