/* SPDX-License-Identifier: MIT */
/*
 * Where a scenario takes place: a bus with three procs, and two bystanders who
 * talk over its head and must not notice anything. Everything that can leak is
 * counted before and after.
 *
 * env.c is the same in both environments; what differs is
 *
 *   env-host.c    the host build: the kinds of points apart, two at once, each proc
 *                 with a process of its own, as shim.h fakes them, all played by one
 *                 thread; what of the kernel the driver uses is counted as well
 *   env-kernel.c  the kernel itself, by its fail-nth: all points are of one kind, and
 *                 the kernel's own on the way to the driver are among them
 */
#ifndef TESTS_FAULT_ENV_H
#define TESTS_FAULT_ENV_H

#include "../kernel/raw.h"
#include "files.h"

#define REGION (1U << 20)
#define SRV_COOKIE 0x5e57e4
#define STRANGER 1000
/* Where a bus is mounted. */
#define BUS_DIR "/tmp/ipcbus-of-tests-fault"

/* srv is the bus's manager by srv_node, which takes fds. */
extern struct raw srv, cli, oth;
extern uint64_t srv_node;

/* What can fail: an allocation, a page, a copy from or to user memory, a new fd; or
 * whichever of these comes next. */
enum point { POINT_ALLOC, POINT_PAGE, POINT_COPY, POINT_FD, POINT_ANY, POINTS };

/* What is to fail: none, one or two steps. */
struct plan {
	unsigned int n;
	struct {
		enum point kind;
		unsigned int nth;
		unsigned int gap;	/* 0: once; else again that much later */
	} fail[2];
};

/* --- What each environment has of its own -------------------------------------- */

/* 0, or -errno where nothing can be made to fail. */
int env_check(void);
/* Tests besides the scenarios, for tap_run(); *ret is how many. */
struct env_test {
	const char *name;
	void (*fn)(const void *unused);
};
const struct env_test *env_tests(size_t *ret);
/* Whether steps can be made to fail by that kind. */
bool env_has(enum point kind);

/* Why a scenario is not possible, or NULL. */
const char *env_lacks(const char *scenario);

/* For env.c alone: before all else, and when all that was opened since is closed. */
void env_boot(void);
void env_note(void);
void env_expect_as_noted(void);
void env_open(struct raw *who);
void env_close(struct raw *who);

/* The next steps of who's only task go by the plan. */
void env_arm(const struct raw *who, const struct plan *plan);
/* Whether anything that was to fail has. */
bool env_disarm(const struct raw *who, const struct plan *plan);

/* Between these, who's process runs: for what makes new files. */
void env_enter(const struct raw *who);
void env_leave(void);

/* A moment passes, for what the driver does later. */
void env_moment(void);

/* Who is somebody else from now on, with a new proc: its messages to others come
 * from another user. */
void env_estrange(struct raw *who);

/* --- The same in all ------------------------------------------------------------ */

/* Before all else: the bystanders; later it does nothing. */
void env_init(void);
/* A new bus; the bystanders begin a call. */
void env_begin(void);
/* All are closed, the bystanders end their call, and nothing is left. */
void env_end(void);

/* How many the driver says there are, and ever were. */
long live(const char *name);
long total(const char *name);

/* Give @to a handle for a node of @from's, by way of srv; nothing may be queued. */
uint32_t give_handle(const struct raw *to, const struct raw *from, uint64_t node);

/* The next event but IDLE ones; must be of that kind. */
void take_past_idle(const struct raw *r, uint32_t kind, struct ipcbus_event *ev);
/* The same, of any kind. */
void next_past_idle(const struct raw *r, struct ipcbus_event *ev);

#endif /* TESTS_FAULT_ENV_H */
