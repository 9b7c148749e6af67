// SPDX-License-Identifier: MIT
/*
 * The kernel memory that an unprivileged user with the default limits can use, way by way, compared
 * with the bound from docs/security.md. Each way runs in processes of that user, which use as much
 * as they can and then hold it. This program measures the machine's memory before, during, and
 * after it has killed them.
 *
 * The last line is "budget: N ways, 0 above the bound" on success.
 *
 *   test-budget [--all]    a few ways, each in another part of the driver; or all
 *   test-budget TEXT       ways with TEXT in their names
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "couple.h"
#include "machine.h"
#include "mount.h"

#define USER 1000
#define MAX_WORKERS 64

/* Maximum bytes per object, with all its parts: docs/security.md. */
enum {
	COST_PROC = 8192,
	COST_NODE = 1024,
	COST_HANDLE = 512,
	COST_WATCH = 576,
	COST_CALL = 768,
	COST_FILE = 512,
	COST_THREAD = 1536,
	COST_BUS = 131072,
	COST_OBJECT = 320,
};

/* Allowance for other parts of the kernel. */
#define NOISE (3 * MIB)

/* Memory of a process without ipcbus objects: its files, sockets and tasks. */
#define COST_PROCESS (96 * KIB)

static struct limits limits;
static int *above, *tried;

/* --- Workers ------------------------------------------------------------------ */

/**
 * struct way - a way to make the kernel use memory
 * @name: shown
 * @work: run by each process: uses as much as possible, and returns
 * @workers: number of processes
 * @bound: bytes that all may use
 * @left: bytes that may be left after their death
 * @how: GROUPED: in a memory cgroup, which is the bound; SAMPLE: always tried
 * @procs: minimum of open files at the same time, or the way was not really tried
 */
struct way {
	const char *name;
	void (*work)(int worker);
	int workers;
	long (*bound)(void);
	long left;
	unsigned int how;
	long procs;
};

#define GROUPED	1U
#define SAMPLE	2U

static int worker(struct peer *self, void *arg)
{
	const struct way *way = arg;
	struct rlimit files;

	if (way->how & GROUPED) {
		int fd = open(GROUP "/cgroup.procs", O_WRONLY);

		if (fd < 0 || write(fd, "0", 1) != 1)
			return 96;
		close(fd);
	}
	if (getrlimit(RLIMIT_NOFILE, &files))
		return 95;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) || setresgid(USER, USER, USER) ||
	    setresuid(USER, USER, USER))
		return 97;
	prctl(PR_SET_DUMPABLE, 1);
	way->work((int)peer_hear(self));
	peer_notify(self, 1);
	for (;;)
		pause();
}

/* Until it has reached its limit, was killed for it, or has taken too long. */
static void wait_for_worker(struct peer *worker)
{
	struct pollfd p = { .fd = worker->hear, .events = POLLIN };

	poll(&p, 1, 10000);
}

static void run_workers(const struct way *way, struct peer *workers)
{
	for (int i = 0; i < way->workers; i++) {
		peer_start(&workers[i], worker, (void *)way);
		peer_notify(&workers[i], i);
		wait_for_worker(&workers[i]);
	}
}

/* Waits until the driver's counters of their objects are back. */
static void wait_for_end(void)
{
	static const char *const counters[] = { "procs", "nodes", "handles", "transactions",
						"watches", "pages", "files" };
	uint64_t end = now_ms() + 20000;

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		while (live(counters[i]) && now_ms() < end)
			usleep(10000);
}

static bool judge(const char *name, const char *when, long held, long bound)
{
	bool over = held > bound;

	printf("%-44s %-6s %9ld KiB of %9ld%s\n", name, when, held / KIB, bound / KIB,
	       over ? "  ABOVE" : "");
	fflush(stdout);
	__atomic_add_fetch(above, over, __ATOMIC_RELAXED);
	return !over;
}

/* --- Opening ------------------------------------------------------------------ */

static void open_files(int i)
{
	(void)i;
	while (try_open() >= 0)
		;
}

static void open_regions(int i)
{
	struct raw r;

	(void)i;
	while (try_raw(&r, IPCBUS_MAX_REGION))
		;
	while (try_raw(&r, MIB))
		;
}

/* --- Nodes, handles, watches --------------------------------------------------- */

static void make_nodes(int i)
{
	struct raw r = must_raw(0);
	uint64_t node;

	(void)i;
	while (!try_node(&r, &node))
		;
}

static void make_handles(int i)
{
	struct couple c;

	(void)i;
	if (!couple_open(&c, MIB))
		return;
	while (give_handles(&c))
		;
}

#define TABLE 4096

/* Procs with handle tables that were large: tables do not shrink. */
static void make_tables(int i)
{
	uint64_t end = now_ms() + 4000;
	static struct raw proc[500];
	struct couple c;

	(void)i;
	for (int n = 0; n < 500 && now_ms() < end; n++) {
		uint32_t count = 0, got;

		/* Each server has its own client. The client's nodes end with the client. */
		if (!couple_open(&c, MIB))
			break;
		proc[n] = c.server;
		while (count < TABLE && (got = give_handles(&c)))
			count += got;
		raw_close(&c.client);
		while (count)
			raw_put(&proc[n], count--, 1);
	}
}

static void make_watches(int i)
{
	uint32_t watched = 1;
	struct couple c;

	(void)i;
	if (!couple_open(&c, MIB))
		return;
	while (give_handles(&c))
		for (int failures = 0; failures < 3; watched++)
			failures += raw_watch(&c.server, watched, 1) != 0;
}

/* --- Messages ------------------------------------------------------------------ */

static const uint8_t payload[64 * 1024];

static int send_one(const struct couple *c, uint32_t kind, size_t size, uint32_t objects)
{
	struct ipcbus_object o[IPCBUS_MAX_OBJECTS];
	struct ipcbus_send send = {
		.kind = kind,
		.flags = kind == IPCBUS_SEND_CALL ? IPCBUS_SEND_ASYNC : 0,
		.handle = c->handle,
		.cookie = kind == IPCBUS_SEND_CALL,
		.data = PTR64(payload),
		.data_size = size,
		.objects = PTR64(o),
		.object_count = objects,
	};

	for (uint32_t i = 0; i < objects; i++)
		o[i] = object_handle(c->handle);
	return raw_send(&c->client, &send, NULL);
}

static void queue(uint32_t kind, size_t region, size_t size, uint32_t objects)
{
	struct couple c;

	if (!couple_open(&c, region))
		return;
	while (!send_one(&c, kind, size, objects))
		;
}

static void queue_empty_calls(int i)
{
	(void)i;
	queue(IPCBUS_SEND_CALL, 64 * KIB, 0, 0);
}

static void queue_tiny_calls(int i)
{
	(void)i;
	queue(IPCBUS_SEND_CALL, 2 * MIB, 1, 0);
}

static void queue_tiny_oneways(int i)
{
	(void)i;
	queue(IPCBUS_SEND_ONEWAY, 2 * MIB, 1, 0);
}

static void queue_objects(int i)
{
	(void)i;
	queue(IPCBUS_SEND_CALL, 32 * MIB, 0, IPCBUS_MAX_OBJECTS);
}

/* The nodes are destroyed, and only their parts in messages are left. */
static void queue_dead_nodes(int i)
{
	struct ipcbus_object o[IPCBUS_MAX_OBJECTS];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = 1,
		.objects = PTR64(o), .object_count = IPCBUS_MAX_OBJECTS,
	};
	bool sent = true;
	struct couple c;

	(void)i;
	if (!couple_open(&c, 32 * MIB))
		return;
	send.handle = c.handle;
	while (sent) {
		uint32_t n;

		for (n = 0; n < IPCBUS_MAX_OBJECTS; n++) {
			uint64_t node;

			if (try_node(&c.client, &node))
				break;
			o[n] = object_node(node);
		}
		sent = n == IPCBUS_MAX_OBJECTS && !raw_send(&c.client, &send, NULL);
		while (n--)
			raw_destroy(&c.client, o[n].value, 0);
	}
}

static void fill_region(int i)
{
	(void)i;
	queue(IPCBUS_SEND_CALL, 128 * MIB, sizeof(payload), 0);
}

static void send_files(int i)
{
	struct couple c;

	(void)i;
	if (!couple_open(&c, 16 * MIB))
		return;
	for (;;) {
		struct ipcbus_object o = object_fd(memfd_create("x", 0));
		struct ipcbus_send send = {
			.kind = IPCBUS_SEND_ONEWAY, .handle = c.handle, .objects = PTR64(&o),
			.object_count = 1,
		};
		int e = raw_send(&c.client, &send, NULL);

		close(o.value);
		if (e)
			break;
	}
}

/* --- Threads ------------------------------------------------------------------- */

static void *use_once(void *arg)
{
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT | IPCBUS_NONBLOCK };

	return (void *)(intptr_t)raw_exchange(arg, &x);
}

/* Threads that used a file and ended. */
static void leave_threads(int i)
{
	struct raw r = must_raw(0);
	pthread_t thread;
	int left = 1100;
	void *e = NULL;

	(void)i;
	while (!e && left-- && !pthread_create(&thread, NULL, use_once, &r))
		pthread_join(thread, &e);
}

/* --- Procs that are closed ------------------------------------------------------ */

/* Each has a region, nodes and handles. All are freed, except nodes with remote references. */
static void close_procs(int i)
{
	struct raw client = must_raw(MIB);
	uint32_t handle;

	(void)i;
	for (;;) {
		struct raw r;
		uint64_t node;

		if (!try_raw(&r, MIB) || try_node(&r, &node) ||
		    !pass_handle(&r, node, &client, &handle))
			break;
		raw_close(&r);
	}
}

static bool queue_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	return sendmsg(socket, &msg, MSG_DONTWAIT) == 1;
}

/* Bus files queued in a socket of another process, after their opener died. */
static void hide_files(int i)
{
	int pair[2], n = 0;
	struct raw r;

	(void)i;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	if (fork()) {
		wait(NULL);
		return;
	}
	while (n++ <= 500 && try_raw(&r, MIB)) {
		uint64_t node;

		try_node(&r, &node);
		if (!queue_fd(pair[0], r.fd))
			break;
		close(r.fd);
	}
	_exit(0);
}

/* Opens as many files as possible, and closes them all, so that only the ring holds them. */
static int fill_ring(void)
{
	struct io_uring_params params = {};
	int ring = syscall(SYS_io_uring_setup, 1, &params), n;
	static int fds[1024];
	uint64_t node;
	struct raw r;

	if (ring < 0)
		return -1;
	for (n = 0; n < 1000 && try_raw(&r, MIB); n++) {
		try_node(&r, &node);
		fds[n] = r.fd;
	}
	if (!n || syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, fds, n))
		return -1;
	while (n)
		close(fds[--n]);
	return ring;
}

static bool have_io_uring(void)
{
	struct io_uring_params params = {};
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	if (ring < 0 && (errno == ENOSYS || errno == EPERM))
		return false;
	ck_assert_int_ge(ring, 0);
	close(ring);
	return true;
}

/* Bus files registered in an io_uring of another process, after their opener died. */
static void register_files(int i)
{
	int pair[2];

	(void)i;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	if (!fork()) {
		int ring = fill_ring();

		_exit(ring < 0 || !queue_fd(pair[0], ring));
	}
	wait(NULL);
}

/* --- Buses ---------------------------------------------------------------------- */

static bool be_root_of_a_namespace(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", "0 1000 1");
	write_text("/proc/self/gid_map", "0 1000 1");
	return true;
}

static void mount_buses(int i)
{
	(void)i;
	if (!be_root_of_a_namespace())
		return;
	while (!mount("none", "/tmp", "ipcbus", 0, NULL))
		;
}

static void nodes_on_own_buses(int i)
{
	if (!be_root_of_a_namespace() || mount("none", "/tmp", "ipcbus", 0, NULL))
		return;
	device = "/tmp/bus";
	make_nodes(i);
}

/* --- Bounds --------------------------------------------------------------------- */

static long of_nodes(void)
{
	return limits.nodes * COST_NODE;
}

static long of_procs(void)
{
	return limits.procs * COST_PROC + of_nodes() + limits.memory;
}

static long of_handles(void)
{
	return of_nodes() + limits.handles * COST_HANDLE + limits.memory;
}

static long of_tables(void)
{
	return limits.procs * COST_PROC + limits.memory;
}

static long of_watches(void)
{
	return of_handles() + limits.watches * COST_WATCH;
}

static long of_messages(void)
{
	/* A message's objects take up to as much memory as its space. */
	return limits.calls * COST_CALL + 2 * limits.memory;
}

static long of_objects(void)
{
	return of_messages() + limits.objects * COST_OBJECT;
}

static long of_files(void)
{
	return of_messages() + limits.files * COST_FILE;
}

static long of_threads(void)
{
	return limits.threads * COST_THREAD;
}

static long of_buses(void)
{
	return limits.buses * COST_BUS;
}

static long of_group(void)
{
	return GROUP_MAX;
}

static void try_all(int i)
{
	static void (*const all[])(int) = {
		make_nodes, make_watches, queue_empty_calls, queue_objects, fill_region, send_files,
		close_procs, leave_threads, open_regions, open_files,
	};

	all[i % (sizeof(all) / sizeof(all[0]))](i);
}

static const struct way ways[] = {
	{ "open files", open_files, 12, of_procs, NOISE, 0, 500 },
	{ "regions without messages", open_regions, 12, of_procs, NOISE, 0, 0 },
	{ "nodes", make_nodes, 4, of_nodes, NOISE, 0, 0 },
	{ "nodes on own buses", nodes_on_own_buses, 8, of_nodes, NOISE, 0, 0 },
	{ "handles", make_handles, 4, of_handles, NOISE, SAMPLE, 0 },
	{ "large tables of handles", make_tables, 6, of_tables, NOISE, 0, 0 },
	{ "watches", make_watches, 4, of_watches, NOISE, 0, 0 },
	{ "empty calls", queue_empty_calls, 8, of_messages, NOISE, 0, 0 },
	{ "tiny calls", queue_tiny_calls, 8, of_messages, NOISE, 0, 0 },
	{ "tiny oneways", queue_tiny_oneways, 12, of_messages, NOISE, 0, 0 },
	{ "messages with 64 objects", queue_objects, 8, of_messages, NOISE, 0, 0 },
	{ "messages with dead nodes", queue_dead_nodes, 8, of_objects, NOISE, SAMPLE, 0 },
	{ "large messages", fill_region, 8, of_messages, NOISE, SAMPLE, 0 },
	{ "files on their way", send_files, 4, of_files, NOISE, 0, 0 },
	{ "threads that ended", leave_threads, 6, of_threads, NOISE, SAMPLE, 0 },
	{ "closed procs that are referred to", close_procs, 4, of_procs, NOISE, 0, 0 },
	{ "files in sockets, their opener dead", hide_files, 16, of_procs, NOISE, 0, 100 },
	{ "files registered with io_uring, likewise", register_files, 16, of_procs, NOISE, SAMPLE, 500 },
	{ "mounts", mount_buses, 2, of_buses, NOISE, 0, 0 },
	{ "all of it in a memory cgroup", try_all, 20, of_group, NOISE, GROUPED | SAMPLE, 0 },
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* Indexes into the table. */
static int chosen[WAYS];

/* --- The test ------------------------------------------------------------------- */

/* Takes a node of a process (code 1) and gives it to another process (code 2). */
static int be_manager(struct peer *self, void *arg)
{
	struct ipcbus_object o = {};
	struct ipcbus_event ev;
	struct raw me;

	(void)arg;
	raw_open(&me, MIB);
	assert_ok(raw_claim(&me, raw_node(&me, 0, 1)));
	peer_notify(self, 1);
	for (;;) {
		struct ipcbus_send reply = { .kind = IPCBUS_SEND_REPLY };

		assert_ok(raw_next(&me, IPCBUS_SERVE, &ev));
		if (ev.kind != IPCBUS_EVENT_CALL)
			continue;
		if (ev.code == 1)
			o = object_handle(raw_objects(&me, &ev)[0].value);
		reply.call = ev.call;
		if (ev.code == 2) {
			reply.objects = PTR64(&o);
			reply.object_count = 1;
		}
		raw_release(&me, &ev);
		raw_send(&me, &reply, NULL);
		if (ev.code == 2)
			raw_put(&me, o.value, 1);
	}
	return 0;
}

START_TEST(way_is_bounded)
{
	static struct peer workers[MAX_WORKERS];
	const struct way *way = &ways[chosen[_i]];
	long before, held, left, bound;
	bool is_within, is_gone;
	struct peer manager;
	int mode;

	if (way->how & GROUPED && !group_make()) {
		case_skip("no memory cgroups");
		return;
	}
	if (way->work == register_files && !have_io_uring()) {
		case_skip("no io_uring");
		return;
	}
	mode = dev_set_mode(0666);
	dev_set_param("userns_mounts", 1);
	limits = limits_read();
	peer_start(&manager, be_manager, NULL);
	peer_hear(&manager);
	before = kernel_holds();
	run_workers(way, workers);
	ck_assert_int_ge(live("procs"), way->procs);
	held = kernel_holds() - before;
	bound = way->bound() + way->workers * COST_PROCESS + NOISE;
	for (int i = 0; i < way->workers; i++)
		peer_kill(&workers[i]);
	peer_kill(&manager);
	wait_for_end();
	left = kernel_holds_after(before + way->left) - before;
	dev_set_param("userns_mounts", 0);
	dev_set_mode(mode);
	++*tried;
	is_within = judge(way->name, "held", held, bound);
	is_gone = judge(way->name, "after", left, way->left);
	ck_assert(is_within && is_gone);
}
END_TEST

/* Selects all ways with that text in their names, or the sample for NULL. Returns the number. */
static int choose(const char *name)
{
	bool all = name && !strcmp(name, "--all");
	int count = 0;

	for (int i = 0; i < WAYS; i++)
		if (all || (name ? !!strstr(ways[i].name, name) : ways[i].how & SAMPLE))
			chosen[count++] = i;
	return count;
}

int main(int argc, char **argv)
{
	Suite *s = suite_create("budget");
	TCase *tc;
	int failed;

	if (geteuid()) {
		fprintf(stderr, "not root, no tests run\n");
		return 77;
	}
	/* Each case runs in its own process. */
	above = mmap(NULL, 2 * sizeof(*above), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (above == MAP_FAILED)
		return 99;
	tried = above + 1;
	tc = add_case(s, "ways", setup_bare);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, way_is_bounded, 0,
			    choose(argc > 1 ? argv[1] : NULL));
	failed = suite_main(s);
	printf("budget: %d ways, %d above the bound\n", *tried, *above);
	return failed || *above;
}
