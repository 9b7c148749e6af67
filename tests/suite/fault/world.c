// SPDX-License-Identifier: MIT
/*
 * The procs, their processes and the counters; see world.h.
 *
 * The objects of tests/suite/kernel call the device by names of posix.c. These calls
 * are caught here, by the linker, and made by the process whose file it is.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#undef ARRAY_SIZE
#include "../../env/host/posix/posix.h"
#undef ARRAY_SIZE

#include <linux/module.h>

#include "tap.h"
#include "world.h"

struct raw srv = { .fd = -1 }, cli = { .fd = -1 }, oth = { .fd = -1 };
uint64_t srv_node;

static struct raw near = { .fd = -1 }, far = { .fd = -1 };
#define STRANGER 1000

static uint32_t far_handle;
static struct ipcbus_event far_call;

enum { SRV, CLI, OTH, NEAR, FAR, SIDES };

static struct side {
	struct raw *raw;
	struct shim_process *process;
	struct task_struct *task;
} sides[SIDES] = { { .raw = &srv }, { .raw = &cli }, { .raw = &oth }, { .raw = &near },
		   { .raw = &far } };

/* --- Who runs ---------------------------------------------------------------- */

static struct task_struct *self;

static struct side *side_of(const struct raw *raw)
{
	for (int i = 0; i < SIDES; i++)
		if (sides[i].raw == raw)
			return &sides[i];
	shim_panic("world: nobody has that proc");
}

void world_enter(const struct raw *who)
{
	shim_task = side_of(who)->task;
}

void world_leave(void)
{
	shim_task = self;
}

/* Becomes the one whose file it is; returns who ran before. */
static struct task_struct *enter_owner(int fd)
{
	struct task_struct *before = current;

	for (int i = 0; i < SIDES && fd >= 0 && fd < SHIM_MAX_FDS; i++)
		if (sides[i].process && sides[i].process->file[fd])
			shim_task = sides[i].task;
	return before;
}

#define BY_OWNER(fd, call)                                                        \
	({                                                                        \
		struct task_struct *before_ = enter_owner(fd);                    \
		__typeof__(call) r_ = (call);                                     \
										  \
		shim_task = before_;                                              \
		r_;                                                               \
	})

int __real_host_close(int fd);
int __real_host_ioctl(int fd, unsigned long cmd, ...);
int __real_host_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
void *__real_host_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_host_munmap(void *at, size_t size);
int __wrap_host_munmap(void *at, size_t size);
int __wrap_host_close(int fd);
int __wrap_host_ioctl(int fd, unsigned long cmd, ...);
int __wrap_host_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
void *__wrap_host_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);

int __wrap_host_close(int fd)
{
	return BY_OWNER(fd, __real_host_close(fd));
}

int __wrap_host_ioctl(int fd, unsigned long cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	return BY_OWNER(fd, __real_host_ioctl(fd, cmd, arg));
}

int __wrap_host_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	return BY_OWNER(fds[0].fd, __real_host_poll(fds, n, timeout_ms));
}

void *__wrap_host_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return BY_OWNER(fd, __real_host_mmap(at, size, prot, flags, fd, offset));
}

/* A region is its proc's; what is not in one is left to the caller. */
int __wrap_host_munmap(void *at, size_t size)
{
	int fd = -1;

	for (int i = 0; i < SIDES; i++)
		if (sides[i].raw->map == at)
			fd = sides[i].raw->fd;
	return BY_OWNER(fd, __real_host_munmap(at, size));
}

/* --- Coming and going -------------------------------------------------------- */

static void side_open(struct side *side)
{
	side->process = shim_process_new(0, NULL);
	side->task = shim_task_new(side->process, 0);
	shim_task = side->task;
	raw_open(side->raw, REGION);
	world_leave();
}

static void side_close(struct side *side)
{
	raw_close(side->raw);
	shim_task = side->task;
	shim_task_exit();
	world_leave();
	shim_process_put(side->process);
	*side = (struct side){ .raw = side->raw };
}

void world_estrange(struct raw *who)
{
	raw_close(who);
	world_enter(who);
	shim_set_ids(STRANGER, STRANGER, NULL);
	raw_open(who, REGION);
	world_leave();
}

static void bus_open(void)
{
	for (int i = SRV; i <= OTH; i++)
		side_open(&sides[i]);
	srv_node = raw_node(&srv, IPCBUS_NODE_ACCEPT_FDS, SRV_COOKIE);
	assert_ok(raw_claim(&srv, srv_node));
}

static void bus_close(void)
{
	for (int i = OTH; i >= SRV; i--)
		side_close(&sides[i]);
	rcu_barrier();
}

/* --- What is there ----------------------------------------------------------- */

static struct {
	long shim[SHIM_COUNTS];
	char *stats;
	struct files files;
} before;

/* The driver's counters without their totals, which only grow. */
static char *stats_live(void)
{
	char *text = shim_debugfs_read("stats"), *rest = text, *line;
	char *live = calloc(1, strlen(text) + 1);

	ck_assert_ptr_nonnull(live);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			strcat(strncat(live, line, strrchr(line, ' ') - line), "\n");
	free(text);
	return live;
}

static void counter(const char *name, long *ret_live, long *ret_total)
{
	char *text = shim_debugfs_read("stats"), *rest = text, *line, word[32];
	bool found = false;

	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%31s %ld %ld", word, ret_live, ret_total) == 3 &&
		    !strcmp(word, name)) {
			found = true;
			break;
		}
	free(text);
	ck_assert_msg(found, "the driver counts no %s", name);
}

long live(const char *name)
{
	long live = 0, total = 0;

	counter(name, &live, &total);
	return live;
}

long total(const char *name)
{
	long live = 0, total = 0;

	counter(name, &live, &total);
	return total;
}

static void expect_as_before(void)
{
	char *now = stats_live();

	ck_assert_msg(!strcmp(now, before.stats), "left behind: now\n%swas\n%s", now, before.stats);
	free(now);
	for (int i = 0; i < SHIM_COUNTS; i++)
		ck_assert_msg(shim_live[i] == before.shim[i], "%ld %s, were %ld", shim_live[i],
			      shim_count_name[i], before.shim[i]);
	ck_assert_int_eq(posix_in_flight(), 0);
	files_expect(&before.files);
}

/* --- The bystanders ---------------------------------------------------------- */

static void bystanders_begin(void)
{
	raw_call(&near, far_handle, 7, "over their heads", 16);
	raw_take(&far, IPCBUS_EVENT_CALL, &far_call);
	raw_holds(&far, &far_call, "over their heads", 16);
	raw_release(&far, &far_call);
}

static void bystanders_end(void)
{
	struct ipcbus_event ev;

	raw_reply(&far, far_call.call, "so it is", 8);
	raw_take(&near, IPCBUS_EVENT_REPLY, &ev);
	raw_holds(&near, &ev, "so it is", 8);
	raw_release(&near, &ev);
	raw_none(&near);
	raw_none(&far);
}

/* --- Loading ----------------------------------------------------------------- */

void world_load(const void *unused)
{
	unsigned int n = 0;
	bool failed;
	int r;

	(void)unused;
	shim_deterministic();
	do {
		long before_it = shim_live[SHIM_ALLOCS];

		shim_fail_nth(SHIM_FAIL_ALLOC, ++n);
		r = shim_module_init();
		failed = shim_failed(SHIM_FAIL_ALLOC);
		shim_fail_nth(SHIM_FAIL_ALLOC, 0);
		assert_result(r, failed ? -ENOMEM : 0);
		if (r == 0)
			shim_module_exit();
		ck_assert_int_eq(shim_live[SHIM_ALLOCS], before_it);
	} while (failed);
	tap_ok("%u points", n - 1);
}

/* --- The world --------------------------------------------------------------- */

void world_init(void)
{
	if (self)
		return;
	self = current;
	/* One real thread: nobody else can be what is seen. */
	shim_deterministic();
	shim_boot();
	bus_open();
	side_open(&sides[NEAR]);
	side_open(&sides[FAR]);
	far_handle = give_handle(&near, &far, raw_node(&far, 0, 1));
	bus_close();
	/* What the first calls leave with their threads is not a leak. */
	for (int i = 0; i < 3; i++) {
		bystanders_begin();
		bystanders_end();
	}
	for (int i = 0; i < SHIM_COUNTS; i++)
		before.shim[i] = shim_live[i];
	before.stats = stats_live();
	files_note(&before.files);
}

void world_begin(void)
{
	bystanders_begin();
	bus_open();
}

void world_end(void)
{
	bus_close();
	bystanders_end();
	expect_as_before();
}

void world_arm(const struct raw *who, const struct plan *plan)
{
	world_enter(who);
	for (unsigned int i = 0; i < plan->n; i++)
		shim_fail_twice(plan->fail[i].kind, plan->fail[i].nth, plan->fail[i].gap);
	world_leave();
}

bool world_disarm(const struct raw *who, const struct plan *plan)
{
	bool any = false;

	world_enter(who);
	for (unsigned int i = 0; i < plan->n; i++) {
		any |= shim_failed(plan->fail[i].kind);
		shim_fail_nth(plan->fail[i].kind, 0);
	}
	world_leave();
	return any;
}

/* --- Objects and events ------------------------------------------------------ */

uint32_t give_handle(const struct raw *to, const struct raw *from, uint64_t node)
{
	return raw_hand(&srv, to, from, node);
}

void next_past_idle(const struct raw *r, struct ipcbus_event *ev)
{
	do
		assert_ok(raw_next(r, IPCBUS_SERVE | IPCBUS_NONBLOCK, ev));
	while (ev->kind == IPCBUS_EVENT_IDLE);
}

void take_past_idle(const struct raw *r, uint32_t kind, struct ipcbus_event *ev)
{
	next_past_idle(r, ev);
	ck_assert_msg(ev->kind == kind, "event %u (error %s, stage %u), wanted %u", ev->kind,
		      errname(ev->error), ev->stage, kind);
}
