/* SPDX-License-Identifier: MIT */
/*
 * The parts of a scenario: up to three processes that communicate through the driver, up to four
 * threads in them, and system calls for these threads.
 *
 * A run sets up the sides (each opens and maps the device; SRV is the manager), prepares the
 * scenario, runs its threads under the scheduler, and closes everything. Afterwards no object may
 * be left. Threads must end by themselves.
 */
#pragma once

#include "ipcbus.h"

#include "shim.h"

enum side {
	SRV,
	CLI,
	OTH,
	SIDES,
};

#define REGION (16 * PAGE_SIZE)
#define MAX_THREADS 4

struct scenario {
	const char *name;
	const char *what;
	void (*prepare)(void);
	struct {
		const char *name;
		enum side side;
		void (*fn)(void *);
	} thread[MAX_THREADS];
	unsigned int dies;	/* sides that end with their last thread */
};

/* The scenarios, from 0. Returns NULL after the last. */
const struct scenario *scenario_nth(size_t i);

/* Runs a scenario once, with setup and teardown. */
void world_run(const struct scenario *scenario, const struct shim_policy *policy);
/* In prepare(): continue as thread i, or as the keeper of a side. */
void be(int i);
void be_side(enum side side);
/* From now on a side belongs to that user, with a new file. */
void world_estrange(enum side side, u32 uid);

/* Each side's file, mapping and node, as seen by its own threads. */
struct world_side {
	struct shim_process *process;
	struct task_struct *keeper;
	int fd;
	struct shim_map *map;
	u64 node;
};

extern struct world_side sides[SIDES];

#define CHECK(cond)                                                               \
	do {                                                                      \
		if (!(cond))                                                      \
			shim_panic("%s:%d: wrong: %s", __FILE__, __LINE__, #cond); \
	} while (0)

/* EXCHANGE by the calling thread's side. */
int exchange(u32 flags, const struct ipcbus_send *send, u64 buffer, struct ipcbus_event *ret);
int ioctl_node(unsigned int cmd, u64 node, u32 flags);
int ioctl_handle(unsigned int cmd, u32 handle, u32 count, u64 cookie);
int ioctl_manager_watch(unsigned int cmd, u64 cookie);
/* Freezes the side's process, through the calling thread's file. */
int ioctl_freeze(enum side side, u32 flags, struct ipcbus_freeze *ret);
enum side own_side(void);

u64 node_create(u64 cookie);
int oneway(u32 handle, u32 code);
int call(u32 handle, u32 code);
int reply(u64 id);
int reply_object(u64 id, u32 type, u64 value);
int release(u64 buffer);
/* Waits, and serves if the thread is in no call. Never returns INTERRUPTED. */
void wait_event(struct ipcbus_event *ret);
/* Returns the event that is queued now, or NONE. */
void next_event(struct ipcbus_event *ret);
/* Checks the first payload byte against oneway() and call(), if it is readable. */
void look_at(const struct ipcbus_event *event);
/* In prepare(): gives @to a handle for @from's node. */
u32 hand_over(enum side to, enum side from, u64 node);
