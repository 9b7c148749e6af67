// SPDX-License-Identifier: MIT
/*
 * See world.h.
 */
#define _GNU_SOURCE
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- The driver ----------------------------------------------------------------- */

_Noreturn void fail(const char *what, int error)
{
	printf("cost: %s: %s\n", what, error ? strerror(error) : "unexpected");
	fflush(stdout);
	_exit(1);
}

int xioctl(int fd, unsigned long cmd, void *arg, const char *what)
{
	int r = ioctl(fd, cmd, arg);

	if (r < 0)
		fail(what, errno);
	return r;
}

/* The regions, indexed by fd. They stay mapped. */
#define MAX_FDS	32768
static const char *maps[MAX_FDS];

int open_proc(size_t region)
{
	int fd = open("/dev/ipcbus", O_RDWR | O_CLOEXEC);

	if (fd < 0 || fd >= MAX_FDS)
		fail("/dev/ipcbus", errno);
	maps[fd] = region ? mmap(NULL, region, PROT_READ, MAP_SHARED, fd, 0) : NULL;
	if (maps[fd] == MAP_FAILED)
		fail("mmap", errno);
	return fd;
}

uint64_t create_node(int fd)
{
	struct ipcbus_node n = { .size = sizeof(n), .flags = IPCBUS_NODE_ACCEPT_FDS };

	xioctl(fd, IPCBUS_IOC_NODE_CREATE, &n, "NODE_CREATE");
	return n.node;
}

void destroy_node(int fd, uint64_t node)
{
	struct ipcbus_node n = { .size = sizeof(n), .node = node };

	xioctl(fd, IPCBUS_IOC_NODE_DESTROY, &n, "NODE_DESTROY");
}

void send_message(int fd, const struct ipcbus_send *send)
{
	struct ipcbus_exchange x = { .size = sizeof(x), .send = *send };

	xioctl(fd, IPCBUS_IOC_EXCHANGE, &x, "a send");
}

void take_event(int fd, uint32_t kind, struct ipcbus_event *ev)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x), .flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
	};

	xioctl(fd, IPCBUS_IOC_EXCHANGE, &x, "a wait");
	if (x.event.kind != kind) {
		printf("cost: event %u, wanted %u, error %d\n", x.event.kind, kind, x.event.error);
		fail("an event", 0);
	}
	*ev = x.event;
}

void release_buffer(int fd, uint64_t id)
{
	struct ipcbus_exchange x = { .size = sizeof(x), .release_count = 1, .release = id };

	xioctl(fd, IPCBUS_IOC_EXCHANGE, &x, "a release");
}

static uint32_t taken_handle(int fd, uint32_t kind, uint64_t *ret_call)
{
	const struct ipcbus_object *object;
	struct ipcbus_event ev;
	uint32_t handle;

	take_event(fd, kind, &ev);
	object = (const void *)(maps[fd] + ev.objects);
	handle = object->value;
	*ret_call = ev.call;
	release_buffer(fd, ev.buffer);
	return handle;
}

static void reply_with(int fd, uint64_t call, const struct ipcbus_object *object)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .call = call, .object_count = !!object,
		.objects = (uintptr_t)object,
	};

	send_message(fd, &send);
}

/* By calls, which overtake all queued oneways. */
uint32_t hand(struct world *w, int to, int from, uint64_t node)
{
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_NODE, .value = node };
	struct ipcbus_send call = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = 99,
	};
	struct ipcbus_event ev;
	uint64_t id;
	uint32_t handle;

	run_as(INT_MIN);
	if (from != w->srv) {
		call.object_count = 1;
		call.objects = (uintptr_t)&object;
		send_message(from, &call);
		handle = taken_handle(w->srv, IPCBUS_EVENT_CALL, &id);
		reply_with(w->srv, id, NULL);
		take_event(from, IPCBUS_EVENT_REPLY, &ev);
		object = (struct ipcbus_object){ .type = IPCBUS_OBJECT_HANDLE, .value = handle };
		call.object_count = 0;
		call.objects = 0;
	}
	send_message(to, &call);
	take_event(w->srv, IPCBUS_EVENT_CALL, &ev);
	reply_with(w->srv, ev.call, &object);
	handle = taken_handle(to, IPCBUS_EVENT_REPLY, &id);
	run_as(0);
	return handle;
}

void run_as(int nice)
{
	struct sched_param param = { .sched_priority = nice == INT_MIN };

	if (sched_setscheduler(0, nice == INT_MIN ? SCHED_FIFO : SCHED_OTHER, &param) < 0 ||
	    (nice != INT_MIN && setpriority(PRIO_PROCESS, 0, nice) < 0))
		fail("a priority", errno);
}

void world_make(struct world *w)
{
	struct ipcbus_node n = { .size = sizeof(n) };

	*w = (struct world){
		.srv = open_proc(REGION), .cli = open_proc(REGION), .oth = open_proc(REGION),
	};
	w->node = create_node(w->srv);
	n.node = w->node;
	xioctl(w->srv, IPCBUS_IOC_SET_MANAGER, &n, "SET_MANAGER");
}

/* --- Objects of other users ----------------------------------------------------------- */

static void make_procs(struct world *w, unsigned int count)
{
	while (count--)
		w->procs[w->proc_count++] = open_proc(0);
}

static void make_nodes(struct world *w, unsigned int count)
{
	while (count--)
		create_node(w->oth);
}

static void make_nodes_of_server(struct world *w, unsigned int count)
{
	while (count--)
		create_node(w->srv);
}

/* Each is sent in a separate oneway, so that it has its own reference. */
static void make_handles(struct world *w, unsigned int count)
{
	while (count--)
		hand(w, w->oth, w->srv, create_node(w->srv));
}

/* Watches of the measured node, each by another proc. */
static void make_watches(struct world *w, unsigned int count)
{
	struct ipcbus_handle h = { .size = sizeof(h), .cookie = 1 };

	while (count--) {
		make_procs(w, 1);
		xioctl(w->procs[w->proc_count - 1], IPCBUS_IOC_WATCH, &h, "WATCH");
	}
}

static void make_manager_watches(struct world *w, unsigned int count)
{
	struct ipcbus_handle h = { .size = sizeof(h), .flags = IPCBUS_WATCH_MANAGER };

	while (count--) {
		make_procs(w, 1);
		xioctl(w->procs[w->proc_count - 1], IPCBUS_IOC_WATCH, &h, "WATCH of the manager");
	}
}

/* The number of async calls of a proc is limited, and so is the number of messages in a region. */
static unsigned int make_calls(struct world *w, unsigned int count, int nice, size_t size)
{
	static char data[64];
	struct ipcbus_exchange x = {
		.size = sizeof(x), .send = {
			.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC,
			.data = (uintptr_t)data, .data_size = size,
		},
	};
	unsigned int made = 0;

	run_as(nice);
	for (; made < count; made++) {
		x.send.cookie = made + 1;
		if (ioctl(w->oth, IPCBUS_IOC_EXCHANGE, &x) == 0)
			continue;
		if (errno != EDQUOT && errno != ENOSPC && errno != EAGAIN)
			fail("a call", errno);
		break;
	}
	run_as(0);
	return made;
}

static void make_low_calls(struct world *w, unsigned int count)
{
	make_calls(w, count, 19, 0);
}

static void make_equal_calls(struct world *w, unsigned int count)
{
	make_calls(w, count, 0, 0);
}

static void make_full_calls(struct world *w, unsigned int count)
{
	make_calls(w, count, 10, 64);
}

static void make_mixed_calls(struct world *w, unsigned int count)
{
	for (unsigned int i = 0; i < 20; i++)
		make_calls(w, count / 20, i, 0);
}

static void make_open_calls(struct world *w, unsigned int count)
{
	unsigned int made = make_calls(w, count, 0, 0);
	struct ipcbus_event ev;

	while (made--)
		take_event(w->srv, IPCBUS_EVENT_CALL, &ev);
}

static void make_oneways(struct world *w, unsigned int count)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ONEWAY };

	while (count--)
		send_message(w->oth, &send);
}

static void make_oneways_to_many(struct world *w, unsigned int count)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ONEWAY };

	while (count--) {
		send.handle = hand(w, w->oth, w->srv, create_node(w->srv));
		send_message(w->oth, &send);
	}
}

/* Calls with an fd and an object each, to cli: its region is the target. */
static void make_objects(struct world *w, unsigned int count)
{
	struct ipcbus_object objects[] = {
		{ .type = IPCBUS_OBJECT_NODE, .value = create_node(w->oth) },
		{ .type = IPCBUS_OBJECT_FD, .value = 0 },
	};
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .object_count = 2, .objects = (uintptr_t)objects,
	};

	while (count--)
		send_message(w->oth, &send);
}

/* --- Regions ------------------------------------------------------------------------ */

static char large[64 << 10];

/* Oneways of @count users: a oneway of each is queued. */
static void make_users(struct world *w, unsigned int count)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ONEWAY };

	if (chmod("/dev/ipcbus", 0666) < 0)
		fail("chmod", errno);
	while (count--) {
		if (seteuid(100000 + count) < 0)
			fail("seteuid", errno);
		make_procs(w, 1);
		if (seteuid(0) < 0)
			fail("seteuid", errno);
		send_message(w->procs[w->proc_count - 1], &send);
	}
}

/* cli's next send to each of them fails, and must be reported when there is space. */
static void make_full_regions(struct world *w, unsigned int count)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x), .send = {
			.kind = IPCBUS_SEND_ONEWAY, .data = (uintptr_t)large, .data_size = 2048,
		},
	};
	int fd;

	while (count--) {
		fd = open_proc(4096);
		w->procs[w->proc_count++] = fd;
		x.send.handle = hand(w, w->cli, fd, create_node(fd));
		send_message(w->cli, &x.send);
		if (ioctl(w->cli, IPCBUS_IOC_EXCHANGE, &x) == 0 || errno != EAGAIN)
			fail("a oneway found space", errno);
	}
}

/* Buffer descriptors of the region, which other users filled before, and no longer use. */
static void make_descriptors(struct world *w, unsigned int count)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x), .send = {
			.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC,
			.data = (uintptr_t)large, .data_size = 64,
		},
	};
	struct ipcbus_event ev;
	unsigned int i;
	int fd;

	fd = open_proc(REGION);
	x.send.handle = hand(w, w->cli, fd, create_node(fd));
	for (i = 0; i < count; i++) {
		x.send.cookie = i + 1;
		xioctl(w->cli, IPCBUS_IOC_EXCHANGE, &x, "a call");
	}
	for (i = 0; i < count; i++) {
		take_event(fd, IPCBUS_EVENT_CALL, &ev);
		release_buffer(fd, ev.buffer);
		reply_with(fd, ev.call, NULL);
		take_event(w->cli, IPCBUS_EVENT_REPLY, &ev);
	}
}

/* --- Senders that poll for space ---------------------------------------------------- */

static void start_thread(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 32 << 10);
	r = pthread_create(&thread, &attr, fn, arg);
	if (r)
		fail("a thread", r);
	pthread_attr_destroy(&attr);
}

static void make_pollers(struct world *w, unsigned int count)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x), .send = {
			.kind = IPCBUS_SEND_ONEWAY, .data = (uintptr_t)large, .data_size = 32 << 10,
		},
	};
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .data = (uintptr_t)large, .data_size = 1 << 10,
	};

	/* Handle 0 is the only node for which every proc has a handle immediately. */
	x.send.data_size = sizeof(large);
	while (ioctl(w->oth, IPCBUS_IOC_EXCHANGE, &x) == 0)
		;
	x.send.data_size = send.data_size;
	while (ioctl(w->oth, IPCBUS_IOC_EXCHANGE, &x) == 0)
		;
	while (count--) {
		make_procs(w, 1);
		if (ioctl(w->procs[w->proc_count - 1], IPCBUS_IOC_EXCHANGE, &x) == 0)
			fail("a oneway found space", 0);
	}
}

/* --- Other objects -------------------------------------------------------------------- */

static void *be_a_thread(void *arg)
{
	const struct world *w = arg;
	struct ipcbus_event ev;

	take_event(w->cli, IPCBUS_EVENT_NONE, &ev);
	for (;;)
		pause();
	return NULL;
}

/* Threads of this process: other processes may be forked from it. */
static void make_threads(struct world *w, unsigned int count)
{
	while (count--)
		start_thread(be_a_thread, w);
	usleep(20000);
}

static void make_mounts(struct world *w, unsigned int count)
{
	char path[64];

	(void)w;
	while (count--) {
		snprintf(path, sizeof(path), "/tmp/cost-%d-%u", getpid(), count);
		if (mkdir(path, 0700) < 0 || mount("none", path, "ipcbus", 0, NULL) < 0)
			fail(path, errno);
		/* Unmounted with the namespace, or now if it is unused. */
		if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL)
			fail(path, errno);
		rmdir(path);
	}
}

/* A file keeps the monitors of a lasting mount. */
static void make_monitors(struct world *w, unsigned int count)
{
	struct ipcbus_monitor m = { .size = sizeof(m), .flags = IPCBUS_MONITOR_FAILURES };

	while (count--) {
		w->procs[w->proc_count++] = open_proc(1 << 16);
		if (ioctl(w->procs[w->proc_count - 1], IPCBUS_IOC_MONITOR, &m) < 0 &&
		    errno != EDQUOT)
			fail("MONITOR", errno);
	}
}

const struct thing things[] = {
	{ "procs", 8000, make_procs, true },
	{ "nodes", 60000, make_nodes, false },
	{ "server's nodes", 60000, make_nodes_of_server, false },
	{ "handles", 60000, make_handles, false },
	{ "death watches", 8000, make_watches, false },
	{ "manager watches", 8000, make_manager_watches, false },
	{ "queued calls, nice 19", 16000, make_low_calls, false },
	{ "queued calls, same priority", 16000, make_equal_calls, false },
	{ "queued calls with 64 B", 16000, make_full_calls, false },
	{ "queued calls, 20 priorities", 16000, make_mixed_calls, true },
	{ "open calls", 16000, make_open_calls, false },
	{ "oneways to a node", 8000, make_oneways, false },
	{ "oneways to a node each", 8000, make_oneways_to_many, false },
	{ "objects and fds in flight", 8000, make_objects, false },
	{ "users of a region", 7000, make_users, false },
	{ "full regions", 8000, make_full_regions, false },
	{ "descriptors in a region", 16000, make_descriptors, false },
	{ "polls for space", 8000, make_pollers, false },
	{ "threads", 1000, make_threads, true },
	{ "monitors", 1000, make_monitors, false },
	{ "mounts", 1000, make_mounts, false },
};

/* --- Without ipcbus -------------------------------------------------------------------- */

static void *do_nothing(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void make_control(struct world *w, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		int fd = memfd_create("control", MFD_CLOEXEC);
		char *page;

		if (fd < 0 || ftruncate(fd, 4096) < 0)
			fail("memfd_create", errno);
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (page == MAP_FAILED)
			fail("mmap", errno);
		*page = 1;
		w->procs[w->proc_count++] = fd;
		if (i < 1000)
			start_thread(do_nothing, NULL);
	}
	usleep(20000);
}

const struct thing control = { "a process without ipcbus", 8000, make_control, true };

const unsigned int thing_count = sizeof(things) / sizeof(things[0]);
