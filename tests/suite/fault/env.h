/* SPDX-License-Identifier: MIT */
/*
 * The environment of a scenario: a bus with three procs, and two bystanders that communicate on it
 * and must not be affected. Everything that can leak is counted before and after.
 *
 * env.c is common to both environments. They differ in:
 *
 *   env-host.c    the host build: kinds of points are separate, two can fail at once, and
 *                 each proc has its own process as simulated by shim.h. A single thread
 *                 plays all processes; kernel objects that the driver uses are counted as well
 *   env-kernel.c  a real kernel with fail-nth: all points are of the same kind, and include
 *                 the kernel's own on the way to the driver
 */
#ifndef TESTS_FAULT_ENV_H
#define TESTS_FAULT_ENV_H

#include "../kernel/raw.h"
#include "files.h"

#define REGION (1U << 20)
#define SRV_COOKIE 0x5e57e4
#define STRANGER 1000
/* Mount point of a bus. */
#define BUS_DIR "/tmp/ipcbus-of-tests-fault"

/* srv is the bus's manager with node srv_node, which accepts fds. */
extern struct raw srv, cli, oth;
extern uint64_t srv_node;

/* Operations that can fail: an allocation, a page, a user copy, a new fd; or any of these. */
enum point { POINT_ALLOC, POINT_PAGE, POINT_COPY, POINT_FD, POINT_ANY, POINTS };

/* The steps that will fail: at most two. */
struct plan {
	unsigned int n;
	struct {
		enum point kind;
		unsigned int nth;
		unsigned int gap;	/* 0: once; else again after that many steps */
	} fail[2];
};

/* --- Functions that differ between the environments ------------------------------ */

/* Returns 0, or -errno if no failures can be injected here. */
int env_check(void);
/* Additional tests for tap_run(); *ret is their number. */
struct env_test {
	const char *name;
	void (*fn)(const void *unused);
};
const struct env_test *env_tests(size_t *ret);
/* Returns whether steps of that kind can fail. */
bool env_has(enum point kind);

/* Returns the reason why a scenario is impossible, or NULL. */
const char *env_lacks(const char *scenario);

/* For env.c only: before everything else, and when everything opened since is closed. */
void env_boot(void);
void env_note(void);
void env_expect_as_noted(void);
void env_open(struct raw *who);
void env_close(struct raw *who);

/* The next steps of the only task of @who follow the plan. */
void env_arm(const struct raw *who, const struct plan *plan);
/* Returns whether a planned failure happened. */
bool env_disarm(const struct raw *who, const struct plan *plan);

/* Between these calls, the process of @who is current: for operations that create files. */
void env_enter(const struct raw *who);
void env_leave(void);

/* Lets a moment pass, for deferred work of the driver. */
void env_moment(void);

/* From now on @who is another user with a new proc. */
void env_estrange(struct raw *who);

/* --- Functions common to both environments -------------------------------------- */

/* Starts the bystanders. Call it first; further calls have no effect. */
void env_init(void);
/* Creates a bus; the bystanders begin a call. */
void env_begin(void);
/* Closes all procs, ends the bystanders' call, and checks that no object is left. */
void env_end(void);

/* Return a counter of the driver: current objects, and objects ever created. */
long live(const char *name);
long total(const char *name);

/* Gives @to a handle for node @node of @from, by way of srv. No events may be queued. */
uint32_t give_handle(const struct raw *to, const struct raw *from, uint64_t node);

/* Takes the next event other than IDLE, which must be of that kind. */
void take_past_idle(const struct raw *r, uint32_t kind, struct ipcbus_event *ev);
/* The same for an event of any kind. */
void next_past_idle(const struct raw *r, struct ipcbus_event *ev);

#endif /* TESTS_FAULT_ENV_H */
