// SPDX-License-Identifier: MIT
/*
 * The device of unit tests; see fake-device.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fake-device.h"
#include "ipcbus-monitor.h"

struct fake_event {
	struct ipcbus_event event;
	uint8_t *payload;
	struct ipcbus_object objects[IPCBUS_MAX_OBJECTS];
};

struct fake fake;
unsigned int daemon_forks;
/* All events since fake_reset(). */
static struct fake_event queue[2048];
static unsigned int queue_begin, queue_end;

void fake_reset(void)
{
	for (unsigned int i = 0; i < queue_end; i++)
		free(queue[i].payload);
	memset(&fake, 0, sizeof(fake));
	memset(queue, 0, queue_end * sizeof(queue[0]));
	queue_begin = queue_end = 0;
}

void fake_push(struct ipcbus_event event, const void *payload, size_t size,
	       const struct ipcbus_object *objects, unsigned int n_objects)
{
	struct fake_event *next = &queue[queue_end++];

	if (queue_end > sizeof(queue) / sizeof(queue[0]))
		abort();
	/* Exactly as long as the payload, for tools that check bounds. */
	next->payload = malloc(size ? size : 1);
	if (!next->payload)
		abort();
	if (size)
		memcpy(next->payload, payload, size);
	if (n_objects)
		memcpy(next->objects, objects, n_objects * sizeof(*objects));
	next->event = event;
	/* The region begins at address 0. */
	next->event.offset = (uintptr_t)next->payload;
	next->event.data_size = size;
	next->event.object_count = n_objects;
	next->event.objects = (uintptr_t)next->objects;
}

const struct fake_sent *fake_last(void)
{
	if (!fake.n_sent)
		abort();
	return &fake.sent[fake.n_sent - 1];
}

void fake_close_fds(void)
{
	const struct fake_sent *sent = fake_last();

	for (unsigned int i = 0; i < sent->send.object_count; i++)
		if (sent->objects[i].type == IPCBUS_OBJECT_FD)
			close((int)sent->objects[i].value);
}

int device_open(struct device *device, const char *path, size_t region_size)
{
	if (!strcmp(path, "/nonexistent"))
		return -ENOENT;
	*device = (struct device){
		.fd = -1,
		.wake_fd = -1,
		.poll_fd = -1,
		.region_size = region_size,
		.version = IPCBUS_VERSION,
		.features = IPCBUS_FEATURE_LABEL,
	};
	return 0;
}

void device_close(struct device *device, bool mapped)
{
	(void)mapped;
	if (device->poll_fd >= 0)
		close(device->poll_fd);
}

/* Joins the parts as the driver does. Their sizes must add up. */
static void gather(const struct ipcbus_send *send, uint8_t *to)
{
	const struct ipcbus_iovec *parts = (const void *)(uintptr_t)send->data;
	size_t size = 0;

	if (!(send->flags & IPCBUS_SEND_IOV)) {
		if (send->data_size && send->data_size <= FAKE_PAYLOAD)
			memcpy(to, (const void *)(uintptr_t)send->data, send->data_size);
		return;
	}
	for (unsigned int i = 0; i < send->iov_count; i++) {
		if (size + parts[i].size <= FAKE_PAYLOAD)
			memcpy(to + size, (const void *)(uintptr_t)parts[i].base, parts[i].size);
		size += parts[i].size;
	}
	if (size != send->data_size)
		abort();
}

static void record(const struct ipcbus_exchange *x)
{
	struct fake_sent *sent = &fake.sent[fake.n_sent++ % FAKE_MAX];

	sent->send = x->send;
	sent->flags = x->flags;
	sent->n_release = x->release_count;
	gather(&sent->send, sent->data);
	if (x->send.object_count)
		memcpy(sent->objects, (const void *)(uintptr_t)x->send.objects,
		       x->send.object_count * sizeof(sent->objects[0]));
	for (unsigned int i = 0; fake.keep_fds && i < x->send.object_count; i++)
		if (sent->objects[i].type == IPCBUS_OBJECT_FD)
			sent->objects[i].value = (uint64_t)dup((int)sent->objects[i].value);
}

/* Operations of other threads, which happen before the driver gets the message, come first. */
static void take_message(const struct ipcbus_exchange *x)
{
	void (*on_send)(void) = fake.on_send;

	fake.on_send = NULL;
	if (on_send)
		on_send();
	record(x);
}

static int send_error(const struct ipcbus_exchange *x)
{
	int r = fake.send_error;

	if (fake.send_max && x->send.data_size > fake.send_max)
		return -EMSGSIZE;
	if (!r || x->send.kind != fake.send_error_kind)
		return 0;
	if (fake.send_error_more)
		fake.send_error_more--;
	else
		fake.send_error = 0;
	return r;
}

static bool would_sleep(const struct ipcbus_exchange *x)
{
	return x->flags & IPCBUS_WAIT && !(x->flags & IPCBUS_NONBLOCK) &&
	       queue_begin == queue_end;
}

static void release(const struct ipcbus_exchange *x)
{
	const uint64_t *buffers = x->release_count == 1 ? &x->release :
							   (const void *)(uintptr_t)x->release;

	for (unsigned int i = 0; i < x->release_count; i++)
		fake.released[fake.n_released++ % FAKE_MAX] = buffers[i];
}

/* Further oneways of the same object. */
static void take_more(struct ipcbus_exchange *x)
{
	struct ipcbus_event *events = (void *)(uintptr_t)x->more;

	while (x->event.kind == IPCBUS_EVENT_ONEWAY && x->event.more < x->more_count &&
	       queue_begin < queue_end &&
	       queue[queue_begin].event.kind == IPCBUS_EVENT_ONEWAY &&
	       queue[queue_begin].event.cookie == x->event.cookie)
		events[x->event.more++] = queue[queue_begin++].event;
}

int device_exchange(const struct device *device, uint64_t generation, struct ipcbus_exchange *x)
{
	int r;

	(void)generation;

	fake.exchanges++;
	fake.n_more += !!(x->flags & IPCBUS_MORE);
	fake.n_interruptible += fake.interruptible && x->flags & IPCBUS_WAIT;
	if (x->send.kind)
		x->send.flags |= device->send_flags;
	release(x);
	x->event = (struct ipcbus_event){ .stage = IPCBUS_STAGE_TARGET, .thread = 1 };
	r = send_error(x);
	if (r == -ENOSPC || r == -EMSGSIZE)
		x->event.stage = IPCBUS_STAGE_BUFFER;
	if (r < 0)
		return r;
	if (would_sleep(x) && !fake.on_empty)
		return -EPIPE;

	if (x->send.kind != IPCBUS_SEND_NONE)
		take_message(x);
	x->event = (struct ipcbus_event){ .kind = IPCBUS_EVENT_NONE };
	if (would_sleep(x)) {
		fake.on_empty();
		x->event.kind = IPCBUS_EVENT_INTERRUPTED;
	} else if (x->flags & IPCBUS_WAIT && queue_begin < queue_end) {
		x->event = queue[queue_begin++].event;
		if (x->flags & IPCBUS_MORE)
			take_more(x);
	}
	x->event.thread = 1;
	return 0;
}

bool device_set_interruptible(bool on)
{
	bool before = fake.interruptible;

	fake.interruptible = on;
	return before;
}

void device_wake(const struct device *device)
{
	(void)device;
	fake.woken++;
}

int device_set_poll(struct device *device, unsigned int polls)
{
	if (fake.poll_error)
		return fake.poll_error;
	device->polls = polls;
	if (device->poll_fd < 0)
		device->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	return device->poll_fd < 0 ? -errno : 0;
}

int device_end_fd(const struct device *device)
{
	(void)device;
	return -1;
}

/* A fake device never ends and returns. */
void device_lose(struct device *device)
{
	device->is_lost = true;
}

int device_reopen(struct device *device, const char *path)
{
	(void)device, (void)path;
	return -ECONNREFUSED;
}

int device_resume(struct device *device, uint64_t generation)
{
	(void)device, (void)generation;
	return 0;
}

bool device_is_old(const struct device *device, const void *at)
{
	(void)device, (void)at;
	return false;
}

void device_released_slowly(const struct device *device, uint64_t buffer)
{
	(void)device, (void)buffer;
}

uint64_t device_time_out(const struct device *device, uint64_t time)
{
	(void)device;
	return time;
}

uint64_t device_time_in(const struct device *device, uint64_t time)
{
	(void)device;
	return time;
}

bool device_has_ended(const struct device *device)
{
	(void)device;
	return fake.ended;
}

bool device_is_writable(const struct device *device)
{
	(void)device;
	return true;
}

const uint32_t *device_monitors(const struct device *device)
{
	(void)device;
	return NULL;
}

int device_poll_words(const struct device *device, struct device_words *ret_words)
{
	(void)device, (void)ret_words;
	return -EOPNOTSUPP;
}

/* Events that are not queued now never arrive. */
int device_poll(const struct device *device, unsigned int polls, int other, int another,
		uint64_t timeout_usec)
{
	struct pollfd fds[] = {
		{ .fd = other, .events = POLLIN },
		{ .fd = another, .events = POLLIN },
	};

	(void)device;
	if (!polls)
		return poll(fds, 2, timeout_usec == UINT64_MAX ? -1 : (int)(timeout_usec / 1000));
	if (queue_begin < queue_end)
		return DEVICE_POLL_EVENT;
	return timeout_usec == UINT64_MAX && poll(fds, 2, 0) == 0 ? -EPIPE : 0;
}

int device_open_state(const char *path, const char *name)
{
	(void)path, (void)name;
	return -ENOENT;
}

int device_wait_manager(const char *path, uint64_t timeout_usec)
{
	(void)path;
	(void)timeout_usec;
	return 1;
}

int device_node_destroy(const struct device *device, uint64_t node, bool if_idle)
{
	(void)device;
	(void)node;
	if (!if_idle) {
		fake.n_destroyed++;
		return 0;
	}
	fake.n_settled++;
	return fake.settle_error;
}

int device_handle_put(const struct device *device, uint64_t generation, uint32_t handle,
		      uint32_t count)
{
	(void)generation;
	(void)device;
	fake.n_puts++;
	fake.put_handle = handle;
	fake.put_count = count;
	return 0;
}

static int node_info(struct ipcbus_node_info *info)
{
	info->refs = 1;
	info->pending = 2;
	info->oneways = 3;
	info->watches = 4;
	return info->node ? 0 : -ENOENT;
}

static int sender_info(struct ipcbus_sender_info *info)
{
	if (!info->call && !info->buffer)
		return -EINVAL;
	info->flags = fake.sender_flags;
	info->pid = fake.sender_pid;
	return fake.sender_error;
}

static int set_manager(const struct ipcbus_node *node)
{
	return node->node ? 0 : -ENOENT;
}

static int set_monitor(const struct ipcbus_monitor *monitor)
{
	return monitor->pid == 1 ? -ESRCH : monitor->flags > 7 ? -EINVAL : 0;
}

static int freeze(struct ipcbus_freeze *freeze)
{
	freeze->received = IPCBUS_FROZEN_CALL | IPCBUS_FROZEN_ONEWAY;
	return freeze->pid ? 0 : -ESRCH;
}

static int create_node(struct ipcbus_node *node)
{
	fake.node = *node;
	fake.cookie = node->cookie;
	node->node = ++fake.n_nodes;
	return 0;
}

static int watch(const struct ipcbus_handle *handle)
{
	if (handle->flags & IPCBUS_WATCH_MANAGER) {
		fake.manager_watches++;
		return 0;
	}
	fake.watches++;
	fake.watch_cookie = handle->cookie;
	return 0;
}

static int unwatch(void)
{
	fake.watches--;
	return fake.unwatch_error;
}

static int call_info(struct ipcbus_call_info *info)
{
	fake.n_asked++;
	info->flags = info->call == fake.canceled_call ? IPCBUS_CALL_CANCELED : 0;
	return 0;
}

int device_request(const struct device *device, unsigned long request, void *arg)
{
	(void)device;
	switch (request) {
	case IPCBUS_IOC_NODE_CREATE:
		return create_node(arg);
	case IPCBUS_IOC_WATCH:
		return watch(arg);
	case IPCBUS_IOC_UNWATCH:
		return unwatch();
	case IPCBUS_IOC_CALL_INFO:
		return call_info(arg);
	case IPCBUS_IOC_NODE_INFO:
		return node_info(arg);
	case IPCBUS_IOC_SENDER_INFO:
		return sender_info(arg);
	case IPCBUS_IOC_SET_MANAGER:
		return set_manager(arg);
	case IPCBUS_IOC_MONITOR:
		return set_monitor(arg);
	case IPCBUS_IOC_FREEZE:
		return freeze(arg);
	default:
		return -ENOTTY;
	}
}

int device_cancel(const struct device *device, uint64_t cookie)
{
	(void)device;
	fake.n_cancels++;
	fake.canceled = cookie;
	return fake.cancel_error;
}

int device_thread_exit(const struct device *device)
{
	(void)device;
	return 0;
}
