// SPDX-License-Identifier: MIT
/*
 * The device of unit tests. See fake-device.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake-device.h"

struct fake_event {
	struct device_event event;
	uint8_t *payload;
	struct device_object objects[DEVICE_MAX_OBJECTS];
};

struct fake fake;
static struct fake_event queue[FAKE_MAX];
static unsigned int queue_begin, queue_end;

void fake_reset(void)
{
	for (unsigned int i = 0; i < queue_end; i++)
		free(queue[i].payload);
	memset(&fake, 0, sizeof(fake));
	memset(queue, 0, sizeof(queue));
	queue_begin = queue_end = 0;
}

void fake_push(struct device_event event, const void *payload, size_t size,
	       const struct device_object *objects, unsigned int n_objects)
{
	struct fake_event *next = &queue[queue_end++];

	if (queue_end > FAKE_MAX)
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
	next->event.payload = next->payload;
	next->event.size = size;
	next->event.n_objects = n_objects;
	next->event.objects = queue_end - 1;
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

	for (unsigned int i = 0; i < sent->send.n_objects; i++)
		if (sent->objects[i].type == DEVICE_OBJECT_FD)
			close((int)sent->objects[i].value);
}

int device_open(struct device *device, const char *path, size_t region_size)
{
	if (!strcmp(path, "/nonexistent"))
		return -ENOENT;
	*device = (struct device){
		.fd = -1, .wake_fd = -1, .poll_fd = -1, .region_size = region_size,
	};
	return 0;
}

int device_set_clear(struct device *device, bool clear)
{
	device->send_flags = clear;
	return 0;
}

void device_close(struct device *device, bool mapped)
{
	(void)device;
	(void)mapped;
}

/* As the driver would: the parts must add up. */
static void gather(uint8_t *to, const struct device_send *send)
{
	size_t size = 0;

	if (!send->n_parts) {
		memcpy(to, send->data, send->size);
		return;
	}
	for (unsigned int i = 0; i < send->n_parts; i++) {
		if (size + send->parts[i].size > send->size)
			abort();
		memcpy(to + size, (const void *)(uintptr_t)send->parts[i].base,
		       send->parts[i].size);
		size += send->parts[i].size;
	}
	if (size != send->size)
		abort();
}

static void record(const struct device_exchange *x)
{
	struct fake_sent *sent = &fake.sent[fake.n_sent++ % FAKE_MAX];

	sent->send = x->send;
	sent->flags = x->flags;
	sent->n_release = x->n_release;
	if (x->send.size <= FAKE_PAYLOAD && x->send.size)
		gather(sent->data, &x->send);
	if (x->send.n_objects)
		memcpy(sent->objects, x->send.objects,
		       x->send.n_objects * sizeof(sent->objects[0]));
	for (unsigned int i = 0; fake.keep_fds && i < x->send.n_objects; i++)
		if (sent->objects[i].type == DEVICE_OBJECT_FD)
			sent->objects[i].value = (uint64_t)dup((int)sent->objects[i].value);
	sent->send.data = sent->data;
	sent->send.objects = sent->objects;
}

/* What happens on other threads before the driver knows of it comes first. */
static void take_message(const struct device_exchange *x)
{
	void (*on_send)(void) = fake.on_send;

	fake.on_send = NULL;
	if (on_send)
		on_send();
	record(x);
}

static int send_error(const struct device_exchange *x)
{
	int r = fake.send_error;

	if (!r || x->send.kind != fake.send_error_kind)
		return 0;
	fake.send_error = 0;
	return r;
}

static bool would_sleep(const struct device_exchange *x)
{
	return x->flags & DEVICE_WAIT && !(x->flags & DEVICE_NONBLOCK) &&
	       queue_begin == queue_end;
}

int device_exchange(const struct device *device, struct device_exchange *x,
		    struct device_event *ret_event)
{
	int r;

	(void)device;
	fake.exchanges++;
	for (unsigned int i = 0; i < x->n_release; i++)
		fake.released[fake.n_released++ % FAKE_MAX] = x->release[i];
	x->n_released = x->n_release;
	x->thread = 1;
	r = send_error(x);
	if (r < 0)
		return r;
	if (would_sleep(x) && !fake.on_empty)
		return -EPIPE;

	if (x->send.kind != DEVICE_SEND_NONE)
		take_message(x);
	*ret_event = (struct device_event){ .kind = DEVICE_EVENT_NONE };
	if (would_sleep(x)) {
		fake.on_empty();
		ret_event->kind = DEVICE_EVENT_INTERRUPTED;
	} else if (x->flags & DEVICE_WAIT && queue_begin < queue_end) {
		*ret_event = queue[queue_begin++].event;
	}
	return 0;
}

void device_objects(const struct device *device, const struct device_event *event,
		    struct device_object *ret_objects)
{
	(void)device;
	memcpy(ret_objects, queue[event->objects].objects,
	       event->n_objects * sizeof(*ret_objects));
}

void device_wake(const struct device *device)
{
	(void)device;
	fake.woken++;
}

int device_set_poll(struct device *device, unsigned int polls)
{
	device->polls = polls;
	return 0;
}

/* What does not come now never comes. */
int device_poll(const struct device *device, int other, uint64_t timeout_usec)
{
	struct pollfd pfd = { .fd = other, .events = POLLIN };

	(void)device;
	if (queue_begin < queue_end)
		return DEVICE_POLL_EVENT;
	return timeout_usec == UINT64_MAX && poll(&pfd, 1, 0) == 0 ? -EPIPE : 0;
}

int device_wait_manager(const char *path, uint64_t timeout_usec)
{
	(void)path;
	(void)timeout_usec;
	return 1;
}

int device_node_create(const struct device *device, const struct device_node *node,
		       uint64_t *ret_node)
{
	(void)device;
	fake.node = *node;
	fake.cookie = node->cookie;
	*ret_node = ++fake.n_nodes;
	return 0;
}

int device_node_destroy_idle(const struct device *device, uint64_t node)
{
	(void)device;
	(void)node;
	fake.n_settled++;
	return fake.settle_error;
}

int device_set_manager(const struct device *device, uint64_t node)
{
	(void)device;
	return node ? 0 : -ENOENT;
}

int device_handle_put(const struct device *device, uint32_t handle, uint32_t count)
{
	(void)device;
	fake.n_puts++;
	fake.put_handle = handle;
	fake.put_count = count;
	return 0;
}

int device_node_info(const struct device *device, uint64_t node,
		     struct device_node_info *ret_info)
{
	(void)device;
	*ret_info = (struct device_node_info){ 1, 2, 3, 4 };
	return node ? 0 : -ENOENT;
}

int device_monitor(const struct device *device, unsigned int flags, pid_t pid, size_t max_data)
{
	(void)device;
	(void)max_data;
	return pid == 1 ? -ESRCH : flags > 7 ? -EINVAL : 0;
}

int device_record(const void *record, size_t size, struct ipc_record *ret_record,
	       struct ipc_record_object *ret_objects)
{
	(void)record;
	(void)ret_record;
	(void)ret_objects;
	return size ? 0 : -EBADMSG;
}

int device_watch(const struct device *device, uint32_t handle, uint64_t cookie, bool frozen)
{
	(void)device;
	(void)handle;
	fake.watch_frozen = frozen;
	fake.watches++;
	fake.watch_cookie = cookie;
	return 0;
}

int device_watch_manager(const struct device *device)
{
	(void)device;
	fake.manager_watches++;
	return 0;
}

int device_unwatch(const struct device *device, uint32_t handle)
{
	(void)device;
	(void)handle;
	fake.watches--;
	return fake.unwatch_error;
}

int device_cancel(const struct device *device, uint64_t cookie)
{
	(void)device;
	fake.n_cancels++;
	fake.canceled = cookie;
	return fake.cancel_error;
}

int device_call_canceled(const struct device *device, uint64_t call)
{
	(void)device;
	fake.n_asked++;
	return call == fake.canceled_call;
}

int device_caller(const struct device *device, uint64_t call, uint64_t buffer, pid_t *ret_pid)
{
	(void)device;
	if (fake.caller < 0 || !(call || buffer))
		return fake.caller < 0 ? fake.caller : -EINVAL;
	*ret_pid = fake.caller_pid;
	return fake.caller;
}

int device_freeze(const struct device *device, pid_t pid, bool thaw, unsigned int timeout_msec)
{
	(void)device;
	(void)timeout_msec;
	if (!pid)
		return -ESRCH;
	return thaw ? DEVICE_CAME_CALL | DEVICE_CAME_ONEWAY : 0;
}

int device_set_threads(const struct device *device, unsigned int max)
{
	(void)device;
	return max <= 1024 ? 0 : -EINVAL;
}

int device_thread_exit(const struct device *device)
{
	(void)device;
	return 0;
}
