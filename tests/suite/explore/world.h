/* SPDX-License-Identifier: MIT */
/*
 * What a scenario is made of: up to three processes that talk over the driver,
 * up to four threads in them, and system calls for these threads to make.
 *
 * A run sets up the sides (each opens and maps the device; SRV is the manager),
 * prepares the scenario, runs its threads under the scheduler, and tears all
 * down; then nothing may be left. Threads are to end by themselves.
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

/* All there are, from 0; behind the last: NULL. */
const struct scenario *scenario_nth(size_t i);

/* The whole of one run. */
void world_run(const struct scenario *scenario, const struct shim_policy *policy);
/* In prepare(): go on as thread i, or as a side's keeper. */
void be(int i);
void be_side(enum side side);
/* A side is that user from now on, by a new file. */
void world_estrange(enum side side, u32 uid);

/* Each side's file, mapping and node; as its own threads see it. */
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

/* EXCHANGE of the calling thread's side. */
int exchange(u32 flags, const struct ipcbus_send *send, u64 buffer, struct ipcbus_event *ret);
int ioctl_node(unsigned int cmd, u64 node, u32 flags);
int ioctl_handle(unsigned int cmd, u32 handle, u32 count, u64 cookie);
int ioctl_manager_watch(unsigned int cmd, u64 cookie);
/* Of the side's process, by the calling thread's file. */
int ioctl_freeze(enum side side, u32 flags, struct ipcbus_freeze *ret);
enum side own_side(void);

u64 node_create(u64 cookie);
int oneway(u32 handle, u32 code);
int call(u32 handle, u32 code);
int reply(u64 id);
int reply_object(u64 id, u32 type, u64 value);
int release(u64 buffer);
/* Waits, and serves if it is in no call; comes back with no INTERRUPTED. */
void wait_event(struct ipcbus_event *ret);
/* What is there now, or NONE. */
void next_event(struct ipcbus_event *ret);
/* The first byte of the payload is as oneway() and call() send it, if it can be seen. */
void look_at(const struct ipcbus_event *event);
/* Prepares: to gets a handle for from's node. */
u32 hand_over(enum side to, enum side from, u64 node);
