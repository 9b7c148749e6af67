/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slots of a client, and the fiber of each: see slot.c. All on the client's worker.
 */
#pragma once

#include "kernel/fiber.h"
#include "client.h"
#include "ipcbus-daemon.h"
#include "process.h"
#include "user.h"

struct file;

/**
 * enum slot_phase - what the daemon believes of a slot, whatever its memory says
 * @SLOT_IDLE: the client's
 * @SLOT_NEW: an ioctl of a thread that has no fiber yet
 * @SLOT_RUNS: an ioctl runs on its fiber
 * @SLOT_ASKS: its fiber waits for a reply of the client's
 */
enum slot_phase {
	SLOT_IDLE,
	SLOT_NEW,
	SLOT_RUNS,
	SLOT_ASKS,
};

/**
 * struct slot - one slot
 * @client: whose
 * @number: constant
 * @shared: the client's memory: each field is read once
 * @fiber: NULL: no thread uses it
 * @phase: see there
 * @new_entry: in the client's list, while it is SLOT_NEW
 * @fd: that the client sent for it, or SLOT_*; set by the main thread if one comes
 * @fd_error: why the driver did not get an fd in this ioctl, or 0
 */
struct slot {
	struct client *client;
	unsigned int number;
	struct ipcbusd_slot *shared;
	struct shim_fiber *fiber;
	enum slot_phase phase;
	struct list_head new_entry;
	int fd;
	int fd_error;
};

#define SLOT_NO_FD	(-1)	/* none is asked for */
#define SLOT_FD_COMES	(-2)	/* one is */

/* What its control fiber is to do. */
#define CLIENT_MAP		(1U << 0)
#define CLIENT_INTERRUPT	(1U << 1)
#define CLIENT_POLL		(1U << 2)
#define CLIENT_FDS		(1U << 3)
#define CLIENT_END		(1U << 4)

/**
 * struct client - see client.h
 * @memory: the area; first
 * @area: its first page
 * @shown: the file of it that the client gets, until it has it, or -1
 * @peer: constant
 * @flight: all that is sent to it
 * @user: constant
 * @number: at the user's bell
 * @ends_before: clients of the user that were to end when this one connected
 * @process: what the driver knows it as
 * @task: of the control fiber, which lives as long as the process
 * @control: that fiber
 * @file: the open file; counted
 * @todo: CLIENT_*; anybody sets them
 * @map_size: for CLIENT_MAP
 * @maps: a map is asked for (main thread sets, worker clears)
 * @ending: its fibers are to end
 * @fibers: how many slots have one
 * @new_slots: those whose thread is to begin, in the order in which they came
 * @slot: those that were used, by number; NULL: never
 * @poll: see poll.c
 */
struct client {
	struct client_memory memory;
	struct ipcbusd_client *area;
	int shown;
	struct client_peer peer;
	struct flight *flight;
	struct user *user;
	unsigned int number;
	uint64_t ends_before;
	struct process *process;
	struct task_struct *task;
	struct shim_fiber *control;
	struct file *file;
	unsigned int todo;
	uint64_t map_size;
	bool maps;
	bool ending;
	unsigned int fibers;
	struct list_head new_slots;
	struct slot *slot[IPCBUSD_SLOTS];
	struct client_poll *poll;
};

/* Looks at a slot whose bit was set. */
void slot_look(struct client *client, unsigned int number);
/* All fibers end as soon as they can; the last one wakes the control fiber. */
void slots_end(struct client *client);
/* Once there is no fiber. */
void slots_free(struct client *client);
/* Fibers that wait for an fd look whether theirs came. */
void slots_have_fds(struct client *client);
/* The slot of the current task, or NULL. */
struct slot *slot_current(void);
/* Asks the client's thread for something, by enum ipcbusd_ask; returns its reply. A client
 * that ends is -EINTR. */
int slot_ask(struct slot *slot, unsigned int ask, int fd);

/* --- Files of clients: fds.c ----------------------------------------------------- */

void fds_init(void);

/* --- Poll: poll.c ----------------------------------------------------------------- */

int poll_begin(struct client *client);
/* What the client is to get; poll_shown() once it has. */
int poll_fd(struct client *client, int which);
void poll_shown(struct client *client);
/* IPCBUSD_IOC_POLL. */
int poll_choose(struct client *client, unsigned long wanted);
/* Sets the client's eventfds as the driver's poll says; at once if nobody polls. */
void poll_update(struct client *client);
void poll_end(struct client *client);
