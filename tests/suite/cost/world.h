/* SPDX-License-Identifier: MIT */
/*
 * What others create, as much of it as one wants: a server, a client that is measured, and
 * procs of others who make things grow. All is in one process, but for the one that is
 * frozen.
 */
#ifndef TESTS_COST_WORLD_H
#define TESTS_COST_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipcbus-monitor.h"
#include "ipcbus.h"

#define REGION		(4U << 20)
#define MAX_PROCS	16384

/**
 * struct world - who is there
 * @srv: the bus's manager, with @node behind handle 0
 * @cli: whose operations are measured
 * @oth: has what others have
 * @node: of @srv
 * @procs: further procs of others
 * @proc_count: how many
 */
struct world {
	int srv;
	int cli;
	int oth;
	uint64_t node;
	int procs[MAX_PROCS];
	unsigned int proc_count;
};

/**
 * struct thing - something of which others create much
 * @name: in the table
 * @most: how many there may be here at most
 * @make: creates so many more
 * @in_sample: what costs others most where it is wrong, and is made soon
 */
struct thing {
	const char *name;
	unsigned int most;
	void (*make)(struct world *w, unsigned int count);
	bool in_sample;
};

/* As many files and threads without ipcbus. */
extern const struct thing control;

extern const struct thing things[];
extern const unsigned int thing_count;

void world_make(struct world *w);

/* All of these end the program if the driver does something else. */
int open_proc(size_t region);
int xioctl(int fd, unsigned long cmd, void *arg, const char *what);
uint64_t create_node(int fd);
void destroy_node(int fd, uint64_t node);
void send_message(int fd, const struct ipcbus_send *send);
void take_event(int fd, uint32_t kind, struct ipcbus_event *ev);
void release_buffer(int fd, uint64_t id);
/* A handle of to's for a node of from's, by way of the manager. */
uint32_t hand(struct world *w, int to, int from, uint64_t node);
/* Runs what follows with that nice value, or as a realtime thread for INT_MIN. */
void run_as(int nice);

_Noreturn void fail(const char *what, int error);

#endif
