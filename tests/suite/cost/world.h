/* SPDX-License-Identifier: MIT */
/*
 * Any number of objects of other users: a server, a measured client, and further procs,
 * which create more and more objects. All are in a single process, except for the frozen process.
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
 * struct world - the participants
 * @srv: the bus's manager, with @node behind handle 0
 * @cli: its operations are measured
 * @oth: has the objects of other users
 * @node: of @srv
 * @procs: further procs of other users
 * @proc_count: number of @procs
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
 * struct thing - a kind of object of which other users have many
 * @name: in the table
 * @most: maximum number here
 * @make: creates @count more
 * @in_sample: reveals faults best, and is created quickly
 */
struct thing {
	const char *name;
	unsigned int most;
	void (*make)(struct world *w, unsigned int count);
	bool in_sample;
};

/* The same number of files and threads without ipcbus. */
extern const struct thing control;

extern const struct thing things[];
extern const unsigned int thing_count;

void world_make(struct world *w);

/* Each of these ends the program if the driver returns an unexpected result. */
int open_proc(size_t region);
int xioctl(int fd, unsigned long cmd, void *arg, const char *what);
uint64_t create_node(int fd);
void destroy_node(int fd, uint64_t node);
void send_message(int fd, const struct ipcbus_send *send);
void take_event(int fd, uint32_t kind, struct ipcbus_event *ev);
void release_buffer(int fd, uint64_t id);
/* Gives @to a handle for @from's node, through the manager. */
uint32_t hand(struct world *w, int to, int from, uint64_t node);
/* Continues with that nice value, or as a realtime thread for INT_MIN. */
void run_as(int nice);

_Noreturn void fail(const char *what, int error);

#endif
