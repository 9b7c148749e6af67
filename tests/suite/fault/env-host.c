// SPDX-License-Identifier: MIT
/*
 * The host build: processes and counters of kernel objects; see env.h.
 *
 * A system call on a proc is made by the process that opened it, so raw_*() takes no process. The
 * objects of tests/suite/kernel call the device through functions of posix.c. The linker redirects
 * these calls to this file, which makes them as the process that owns the file.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdarg.h>

#undef ARRAY_SIZE
#include "../../env/host/posix/posix.h"
#undef ARRAY_SIZE
#include "fail.h"

#include <linux/module.h>

#include "env.h"
#include "tap.h"

/* The bus's three sides, and the two bystanders. */
static struct side {
	struct raw *raw;
	struct shim_process *process;
	struct task_struct *task;
} sides[5];

/* --- The current process -------------------------------------------------------- */

static struct task_struct *self;

/* Returns the side of @raw, or a free side. */
static struct side *side_of(const struct raw *raw)
{
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
		if (sides[i].raw == raw)
			return &sides[i];
	shim_panic("env: no process has that proc");
}

void env_enter(const struct raw *who)
{
	shim_task = side_of(who)->task;
}

void env_leave(void)
{
	shim_task = self;
}

/* Becomes the owner of the file. Returns the previous task. */
static struct task_struct *enter_owner(int fd)
{
	struct task_struct *before = current;

	for (size_t i = 0; i < ARRAY_SIZE(sides) && fd >= 0 && fd < SHIM_MAX_FDS; i++)
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

/* A region belongs to its proc. Other mappings belong to the caller. */
int __wrap_host_munmap(void *at, size_t size)
{
	int fd = -1;

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
		if (sides[i].raw && sides[i].raw->map == at)
			fd = sides[i].raw->fd;
	return BY_OWNER(fd, __real_host_munmap(at, size));
}

/* --- Processes ---------------------------------------------------------------- */

void env_open(struct raw *who)
{
	struct side *side = side_of(NULL);

	side->raw = who;
	side->process = shim_process_new(0, NULL);
	side->task = shim_task_new(side->process, 0);
	shim_task = side->task;
	raw_open(who, REGION);
	env_leave();
}

void env_close(struct raw *who)
{
	struct side *side = side_of(who);

	raw_close(who);
	shim_task = side->task;
	shim_task_exit();
	env_leave();
	shim_process_put(side->process);
	*side = (struct side){};
}

void env_estrange(struct raw *who)
{
	raw_close(who);
	env_enter(who);
	shim_set_ids(STRANGER, STRANGER, NULL);
	raw_open(who, REGION);
	env_leave();
}

void env_moment(void)
{
	shim_time_passes();
}

/* --- Kernel objects ----------------------------------------------------------- */

static long noted[SHIM_COUNTS];

void env_note(void)
{
	rcu_barrier();
	for (int i = 0; i < SHIM_COUNTS; i++)
		noted[i] = shim_live[i];
}

void env_expect_as_noted(void)
{
	while (shim_time_passes())
		;
	rcu_barrier();
	for (int i = 0; i < SHIM_COUNTS; i++)
		ck_assert_msg(shim_live[i] == noted[i], "%ld %s, were %ld", shim_live[i],
			      shim_count_name[i], noted[i]);
	ck_assert_int_eq(posix_in_flight(), 0);
}

/* --- Loading ----------------------------------------------------------------- */

static void load(const void *unused)
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

const struct env_test *env_tests(size_t *ret)
{
	static const struct env_test tests[] = { { "load", load } };

	*ret = ARRAY_SIZE(tests);
	return tests;
}

/* --- Failing ----------------------------------------------------------------- */

static const enum shim_fail kinds[] = {
	[POINT_ALLOC] = SHIM_FAIL_ALLOC,
	[POINT_PAGE] = SHIM_FAIL_PAGE,
	[POINT_COPY] = SHIM_FAIL_COPY,
	[POINT_FD] = SHIM_FAIL_FD,
};

int env_check(void)
{
	return 0;
}

bool env_has(enum point kind)
{
	return kind < ARRAY_SIZE(kinds);
}

const char *env_lacks(const char *scenario)
{
	(void)scenario;
	return NULL;
}

void env_boot(void)
{
	self = current;
	/* There is a single real thread: no other thread can be observed. */
	shim_deterministic();
	shim_boot();
	/* With less than 1,024, a user keeps no spare transactions. Their number would vary. */
	*shim_param("user_calls") = 1000;
}

void env_arm(const struct raw *who, const struct plan *plan)
{
	env_enter(who);
	for (unsigned int i = 0; i < plan->n; i++)
		shim_fail_twice(kinds[plan->fail[i].kind], plan->fail[i].nth, plan->fail[i].gap);
	env_leave();
}

bool env_disarm(const struct raw *who, const struct plan *plan)
{
	bool any = false;

	env_enter(who);
	for (unsigned int i = 0; i < plan->n; i++) {
		any |= shim_failed(kinds[plan->fail[i].kind]);
		shim_fail_nth(kinds[plan->fail[i].kind], 0);
	}
	env_leave();
	return any;
}
