// SPDX-License-Identifier: MIT
/*
 * The device and the UAPI structures, a function each; see raw.h.
 *
 * The first part contains all code that accesses the driver. The second part fills in
 * structures. The third part asserts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipcbus-monitor.h"
#include "raw.h"

/* This file defines the functions behind the macros that record the caller's line. */
#undef raw_open
#undef raw_open_at
#undef raw_node
#undef raw_info
#undef raw_call
#undef raw_oneway
#undef raw_reply
#undef raw_error
#undef raw_take
#undef raw_wait
#undef raw_none
#undef raw_fails
#undef raw_failed
#undef raw_payload
#undef raw_objects
#undef raw_holds
#undef raw_release
#undef raw_round_trip
#undef raw_hand
#undef raw_call_wait

#define DEVICE "/dev/ipcbus"
#define POISON 0xa5

__thread struct raw_place raw_place = { "raw.c", 0 };

const char *errname(int r)
{
	const char *name = r < 0 ? strerrorname_np(-r) : NULL;

	return name ? name : r ? "(no error name)" : "(success)";
}

/* The device */

int dev_open_at(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int dev_open(int flags)
{
	return dev_open_at(DEVICE, flags);
}

int dev_mount(const char *where, unsigned long flags, const char *options)
{
	return mount("none", where, "ipcbus", flags, options) < 0 ? -errno : 0;
}

int dev_umount(const char *where, int flags)
{
	return umount2(where, flags) < 0 ? -errno : 0;
}

int dev_map(int fd, size_t size, int prot, int flags, off_t offset, void **ret)
{
	void *map = mmap(NULL, size, prot, flags, fd, offset);

	if (map == MAP_FAILED)
		return -errno;
	*ret = map;
	return 0;
}

int dev_protect(void *map, size_t size, int prot)
{
	return mprotect(map, size, prot) < 0 ? -errno : 0;
}

int dev_unmap(void *map, size_t size)
{
	return munmap(map, size) < 0 ? -errno : 0;
}

int dev_ioctl(int fd, unsigned int cmd, void *arg)
{
	int r = ioctl(fd, cmd, arg);

	return r < 0 ? -errno : r;
}

int dev_poll(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, timeout_ms) < 0 ? -errno : p.revents;
}

int dev_close(int fd)
{
	return close(fd) < 0 ? -errno : 0;
}

int dev_set_mode(unsigned int mode)
{
	struct stat st;

	if (stat(DEVICE, &st) < 0 || chmod(DEVICE, mode) < 0)
		return -errno;
	return st.st_mode & 07777;
}

int dev_read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + used, size - 1 - used)) > 0)
		used += n;
	text[used] = 0;
	close(fd);
	/* If the text fit into the buffer, it must end with a newline. */
	return n < 0 ? -EIO : used && used < size - 1 && text[used - 1] != '\n' ? -EBADMSG : 0;
}

int dev_debug(const char *name, char *text, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "/%s", name);
	return dev_read_text(path, text, size);
}

int dev_set_param(const char *name, unsigned int value)
{
	char path[128], text[16] = "";
	int fd, n, e = 0;

	snprintf(path, sizeof(path), "/sys/module/ipcbus/parameters/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		e = -errno;
	n = snprintf(path, sizeof(path), "%u\n", value);
	if (!e && pwrite(fd, path, n, 0) != n)
		e = -errno;
	if (fd >= 0)
		close(fd);
	return e ?: (int)strtoul(text, NULL, 10);
}

int dev_reclaim(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	int e = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "2\n", 2) != 2)
		e = -errno;
	close(fd);
	return e;
}

/* Open files. A forked child must close its copies, so that closing in the parent ends the proc. */
static pthread_mutex_t fds_lock = PTHREAD_MUTEX_INITIALIZER;
static int open_fds[256];
static size_t n_open_fds;

static void remember(int fd)
{
	pthread_mutex_lock(&fds_lock);
	ck_assert_msg(n_open_fds < ARRAY_SIZE(open_fds), "too many files for one test");
	open_fds[n_open_fds++] = fd;
	pthread_mutex_unlock(&fds_lock);
}

static void forget(int fd)
{
	pthread_mutex_lock(&fds_lock);
	for (size_t i = 0; i < n_open_fds; i++)
		if (open_fds[i] == fd) {
			open_fds[i] = open_fds[--n_open_fds];
			break;
		}
	pthread_mutex_unlock(&fds_lock);
}

/* The lock may have been held by another thread of the parent during the fork. */
void raw_drop_inherited(void)
{
	pthread_mutex_init(&fds_lock, NULL);
	while (n_open_fds)
		dev_close(open_fds[--n_open_fds]);
}

void raw_open_at(struct raw *r, const char *path, size_t region)
{
	void *map = NULL;

	r->fd = dev_open_at(path, O_RDWR);
	raw_assert(r->fd >= 0, "%s: %s", path, errname(r->fd));
	remember(r->fd);
	if (region) {
		int e = dev_map(r->fd, region, PROT_READ, MAP_SHARED, 0, &map);

		raw_assert(!e, "mmap of %zu bytes: %s", region, errname(e));
	}
	r->map = map;
	r->size = region;
}

void raw_open(struct raw *r, size_t region)
{
	(raw_open_at)(r, DEVICE, region);
}

void raw_close(struct raw *r)
{
	if (r->fd < 0)
		return;
	/* Unmapping may fail once for lack of memory, under fault injection. */
	if (r->map && dev_unmap((void *)(uintptr_t)r->map, r->size) == -ENOMEM)
		dev_unmap((void *)(uintptr_t)r->map, r->size);
	forget(r->fd);
	dev_close(r->fd);
	r->fd = -1;
	r->map = NULL;
}

/* The structures */

static bool is_message(uint32_t kind)
{
	return kind == IPCBUS_EVENT_CALL || kind == IPCBUS_EVENT_ONEWAY ||
	       kind == IPCBUS_EVENT_REPLY || kind == IPCBUS_EVENT_ERROR;
}

static bool is_own_call(uint32_t kind)
{
	return kind == IPCBUS_EVENT_REPLY || kind == IPCBUS_EVENT_ERROR ||
	       kind == IPCBUS_EVENT_FAILED;
}

static bool is_request(uint32_t kind)
{
	return kind == IPCBUS_EVENT_CALL || kind == IPCBUS_EVENT_ONEWAY;
}

/* Event kinds about the receiver's own node, or a watch. */
static bool has_only_cookie(uint32_t kind)
{
	return kind == IPCBUS_EVENT_IDLE || kind == IPCBUS_EVENT_DEAD ||
	       kind == IPCBUS_EVENT_MANAGER || kind == IPCBUS_EVENT_CANCELED;
}

static bool is_known(uint32_t kind)
{
	return kind <= IPCBUS_EVENT_IDLE || kind == IPCBUS_EVENT_RECORD || has_only_cookie(kind);
}

/* Fields without meaning for a kind of event must be 0. */
static void check_unused_fields(const struct ipcbus_event *e)
{
	uint32_t k = e->kind;

	raw_assert(!(e->flags & IPCBUS_EVENT_ACCEPT_FDS) || k == IPCBUS_EVENT_CALL,
		   "kind %u with flags %#x", k, e->flags);
	raw_assert(!(e->flags & ~IPCBUS_EVENT_ACCEPT_FDS), "unknown event flags %#x", e->flags);
	raw_assert(!!e->call == (k == IPCBUS_EVENT_CALL || k == IPCBUS_EVENT_CANCELED),
		   "kind %u with call %llu", k, (unsigned long long)e->call);
	raw_assert(!e->deadline || k == IPCBUS_EVENT_CALL, "kind %u with a deadline", k);
	raw_assert(!e->cookie || is_request(k) || is_own_call(k) || has_only_cookie(k),
		   "kind %u with cookie %llu", k, (unsigned long long)e->cookie);
	raw_assert(!e->code || is_request(k), "kind %u with code %u", k, e->code);
	raw_assert((e->error < 0) == (k == IPCBUS_EVENT_ERROR || k == IPCBUS_EVENT_FAILED) &&
			   e->error <= 0,
		   "kind %u with error %d", k, e->error);
	raw_assert(!!e->stage == (k == IPCBUS_EVENT_FAILED), "kind %u with stage %u", k, e->stage);
	raw_assert(!e->index || k == IPCBUS_EVENT_FAILED, "kind %u with index %u", k, e->index);
	raw_assert(is_request(k) || (!e->label && !e->label_size), "kind %u with a label", k);
	raw_assert(!e->reserved && (!e->more || k == IPCBUS_EVENT_ONEWAY), "kind %u with more", k);
}

static void check_message_fields(const struct ipcbus_event *e)
{
	if (e->kind == IPCBUS_EVENT_RECORD) {
		raw_assert(e->buffer && e->data_size >= sizeof(struct ipcbus_monitor_record),
			   "record of %llu bytes", (unsigned long long)e->data_size);
		raw_assert(!e->object_count && !e->pid && !e->tid && !e->uid && !e->gid,
			   "a record with objects or a sender");
		return;
	}
	if (!is_message(e->kind)) {
		raw_assert(!e->buffer && !e->offset && !e->data_size && !e->objects &&
				   !e->object_count,
			   "kind %u carries a buffer", e->kind);
		raw_assert(!e->pid && !e->tid && !e->uid && !e->gid, "kind %u names a sender",
			   e->kind);
		return;
	}
	raw_assert(e->buffer || (!e->data_size && !e->object_count), "content without a buffer");
	raw_assert(e->offset % 8 == 0, "payload at %#llx", (unsigned long long)e->offset);
	raw_assert(e->objects % 8 == 0, "objects at %#llx", (unsigned long long)e->objects);
	raw_assert(e->object_count <= IPCBUS_MAX_OBJECTS, "%u objects", e->object_count);
}

/* A failed ioctl must report a stage, unless it failed before it read its input. */
static void check_failed_ioctl(const struct ipcbus_event *e, int r)
{
	if (e->kind == POISON * 0x01010101U)
		return;
	raw_assert(e->kind == IPCBUS_EVENT_FAILED && e->error == r,
		   "ioctl: %s, but event %u with %s", errname(r), e->kind, errname(e->error));
	raw_assert(e->stage >= IPCBUS_STAGE_RELEASE && e->stage <= IPCBUS_STAGE_DELIVER, "stage %u",
		   e->stage);
	raw_assert(!e->thread, "thread %u with a failed ioctl", e->thread);
	raw_assert(!e->buffer && !e->data_size && !e->object_count, "failure with a buffer");
}

int raw_exchange(const struct raw *r, struct ipcbus_exchange *x)
{
	int e;

	x->size = sizeof(*x);
	memset(&x->event, POISON, sizeof(x->event));
	e = dev_ioctl(r->fd, IPCBUS_IOC_EXCHANGE, x);
	if (e < 0) {
		check_failed_ioctl(&x->event, e);
		return e;
	}
	raw_assert(e == 0, "EXCHANGE returned %d", e);
	raw_assert(is_known(x->event.kind), "event kind %#x", x->event.kind);
	raw_assert(x->event.thread, "no thread number");
	check_unused_fields(&x->event);
	check_message_fields(&x->event);
	return 0;
}

int raw_send(const struct raw *r, const struct ipcbus_send *send, struct ipcbus_event *ev)
{
	struct ipcbus_exchange x = { .send = *send };
	int e = raw_exchange(r, &x);

	if (!e)
		raw_assert(x.event.kind == IPCBUS_EVENT_NONE, "event %u without a wait",
			   x.event.kind);
	if (ev)
		*ev = x.event;
	return e;
}

int raw_next(const struct raw *r, uint32_t flags, struct ipcbus_event *ev)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | flags };
	int e = raw_exchange(r, &x);

	*ev = x.event;
	return e;
}

int raw_free(const struct raw *r, uint64_t id)
{
	struct ipcbus_exchange x = { .release_count = 1, .release = id };

	return raw_exchange(r, &x);
}

int raw_node_ioctl(const struct raw *r, unsigned int cmd, struct ipcbus_node *n)
{
	n->size = sizeof(*n);
	return dev_ioctl(r->fd, cmd, n);
}

int raw_handle_ioctl(const struct raw *r, unsigned int cmd, uint32_t handle, uint32_t count,
		     uint64_t cookie)
{
	struct ipcbus_handle h = {
		.size = sizeof(h), .handle = handle, .count = count, .cookie = cookie,
	};

	return dev_ioctl(r->fd, cmd, &h);
}

int raw_claim(const struct raw *r, uint64_t node)
{
	struct ipcbus_node n = { .node = node };

	return raw_node_ioctl(r, IPCBUS_IOC_SET_MANAGER, &n);
}

int raw_destroy(const struct raw *r, uint64_t node, uint32_t flags)
{
	struct ipcbus_node n = { .node = node, .flags = flags };

	return raw_node_ioctl(r, IPCBUS_IOC_NODE_DESTROY, &n);
}

int raw_put(const struct raw *r, uint32_t handle, uint32_t count)
{
	return raw_handle_ioctl(r, IPCBUS_IOC_HANDLE_PUT, handle, count, 0);
}

int raw_watch(const struct raw *r, uint32_t handle, uint64_t cookie)
{
	return raw_handle_ioctl(r, IPCBUS_IOC_WATCH, handle, 0, cookie);
}

int raw_unwatch(const struct raw *r, uint32_t handle)
{
	return raw_handle_ioctl(r, IPCBUS_IOC_UNWATCH, handle, 0, 0);
}

int raw_watch_for(const struct raw *r, uint32_t handle, uint32_t flags, uint64_t cookie)
{
	struct ipcbus_handle h = {
		.size = sizeof(h), .handle = handle, .flags = flags, .cookie = cookie,
	};

	return dev_ioctl(r->fd, IPCBUS_IOC_WATCH, &h);
}

int raw_unwatch_for(const struct raw *r, uint32_t handle, uint32_t flags)
{
	struct ipcbus_handle h = { .size = sizeof(h), .handle = handle, .flags = flags };

	return dev_ioctl(r->fd, IPCBUS_IOC_UNWATCH, &h);
}

int raw_cancel(const struct raw *r, uint64_t cookie)
{
	struct ipcbus_cancel c = { .size = sizeof(c), .cookie = cookie };

	return dev_ioctl(r->fd, IPCBUS_IOC_CANCEL, &c);
}

int raw_call_info(const struct raw *r, uint64_t call, struct ipcbus_call_info *ret)
{
	*ret = (struct ipcbus_call_info){ .size = sizeof(*ret), .call = call };
	return dev_ioctl(r->fd, IPCBUS_IOC_CALL_INFO, ret);
}

int raw_monitor(const struct raw *r, uint32_t flags, uint32_t pid, uint32_t max_data)
{
	struct ipcbus_monitor args = {
		.size = sizeof(args), .flags = flags, .pid = pid, .max_data = max_data
	};

	return dev_ioctl(r->fd, IPCBUS_IOC_MONITOR, &args);
}

int raw_freeze(const struct raw *r, uint32_t flags, pid_t pid, uint32_t timeout_ms,
	       struct ipcbus_freeze *ret)
{
	*ret = (struct ipcbus_freeze){
		.size = sizeof(*ret), .flags = flags, .pid = pid, .timeout_ms = timeout_ms,
		.received = 0xa5a5a5a5, .pending = 0xa5a5a5a5,
	};
	return dev_ioctl(r->fd, IPCBUS_IOC_FREEZE, ret);
}

int raw_node_info(const struct raw *r, uint64_t node, struct ipcbus_node_info *ret)
{
	*ret = (struct ipcbus_node_info){ .size = sizeof(*ret), .node = node };
	return dev_ioctl(r->fd, IPCBUS_IOC_NODE_INFO, ret);
}

int raw_caller(const struct raw *r, uint64_t call, uint64_t buffer, struct ipcbus_sender_info *ret)
{
	*ret = (struct ipcbus_sender_info){ .size = sizeof(*ret), .call = call, .buffer = buffer };
	return dev_ioctl(r->fd, IPCBUS_IOC_SENDER_INFO, ret);
}

/* The assertions */

uint64_t raw_node(const struct raw *r, uint32_t flags, uint64_t cookie)
{
	struct ipcbus_node n = { .flags = flags, .cookie = cookie };
	int e = raw_node_ioctl(r, IPCBUS_IOC_NODE_CREATE, &n);

	raw_assert(!e, "NODE_CREATE: %s", errname(e));
	raw_assert(n.node, "a node with the id 0");
	return n.node;
}

struct ipcbus_info raw_info(const struct raw *r)
{
	struct ipcbus_info info = { .size = sizeof(info) };
	int e = dev_ioctl(r->fd, IPCBUS_IOC_INFO, &info);

	raw_assert(!e, "INFO: %s", errname(e));
	return info;
}

static void send_ok(const struct raw *r, const struct ipcbus_send *send)
{
	struct ipcbus_event ev;
	int e = raw_send(r, send, &ev);

	raw_assert(!e, "send kind %u of %llu bytes: %s at stage %u, index %u", send->kind,
		   (unsigned long long)send->data_size, errname(e), ev.stage, ev.index);
}

void raw_call(const struct raw *r, uint32_t handle, uint32_t code, const void *data, size_t size)
{
	send_ok(r, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL, .handle = handle, .code = code,
					  .data = PTR64(data), .data_size = size });
}

void raw_oneway(const struct raw *r, uint32_t handle, uint32_t code, const void *data, size_t size)
{
	send_ok(r, &(struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY, .handle = handle,
					  .code = code, .data = PTR64(data), .data_size = size });
}

void raw_reply(const struct raw *r, uint64_t call, const void *data, size_t size)
{
	send_ok(r, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = call,
					  .data = PTR64(data), .data_size = size });
}

void raw_error(const struct raw *r, uint64_t call, uint32_t code, const void *data, size_t size)
{
	send_ok(r, &(struct ipcbus_send){ .kind = IPCBUS_SEND_ERROR, .call = call, .code = code,
					  .data = PTR64(data), .data_size = size });
}

void raw_take(const struct raw *r, uint32_t kind, struct ipcbus_event *ev)
{
	int e;

	/* If another process, such as a child, closes its copy of the fd, that interrupts once. */
	do
		e = raw_next(r, IPCBUS_SERVE | IPCBUS_NONBLOCK, ev);
	while (!e && ev->kind == IPCBUS_EVENT_INTERRUPTED);
	raw_assert(!e, "wait: %s", errname(e));
	raw_assert(ev->kind == kind, "event %u (error %s, stage %u), wanted %u", ev->kind,
		   errname(ev->error), ev->stage, kind);
}

void raw_wait(const struct raw *r, uint32_t kind, struct ipcbus_event *ev)
{
	int e;

	_mark_point(raw_place.file, raw_place.line);
	do
		e = raw_next(r, IPCBUS_SERVE, ev);
	while (!e && ev->kind == IPCBUS_EVENT_INTERRUPTED);
	raw_assert(!e, "wait: %s", errname(e));
	raw_assert(ev->kind == kind, "event %u (error %s, stage %u), wanted %u", ev->kind,
		   errname(ev->error), ev->stage, kind);
}

void raw_none(const struct raw *r)
{
	struct ipcbus_event ev;

	raw_take(r, IPCBUS_EVENT_NONE, &ev);
}

void raw_fails(const struct raw *r, const struct ipcbus_send *send, int err, uint32_t stage,
	       uint32_t index)
{
	struct ipcbus_event ev;
	int e = raw_send(r, send, &ev);

	raw_assert(e == err, "send: %s, wanted %s", errname(e), errname(err));
	if (ev.kind == POISON * 0x01010101U) {
		raw_assert(!stage, "%s without an event, wanted stage %u",
			   errname(e), stage);
		return;
	}
	raw_assert(ev.stage == stage && ev.index == index,
		   "%s at stage %u, index %u; wanted stage %u, index %u", errname(e), ev.stage,
		   ev.index, stage, index);
}

void raw_failed(const struct raw *r, int err, uint32_t stage, uint32_t index)
{
	struct ipcbus_event ev;

	raw_take(r, IPCBUS_EVENT_FAILED, &ev);
	raw_assert(ev.error == err, "failed with %s, wanted %s", errname(ev.error), errname(err));
	raw_assert(ev.stage == stage && ev.index == index,
		   "stage %u, index %u; wanted stage %u, index %u", ev.stage, ev.index, stage,
		   index);
}

const void *raw_payload(const struct raw *r, const struct ipcbus_event *ev)
{
	raw_assert(ev->offset <= r->size && ev->data_size <= r->size - ev->offset,
		   "payload at %#llx, %llu bytes, is not in the region",
		   (unsigned long long)ev->offset, (unsigned long long)ev->data_size);
	return r->map + ev->offset;
}

struct ipcbus_object object_node(uint64_t node)
{
	return (struct ipcbus_object){ .type = IPCBUS_OBJECT_NODE, .value = node };
}

struct ipcbus_object object_handle(uint32_t handle)
{
	return (struct ipcbus_object){ .type = IPCBUS_OBJECT_HANDLE, .value = handle };
}

struct ipcbus_object object_fd(int fd)
{
	return (struct ipcbus_object){ .type = IPCBUS_OBJECT_FD, .value = fd };
}

const struct ipcbus_object *raw_objects(const struct raw *r, const struct ipcbus_event *ev)
{
	size_t size = ev->object_count * sizeof(struct ipcbus_object);

	raw_assert(ev->objects <= r->size && size <= r->size - ev->objects,
		   "objects at %#llx are not in the region", (unsigned long long)ev->objects);
	return (const void *)(r->map + ev->objects);
}

void raw_holds(const struct raw *r, const struct ipcbus_event *ev, const void *data, size_t size)
{
	const uint8_t *got = raw_payload(r, ev), *want = data;
	size_t i = 0;

	raw_assert(ev->data_size == size, "%llu bytes arrived, wanted %zu",
		   (unsigned long long)ev->data_size, size);
	while (i < size && got[i] == want[i])
		i++;
	raw_assert(i == size, "byte %zu is %#x, wanted %#x", i, got[i], want[i]);
}

void raw_release(const struct raw *r, const struct ipcbus_event *ev)
{
	int e = ev->buffer ? raw_free(r, ev->buffer) : 0;

	raw_assert(!e, "giving buffer %#llx back: %s", (unsigned long long)ev->buffer, errname(e));
}

void raw_round_trip(const struct raw *from, uint32_t handle, const struct raw *to,
		    const void *data, size_t size)
{
	struct ipcbus_event request, reply;

	raw_call(from, handle, 1, data, size);
	raw_take(to, IPCBUS_EVENT_CALL, &request);
	raw_holds(to, &request, data, size);
	raw_reply(to, request.call, data, size);
	raw_release(to, &request);
	raw_take(from, IPCBUS_EVENT_REPLY, &reply);
	raw_holds(from, &reply, data, size);
	raw_release(from, &reply);
}

/* Sends @by a handle for @from's node in a oneway. */
static uint32_t show_to_manager(const struct raw *by, const struct raw *from, uint64_t node)
{
	struct ipcbus_object o = object_node(node);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;
	uint32_t handle;
	int e = raw_send(from, &send, NULL);

	raw_assert(!e, "a node to the manager: %s", errname(e));
	raw_take(by, IPCBUS_EVENT_ONEWAY, &ev);
	handle = raw_objects(by, &ev)[0].value;
	raw_release(by, &ev);
	return handle;
}

/* @to calls, and @by replies with the object. */
static uint32_t hand_out(const struct raw *by, const struct raw *to, struct ipcbus_object o)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;
	uint32_t handle;
	int e;

	raw_call(to, 0, 0, NULL, 0);
	raw_take(by, IPCBUS_EVENT_CALL, &ev);
	raw_release(by, &ev);
	send.call = ev.call;
	e = raw_send(by, &send, NULL);
	raw_assert(!e, "a handle from the manager: %s", errname(e));
	raw_take(to, IPCBUS_EVENT_REPLY, &ev);
	raw_assert(raw_objects(to, &ev)[0].type == IPCBUS_OBJECT_HANDLE, "no handle came");
	handle = raw_objects(to, &ev)[0].value;
	raw_release(to, &ev);
	return handle;
}

uint32_t raw_hand(const struct raw *by, const struct raw *to, const struct raw *from,
		  uint64_t node)
{
	uint32_t mine, theirs;
	int e;

	if (from == by)
		return hand_out(by, to, object_node(node));
	mine = show_to_manager(by, from, node);
	if (to == by)
		return mine;
	theirs = hand_out(by, to, object_handle(mine));
	e = raw_put(by, mine, 1);
	raw_assert(!e, "the manager's handle: %s", errname(e));
	return theirs;
}

void raw_call_wait(const struct raw *r, uint32_t handle, uint32_t code, const void *data,
		   size_t size, struct ipcbus_event *ev)
{
	struct ipcbus_exchange x = {
		.flags = IPCBUS_WAIT,
		.send = { .kind = IPCBUS_SEND_CALL, .handle = handle, .code = code,
			  .data = PTR64(data), .data_size = size },
	};
	int e;

	_mark_point(raw_place.file, raw_place.line);
	e = raw_exchange(r, &x);
	while (!e && x.event.kind == IPCBUS_EVENT_INTERRUPTED) {
		memset(&x.send, 0, sizeof(x.send));
		e = raw_exchange(r, &x);
	}
	raw_assert(!e, "call: %s", errname(e));
	*ev = x.event;
}

/* A 32-bit mixing step: a round of a well-known integer hash. */
static uint8_t pattern_byte(size_t i, uint32_t seed)
{
	uint32_t v = (uint32_t)(i / 4) * 2654435761U + seed;

	v ^= v >> 15;
	return v >> (i % 4 * 8);
}

void pattern_fill(void *data, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)data)[i] = pattern_byte(i, seed);
}

bool pattern_is(const void *data, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		if (((const uint8_t *)data)[i] != pattern_byte(i, seed))
			return false;
	return true;
}
