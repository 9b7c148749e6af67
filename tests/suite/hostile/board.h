/* SPDX-License-Identifier: MIT */
/*
 * The scene of an attack: servicemanager, the victim service, and what their witness
 * measures. For main.c; attacks use hostile.h.
 */
#ifndef HOSTILE_BOARD_H
#define HOSTILE_BOARD_H

#include "hostile.h"

/* What the processes of an attack share. */
struct board {
	_Atomic(int) begun, succeeded, broken;
	char how[256], what[256];
};
extern struct board *board;

/* How the witness was served: by the service, and by servicemanager. */
enum { BY_SERVICE, BY_MANAGER, SERVED_BY };
struct service_times {
	unsigned int calls, failed;
	double median_us[SERVED_BY], worst_ms;
};

/* What a victim holds. */
struct holdings {
	size_t memory_kib;	/* of its own: not its region, which may fill and stay so */
	size_t peak_kib;	/* the most that was resident since the last look, region and all */
	unsigned int files, threads;
};

/* Makes the board, once. */
int board_make(void);

/* Starts both victims with the policy of the tests. Returns 0, or -1 with a message. */
int scene_begin(void);
void scene_end(void);

/* Both victims live. */
bool scene_lives(void);

/* What a victim holds now; and begins a new peak. */
struct holdings holdings_of(pid_t pid);

/* A new witness calls service and servicemanager by turns for so long. One that does not get
 * to its first call in that time has waited for ever. */
struct service_times witness(unsigned int ms);

#endif
