/* SPDX-License-Identifier: MIT */
/*
 * Where a scenario takes place: a bus with three procs, and two bystanders who
 * talk over its head and must not notice anything.
 *
 * Each proc has a process of its own, as the host build fakes them (shim.h),
 * and all are played by one thread: a system call on a proc is made by the
 * process that opened it, so raw_*() need not be notified who calls. Everything that
 * can leak is counted before and after.
 */
#ifndef TESTS_FAIL_WORLD_H
#define TESTS_FAIL_WORLD_H

#include "../../env/host/shim/fail.h"
#include "../kernel/raw.h"
#include "files.h"

#define REGION (1U << 20)
#define SRV_COOKIE 0x5e57e4

/* srv is the bus's manager by srv_node, which takes fds. */
extern struct raw srv, cli, oth;
extern uint64_t srv_node;

/* What is to fail: none, one or two steps. */
struct plan {
	unsigned int n;
	struct {
		enum shim_fail kind;
		unsigned int nth;
		unsigned int gap;	/* 0: once; else again that much later */
	} fail[2];
};

/* Loads the driver again and again, for tap_run(): no world yet. */
void world_load(const void *unused);

/* Before all else: the bystanders; later it does nothing. */
void world_init(void);
/* A new bus; the bystanders begin a call. */
void world_begin(void);
/* All are closed, the bystanders end their call, and nothing is left. */
void world_end(void);

/* The next steps of who's only task go by the plan. */
void world_arm(const struct raw *who, const struct plan *plan);
/* Whether anything that was to fail has. */
bool world_disarm(const struct raw *who, const struct plan *plan);

/* Between these, who's process runs: for what makes new files. */
void world_enter(const struct raw *who);
void world_leave(void);

/* Who is somebody else from now on, with a new proc: its messages to others come
 * from another user. */
void world_estrange(struct raw *who);

/* How many the driver says there are, and ever were. */
long live(const char *name);
long total(const char *name);

/* Give @to a handle for a node of @from's, by way of srv; nothing may be queued. */
uint32_t give_handle(const struct raw *to, const struct raw *from, uint64_t node);

/* The next event but IDLE ones; must be of that kind. */
void take_past_idle(const struct raw *r, uint32_t kind, struct ipcbus_event *ev);
/* The same, of any kind. */
void next_past_idle(const struct raw *r, struct ipcbus_event *ev);

#endif /* TESTS_FAIL_WORLD_H */
