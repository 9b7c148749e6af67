/* SPDX-License-Identifier: MIT */
/*
 * The scene of an attack: servicemanager, the victim service, and the witness's measurements. For
 * main.c; attacks use hostile.h.
 */
#ifndef HOSTILE_BOARD_H
#define HOSTILE_BOARD_H

#include "hostile.h"

/* Shared memory of an attack's processes. */
struct board {
	_Atomic(int) begun, succeeded, broken;
	char how[256], what[256];
};
extern struct board *board;

/* Durations of the witness's calls: to the service, and to servicemanager. */
enum { BY_SERVICE, BY_MANAGER, SERVED_BY };
struct service_times {
	unsigned int calls, failed;
	double median_us[SERVED_BY], worst_ms;
};

/* The resources of a victim. */
struct holdings {
	size_t memory_kib;	/* its own memory: not its region, which may fill and stay full */
	size_t peak_kib;	/* maximum resident since the last call, including the region */
	unsigned int files, threads;
};

/* Creates the board, once. */
int board_make(void);

/* Starts both victims with the policy of the tests. Returns 0, or -1 with a message. */
int scene_begin(void);
void scene_end(void);

/* Returns whether both victims live. */
bool scene_lives(void);

/* Returns a victim's resources, and starts a new peak. */
struct holdings holdings_of(pid_t pid);

/*
 * A new witness calls service and servicemanager in turn for @ms milliseconds. If its first call
 * does not end in that time, the witness was blocked.
 */
struct service_times witness(unsigned int ms);

#endif
