// SPDX-License-Identifier: MIT
/*
 * The one place that speaks to the driver: open, mmap, ioctl, poll.
 *
 * Everything else calls device.h, which says the same in plain types. What the
 * driver writes into an event is trusted; what lies in the region as payload
 * is not, and is not looked at here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "ipcbus.h"

/* The plain types have the driver's numbers, so that most are just copied. */
_Static_assert((int)DEVICE_SEND_NONE == (int)IPCBUS_SEND_NONE &&
	       (int)DEVICE_SEND_CALL == (int)IPCBUS_SEND_CALL &&
	       (int)DEVICE_SEND_ONEWAY == (int)IPCBUS_SEND_ONEWAY &&
	       (int)DEVICE_SEND_REPLY == (int)IPCBUS_SEND_REPLY &&
	       (int)DEVICE_SEND_ERROR == (int)IPCBUS_SEND_ERROR, "kinds of messages");
_Static_assert((int)DEVICE_EVENT_NONE == (int)IPCBUS_EVENT_NONE &&
	       (int)DEVICE_EVENT_INTERRUPTED == (int)IPCBUS_EVENT_INTERRUPTED &&
	       (int)DEVICE_EVENT_CALL == (int)IPCBUS_EVENT_CALL &&
	       (int)DEVICE_EVENT_ONEWAY == (int)IPCBUS_EVENT_ONEWAY &&
	       (int)DEVICE_EVENT_REPLY == (int)IPCBUS_EVENT_REPLY &&
	       (int)DEVICE_EVENT_ERROR == (int)IPCBUS_EVENT_ERROR &&
	       (int)DEVICE_EVENT_FAILED == (int)IPCBUS_EVENT_FAILED &&
	       (int)DEVICE_EVENT_DEAD == (int)IPCBUS_EVENT_DEAD &&
	       (int)DEVICE_EVENT_IDLE == (int)IPCBUS_EVENT_IDLE &&
	       (int)DEVICE_EVENT_MANAGER == (int)IPCBUS_EVENT_MANAGER &&
	       (int)DEVICE_EVENT_CANCELED == (int)IPCBUS_EVENT_CANCELED &&
	       (int)DEVICE_EVENT_FROZEN == (int)IPCBUS_EVENT_FROZEN &&
	       (int)DEVICE_EVENT_THAWED == (int)IPCBUS_EVENT_THAWED &&
	       (int)DEVICE_EVENT_RECORD == (int)IPCBUS_EVENT_RECORD, "kinds of events");
_Static_assert((int)DEVICE_OBJECT_NODE == (int)IPCBUS_OBJECT_NODE &&
	       (int)DEVICE_OBJECT_HANDLE == (int)IPCBUS_OBJECT_HANDLE &&
	       (int)DEVICE_OBJECT_FD == (int)IPCBUS_OBJECT_FD, "kinds of objects");
_Static_assert(DEVICE_WAIT == IPCBUS_WAIT && DEVICE_SERVE == IPCBUS_SERVE &&
	       DEVICE_NONBLOCK == IPCBUS_NONBLOCK, "flags of an exchange");
_Static_assert(DEVICE_MAX_OBJECTS == IPCBUS_MAX_OBJECTS, "entries of an object table");

static int device_ioctl(const struct device *device, unsigned long request, void *arg)
{
	return ioctl(device->fd, request, arg) < 0 ? -errno : 0;
}

int device_open(struct device *device, const char *path, size_t region_size)
{
	struct ipcbus_info info = { .size = sizeof(info) };
	void *region;
	int r;

	*device = (struct device){ .wake_fd = -1, .poll_fd = -1 };
	device->fd = open(path, O_RDWR | O_CLOEXEC);
	if (device->fd < 0)
		return -errno;

	device->wake_fd = fcntl(device->fd, F_DUPFD_CLOEXEC, 0);
	if (device->wake_fd < 0) {
		r = -errno;
		goto err;
	}

	/* Anything but our device says ENOTTY here, before it is mapped. */
	r = device_ioctl(device, IPCBUS_IOC_INFO, &info);
	if (r < 0)
		goto err;

	region = mmap(NULL, region_size, PROT_READ, MAP_SHARED | MAP_NORESERVE, device->fd, 0);
	if (region == MAP_FAILED) {
		r = -errno;
		goto err;
	}
	device->region = region;
	device->region_size = region_size;
	device->features = info.features;
	return 0;
err:
	device_close(device, /* mapped= */ false);
	return r;
}

int device_set_clear(struct device *device, bool clear)
{
	if (!(device->features & IPCBUS_FEATURE_CLEAR))
		return -EOPNOTSUPP;
	device->send_flags = clear ? IPCBUS_SEND_CLEAR : 0;
	return 0;
}

void device_close(struct device *device, bool mapped)
{
	if (mapped && device->region)
		munmap((void *)device->region, device->region_size);
	if (device->poll_fd >= 0)
		close(device->poll_fd);
	if (device->wake_fd >= 0)
		close(device->wake_fd);
	if (device->fd >= 0)
		close(device->fd);
	*device = (struct device){ .fd = -1, .wake_fd = -1, .poll_fd = -1 };
}

static void objects_to_driver(const struct device_send *send, struct ipcbus_object *to)
{
	for (unsigned int i = 0; i < send->n_objects; i++)
		to[i] = (struct ipcbus_object){
			.type = send->objects[i].type,
			.value = send->objects[i].value,
			.tag = send->objects[i].tag,
		};
}

_Static_assert(sizeof(struct device_part) == sizeof(struct ipcbus_iovec) &&
	       offsetof(struct device_part, base) == offsetof(struct ipcbus_iovec, base) &&
	       offsetof(struct device_part, size) == offsetof(struct ipcbus_iovec, size),
	       "parts of a message");

static bool unlikely_parts(const struct device_send *send)
{
	return __builtin_expect(send->n_parts != 0, 0);
}

/* Field by field: the event behind is the driver's to write. */
static void send_to_driver(const struct device *device, const struct device_send *from,
			   struct ipcbus_send *to)
{
	to->kind = from->kind;
	to->flags = from->accept_fds ? IPCBUS_SEND_ACCEPT_FDS : 0;
	if (from->async)
		to->flags |= IPCBUS_SEND_ASYNC;
	if (from->replace)
		to->flags |= IPCBUS_SEND_REPLACE;
	if (from->kind)
		to->flags |= device->send_flags;
	to->handle = from->handle;
	to->code = from->code;
	to->call = from->call;
	to->data = (uintptr_t)from->data;
	to->data_size = from->size;
	to->iov_count = from->n_parts;
	if (unlikely_parts(from)) {
		to->flags |= IPCBUS_SEND_IOV;
		to->data = (uintptr_t)from->parts;
	}
	to->object_count = from->n_objects;
	to->objects = 0;
	to->deadline = from->deadline;
	to->cookie = from->cookie;
}

static void event_from_driver(const struct device *device, const struct ipcbus_event *from,
			      struct device_event *to)
{
	to->kind = from->kind;
	to->spawn = from->flags & IPCBUS_EVENT_SPAWN;
	to->accept_fds = from->flags & IPCBUS_EVENT_ACCEPT_FDS;
	to->code = from->code;
	to->call = from->call;
	to->cookie = from->cookie;
	to->buffer = from->buffer;
	to->payload = device->region + from->offset;
	to->size = from->data_size;
	to->objects = from->objects;
	to->n_objects = from->object_count;
	to->error = from->error;
	to->pid = from->pid;
	to->tid = from->tid;
	to->uid = from->uid;
	to->gid = from->gid;
	to->deadline = from->deadline;
	to->label = from->label;
	to->label_size = from->label_size;
}

/* How far a failed exchange came with the buffers to give back. */
static unsigned int released_until(const struct ipcbus_exchange *u)
{
	if (u->event.stage == IPCBUS_STAGE_RELEASE)
		return u->event.index + 1; /* the bad one is not tried again */
	return u->event.stage > IPCBUS_STAGE_RELEASE ? u->release_count : 0;
}

static int exchange_ioctl(const struct device *device, struct ipcbus_exchange *u,
			  struct device_exchange *x)
{
	int r;

	r = device_ioctl(device, IPCBUS_IOC_EXCHANGE, u);
	if (__builtin_expect(r < 0, 0)) {
		x->n_released = released_until(u);
		return r;
	}
	x->n_released = x->n_release;
	x->thread = u->event.thread;
	return 0;
}

static __attribute__((noinline)) int exchange_objects(const struct device *device,
						       struct ipcbus_exchange *u,
						       struct device_exchange *x)
{
	struct ipcbus_object objects[DEVICE_MAX_OBJECTS];

	if (x->send.n_objects > DEVICE_MAX_OBJECTS)
		return -E2BIG;
	objects_to_driver(&x->send, objects);
	u->send.objects = (uintptr_t)objects;
	return exchange_ioctl(device, u, x);
}

int device_exchange(const struct device *device, struct device_exchange *x,
		    struct device_event *ret_event)
{
	struct ipcbus_exchange u;
	int r;

	u.size = sizeof(u);
	u.flags = x->flags;
	u.thread = x->thread;
	u.release_count = x->n_release;
	u.release = x->n_release == 1 ? x->release[0] : x->n_release ? (uintptr_t)x->release : 0;
	send_to_driver(device, &x->send, &u.send);
	/* Left alone by the driver when it fails early. */
	u.event.stage = 0;
	u.event.index = 0;
	x->n_released = 0;

	if (x->send.n_objects)
		r = exchange_objects(device, &u, x);
	else
		r = exchange_ioctl(device, &u, x);
	if (r < 0)
		return r;

	event_from_driver(device, &u.event, ret_event);
	return 0;
}

void device_objects(const struct device *device, const struct device_event *event,
		    struct device_object *ret_objects)
{
	const struct ipcbus_object *from = (const void *)(device->region + event->objects);

	for (unsigned int i = 0; i < event->n_objects; i++)
		ret_objects[i] = (struct device_object){
			.type = from[i].type,
			.value = from[i].value,
			.cookie = from[i].cookie,
			.tag = from[i].tag,
		};
}

/*
 * The driver interrupts waits when an fd of the file is closed. dup3() over the
 * spare fd closes it and has it back at once: it needs no free fd number.
 */
void device_wake(const struct device *device)
{
	int saved = errno;

	while (dup3(device->fd, device->wake_fd, O_CLOEXEC) < 0 && errno == EBUSY)
		; /* another thread is just installing that very number */
	errno = saved;
}

int device_set_poll(struct device *device, unsigned int polls)
{
	struct epoll_event event = { 0 };
	int how;

	if (device->poll_fd < 0)
		device->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (device->poll_fd < 0)
		return -errno;
	if (polls == device->polls)
		return 0;

	if (polls & DEVICE_POLL_EVENT)
		event.events |= EPOLLIN;
	if (polls & DEVICE_POLL_WRITABLE)
		event.events |= EPOLLOUT;
	how = !device->polls ? EPOLL_CTL_ADD : polls ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
	if (epoll_ctl(device->poll_fd, how, device->fd, &event) < 0)
		return -errno;
	device->polls = polls;
	return 0;
}

int device_poll(const struct device *device, int other, uint64_t timeout_usec)
{
	struct pollfd fds[3] = {
		{ .fd = device->fd, .events = POLLIN },
		{ .fd = device->poll_fd, .events = POLLIN },
		{ .fd = other, .events = POLLIN },
	};
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_usec / 1000000),
		.tv_nsec = (long)(timeout_usec % 1000000) * 1000,
	};
	int r;

	r = ppoll(fds, 3, timeout_usec == UINT64_MAX ? NULL : &ts, NULL);
	if (r < 0)
		return -errno;
	if (fds[0].revents && !(fds[0].revents & POLLIN))
		return -EIO;
	return (fds[0].revents ? (int)DEVICE_POLL_EVENT : 0) |
	       (fds[1].revents ? (int)DEVICE_POLL_WRITABLE : 0);
}

/* The event need not be taken: the file is there for nothing else. */
int device_wait_manager(const char *path, uint64_t timeout_usec)
{
	struct ipcbus_handle watch = { .size = sizeof(watch), .flags = IPCBUS_WATCH_MANAGER };
	struct device device = { .wake_fd = -1, .poll_fd = -1 };
	int r;

	device.fd = open(path, O_RDWR | O_CLOEXEC);
	if (device.fd < 0)
		return -errno;

	r = device_ioctl(&device, IPCBUS_IOC_WATCH, &watch);
	if (r == 0)
		r = device_poll(&device, /* other= */ -1, timeout_usec);
	device_close(&device, /* mapped= */ false);
	return r;
}

int device_node_create(const struct device *device, const struct device_node *node,
		       uint64_t *ret_node)
{
	struct ipcbus_node arg = {
		.size = sizeof(arg),
		.flags = (node->accept_fds ? IPCBUS_NODE_ACCEPT_FDS : 0) |
			 (node->want_label ? IPCBUS_NODE_WANT_LABEL : 0) |
			 (node->has_priority ? IPCBUS_NODE_PRIORITY : 0),
		.cookie = node->cookie,
		.policy = (uint32_t)node->policy,
		.priority = node->priority,
	};
	int r;

	r = device_ioctl(device, IPCBUS_IOC_NODE_CREATE, &arg);
	if (r < 0)
		return r;

	*ret_node = arg.node;
	return 0;
}

int device_node_destroy_idle(const struct device *device, uint64_t node)
{
	struct ipcbus_node arg = {
		.size = sizeof(arg),
		.flags = IPCBUS_NODE_IF_IDLE,
		.node = node,
	};

	return device_ioctl(device, IPCBUS_IOC_NODE_DESTROY, &arg);
}

int device_set_manager(const struct device *device, uint64_t node)
{
	struct ipcbus_node arg = { .size = sizeof(arg), .node = node };

	return device_ioctl(device, IPCBUS_IOC_SET_MANAGER, &arg);
}

int device_handle_put(const struct device *device, uint32_t handle, uint32_t count)
{
	struct ipcbus_handle arg = { .size = sizeof(arg), .handle = handle, .count = count };

	return device_ioctl(device, IPCBUS_IOC_HANDLE_PUT, &arg);
}

int device_node_info(const struct device *device, uint64_t node,
		     struct device_node_info *ret_info)
{
	struct ipcbus_node_info arg = { .size = sizeof(arg), .node = node };
	int r;

	r = device_ioctl(device, IPCBUS_IOC_NODE_INFO, &arg);
	if (r < 0)
		return r;

	*ret_info = (struct device_node_info){
		.refs = arg.refs,
		.pending = arg.pending,
		.oneways = arg.oneways,
		.watches = arg.watches,
	};
	return 0;
}

int device_watch(const struct device *device, uint32_t handle, uint64_t cookie, bool frozen)
{
	struct ipcbus_handle arg = {
		.size = sizeof(arg),
		.handle = handle,
		.flags = frozen ? IPCBUS_WATCH_FROZEN : 0,
		.cookie = cookie,
	};

	return device_ioctl(device, IPCBUS_IOC_WATCH, &arg);
}

int device_watch_manager(const struct device *device)
{
	struct ipcbus_handle arg = { .size = sizeof(arg), .flags = IPCBUS_WATCH_MANAGER };

	if (!(device->features & IPCBUS_FEATURE_WATCH_MANAGER))
		return -EOPNOTSUPP;
	return device_ioctl(device, IPCBUS_IOC_WATCH, &arg);
}

int device_unwatch(const struct device *device, uint32_t handle)
{
	struct ipcbus_handle arg = { .size = sizeof(arg), .handle = handle };

	return device_ioctl(device, IPCBUS_IOC_UNWATCH, &arg);
}

int device_cancel(const struct device *device, uint64_t cookie)
{
	struct ipcbus_cancel arg = { .size = sizeof(arg), .cookie = cookie };

	return device_ioctl(device, IPCBUS_IOC_CANCEL, &arg);
}

int device_call_canceled(const struct device *device, uint64_t call)
{
	struct ipcbus_call_info arg = { .size = sizeof(arg), .call = call };
	int r;

	r = device_ioctl(device, IPCBUS_IOC_CALL_INFO, &arg);
	return r < 0 ? r : !!(arg.flags & IPCBUS_CALL_CANCELED);
}

int device_caller(const struct device *device, uint64_t call, uint64_t buffer, pid_t *ret_pid)
{
	struct ipcbus_sender_info arg = {
		.size = sizeof(arg),
		.call = call,
		.buffer = call ? 0 : buffer,
	};
	int r;

	r = device_ioctl(device, IPCBUS_IOC_SENDER_INFO, &arg);
	if (r < 0)
		return r;

	*ret_pid = (pid_t)arg.pid;
	return !!(arg.flags & IPCBUS_SENDER_ALIVE);
}

_Static_assert(DEVICE_CAME_CALL == IPCBUS_FROZEN_CALL &&
	       DEVICE_CAME_ONEWAY == IPCBUS_FROZEN_ONEWAY, "what came");

int device_freeze(const struct device *device, pid_t pid, bool thaw, unsigned int timeout_msec)
{
	struct ipcbus_freeze arg = {
		.size = sizeof(arg), .flags = thaw ? IPCBUS_FREEZE_THAW : 0,
		.pid = (uint32_t)pid, .timeout_ms = timeout_msec,
	};
	int r;

	r = device_ioctl(device, IPCBUS_IOC_FREEZE, &arg);
	if (r < 0)
		return r;
	return (int)(arg.received & (DEVICE_CAME_CALL | DEVICE_CAME_ONEWAY));
}

int device_set_threads(const struct device *device, unsigned int max)
{
	struct ipcbus_threads arg = { .size = sizeof(arg), .max = max };

	return device_ioctl(device, IPCBUS_IOC_SET_THREADS, &arg);
}

int device_thread_exit(const struct device *device)
{
	return device_ioctl(device, IPCBUS_IOC_THREAD_EXIT, NULL);
}
