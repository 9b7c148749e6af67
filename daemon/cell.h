/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cells of a client, and the fiber of each cell: see cell.c. Worker of the client only.
 */
#pragma once

#include "kernel/fiber.h"
#include "client.h"
#include "ipcbus-daemon.h"
#include "process.h"
#include "user.h"

struct file;

/**
 * enum cell_phase - the daemon's view of a cell, regardless of the cell's memory
 * @CELL_IDLE: owned by the client
 * @CELL_NEW: an ioctl of a thread that has no fiber yet
 * @CELL_RUNS: an ioctl runs on the cell's fiber
 * @CELL_ASKS: the cell's fiber waits for a reply of the client
 */
enum cell_phase {
	CELL_IDLE,
	CELL_NEW,
	CELL_RUNS,
	CELL_ASKS,
};

/**
 * struct cell - a cell
 * @client: the client that owns it
 * @number: constant
 * @shared: the client's memory; read each field once
 * @fiber: NULL if no thread uses the cell
 * @phase: see enum cell_phase
 * @new_entry: in the client's list, while CELL_NEW
 * @fd: the fd that the client sent for this cell, or CELL_*; the main thread sets it when the fd
 *	arrives
 * @fd_error: why the driver did not get an fd in this ioctl, or 0
 */
struct cell {
	struct client *client;
	unsigned int number;
	struct ipcbusd_cell *shared;
	struct shim_fiber *fiber;
	enum cell_phase phase;
	struct list_head new_entry;
	int fd;
	int fd_error;
};

#define CELL_NO_FD	(-1)	/* no fd was requested */
#define CELL_FD_COMES	(-2)	/* an fd was requested */

/* Requests to the client's control fiber. */
#define CLIENT_MAP		(1U << 0)
#define CLIENT_INTERRUPT	(1U << 1)
#define CLIENT_POLL		(1U << 2)
#define CLIENT_FDS		(1U << 3)
#define CLIENT_END		(1U << 4)

/* Consecutive cells of a client. */
#define CELLS_PER_GROUP		32
struct cell_group {
	struct cell *cell[CELLS_PER_GROUP];
};

/**
 * struct client - see client.h
 * @memory: the area; must be first
 * @area: the first page of the area
 * @shown: the open file of the area for the client; closed after it was sent
 * @peer: constant
 * @flight: for all messages to the client
 * @user: constant
 * @number: the client's number at the user's bell
 * @ends_before: clients of the user that were told to end before this client connected
 * @process: the process for the driver
 * @task: of the control fiber; lives as long as the client
 * @control: the control fiber
 * @file: the open file; holds a reference
 * @todo: CLIENT_*; any thread may set bits
 * @map_size: for CLIENT_MAP
 * @maps: a map request is pending (main thread sets, worker clears)
 * @ending: the fibers must end
 * @monitors: the client monitors the bus
 * @fibers: number of cells with a fiber
 * @new_cells: CELL_NEW cells, in order of arrival
 * @cells: cells by number, in groups; NULL for cells and groups that were never used
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
	bool monitors;
	unsigned int fibers;
	struct list_head new_cells;
	struct cell_group *cells[IPCBUSD_CELLS / CELLS_PER_GROUP];
	struct client_poll *poll;
};

/* Returns the cell with that number, or NULL if it was never used. Any thread. */
static inline struct cell *cell_of(const struct client *client, unsigned int number)
{
	struct cell_group *group = __atomic_load_n(&client->cells[number / CELLS_PER_GROUP],
						   __ATOMIC_ACQUIRE);

	return group ? __atomic_load_n(&group->cell[number % CELLS_PER_GROUP], __ATOMIC_ACQUIRE) :
		       NULL;
}

/* Sets whether the client monitors the bus. */
void client_set_monitors(struct client *client, bool monitors);

/* Examines a cell after its bit was set. */
void cell_look(struct client *client, unsigned int number);
/* Makes all fibers end as soon as possible. The last fiber wakes the control fiber. */
void cells_end(struct client *client);
/* Must be called after all fibers have ended. */
void cells_free(struct client *client);
/* Wakes the fibers that have got their fd. */
void cells_have_fds(struct client *client);
/* Returns the cell of the current task, or NULL. */
struct cell *cell_current(void);
/* Requests an operation of enum ipcbusd_ask from the client's thread and sleeps until the thread
 * replies. Returns the reply, or -EINTR if the client ends. */
int cell_ask(struct cell *cell, unsigned int ask, int fd);

/* --- Files of clients: fds.c ----------------------------------------------------- */

void fds_init(void);

/* --- Poll: poll.c ----------------------------------------------------------------- */

int poll_begin(struct client *client);
/* Returns an fd for the client. */
int poll_fd(struct client *client, int which);
/* Implements IPCBUSD_IOC_POLL. */
int poll_choose(struct client *client, unsigned long wanted);
/* Sets the client's fds according to the driver's poll(). Fast path: returns at once if the
 * client does not poll. */
void poll_update(struct client *client);
void poll_end(struct client *client);
