// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes: see process.h. An address space ends with its last client, as it ends in the kernel
 * with its last thread. A client that connects later gets a new one.
 *
 * If a process is in a PID namespace below the daemon's, the driver also knows the numbers of the
 * process and its threads in that namespace.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/pid_namespace.h>

#include "../driver/thread.h"
#include "client.h"
#include "pidns.h"
#include "process.h"
#include "shim.h"

/**
 * struct space - a PID namespace below the daemon's
 * @next: in the list of all namespaces (lock)
 * @fd: keeps the namespace, so that no other namespace gets its number; -1 if it cannot be opened.
 *	Such a namespace is never shared between processes.
 * @number: identifies the namespace; 0 if @fd is -1; constant
 * @parent: holds a reference; NULL for the daemon's namespace; constant
 * @shim: holds a reference; constant
 * @ref: processes in this namespace, and namespaces below it (lock)
 */
struct space {
	struct space *next;
	int fd;
	uint64_t number;
	struct space *parent;
	struct pid_namespace *shim;
	unsigned int ref;
};

/**
 * struct process - a process that has a client
 * @next: in the list of all processes (lock)
 * @peer: its pid and start time; constant
 * @space: holds a reference; NULL for the daemon's namespace; constant
 * @shim: holds a reference; constant
 * @clients: number of clients before process_leave() (lock)
 * @holders: number of clients before process_put() (lock)
 */
struct process {
	struct process *next;
	struct client_peer peer;
	struct space *space;
	struct shim_process *shim;
	unsigned int clients;
	unsigned int holders;
};

/* Each known namespace takes an fd. Below this level, namespaces are not opened, so processes do
 * not share them. */
#define MAX_KNOWN 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct process *processes;
static struct space *spaces;

/* --- Namespaces -------------------------------------------------------------------- */

static void space_put_locked(struct space *space)
{
	struct space **link, *parent;

	for (; space && !--space->ref; space = parent) {
		parent = space->parent;
		for (link = &spaces; *link != space; link = &(*link)->next)
			;
		*link = space->next;
		if (space->fd >= 0)
			close(space->fd);
		put_pid_ns(space->shim);
		free(space);
	}
}

static struct space *find_space_locked(int fd)
{
	uint64_t number = pidns_id(fd);
	struct space *space = number ? spaces : NULL;

	while (space && space->number != number)
		space = space->next;
	return space;
}

/* Finds or creates the namespace of an fd, at that level below the daemon's. Takes ownership of the
 * fd. Returns NULL if memory is short. */
static struct space *space_get_locked(int fd, unsigned int level)
{
	struct space *space = find_space_locked(fd);

	if (space) {
		close(fd);
		space->ref++;
		return space;
	}
	space = calloc(1, sizeof(*space));
	if (space && level > 1) {
		space->parent = space_get_locked(pidns_open_parent(fd), level - 1);
		if (!space->parent) {
			free(space);
			space = NULL;
		}
	}
	if (!space) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	space->fd = fd < 0 ? -1 : fd;
	space->number = pidns_id(fd);
	space->shim = shim_pid_ns_new(space->parent ? space->parent->shim : &init_pid_ns);
	space->ref = 1;
	space->next = spaces;
	spaces = space;
	return space;
}

/* --- Processes --------------------------------------------------------------------- */

static struct process *find_locked(const struct client_peer *peer)
{
	struct process *process = processes;

	while (process && (process->peer.pid != peer->pid || !process->clients ||
			   process->peer.started != peer->started))
		process = process->next;
	return process;
}

static struct process *make_locked(const struct client_peer *peer)
{
	struct process *process = calloc(1, sizeof(*process));
	struct pid_numbers numbers;
	int fd;

	if (!process)
		return NULL;
	process->peer = *peer;
	/* A process that has ended has no numbers, and will soon leave the bus. */
	if (pidns_read_process(peer->pid, &numbers) || numbers.nr[0] != peer->pid)
		numbers.level = 0;
	if (numbers.level) {
		fd = numbers.level > MAX_KNOWN ? -EPERM : pidns_open(peer->pid);
		process->space = space_get_locked(fd, numbers.level);
		if (!process->space) {
			free(process);
			return NULL;
		}
	}
	process->shim = shim_process_new(peer->pid, process->space ? process->space->shim : NULL);
	process->shim->leader.start_boottime = peer->started;
	if (process->space)
		shim_pid_set(process->shim->pid, numbers.nr);
	return process;
}

struct process *process_get(const struct client_peer *peer, struct task_struct **ret_task)
{
	struct process *process;

	pthread_mutex_lock(&lock);
	process = find_locked(peer);
	if (!process) {
		process = make_locked(peer);
		if (process) {
			process->next = processes;
			processes = process;
		}
	}
	if (process) {
		process->clients++;
		process->holders++;
		/* Create the task under the lock: a client that leaves at the same time may hold
		 * the last task of the process. */
		*ret_task = shim_task_new(process->shim, 0);
	}
	pthread_mutex_unlock(&lock);
	return process;
}

void process_leave(struct process *process)
{
	pthread_mutex_lock(&lock);
	process->clients--;
	pthread_mutex_unlock(&lock);
}

void process_put(struct process *process)
{
	struct process **link = &processes;
	bool is_last;

	pthread_mutex_lock(&lock);
	is_last = !--process->holders;
	while (is_last && *link != process)
		link = &(*link)->next;
	if (is_last) {
		*link = process->next;
		space_put_locked(process->space);
	}
	pthread_mutex_unlock(&lock);
	if (!is_last)
		return;
	shim_process_put(process->shim);
	free(process);
}

bool process_is_below(const struct process *process)
{
	return process->space;
}

struct task_struct *process_new_task(const struct process *process, int tid)
{
	struct pid_numbers numbers = { .nr = { tid } };
	struct task_struct *task;

	if (!process->space) {
		if (!pidns_has_thread(process->peer.pid, tid))
			return NULL;
	} else if (pidns_find_thread(process->peer.pid, tid, &numbers) ||
		   numbers.level != process->space->shim->level) {
		return NULL;
	}
	/* The negative number keeps the task apart from tasks of other cells, because a client can
	 * give two cells the same tid. */
	task = shim_task_new(process->shim, -numbers.nr[0]);
	shim_pid_set(task->pid, numbers.nr);
	return task;
}

/* --- Identity of senders ----------------------------------------------------------- */

static bool is_space(struct pid_namespace *ns, uint64_t number)
{
	struct space *space;

	pthread_mutex_lock(&lock);
	space = number ? spaces : NULL;
	while (space && (space->number != number || space->shim != ns))
		space = space->next;
	pthread_mutex_unlock(&lock);
	return space;
}

/* Returns the number of a process in the namespace, or 0. */
static u32 number_in(int pid, struct pid_namespace *ns)
{
	unsigned int level = (unsigned int)ns->level;
	struct pid_numbers numbers;
	bool is_there;
	int fd, parent;

	if (ns == &init_pid_ns)
		return (u32)pid;
	if (pidns_read_process(pid, &numbers) || numbers.level < level)
		return 0;
	fd = pidns_open(pid);
	for (unsigned int i = numbers.level; i > level; i--, fd = parent) {
		parent = pidns_open_parent(fd);
		if (fd >= 0)
			close(fd);
	}
	is_there = is_space(ns, pidns_id(fd));
	if (fd >= 0)
		close(fd);
	return is_there ? (u32)numbers.nr[level] : 0;
}

/* Replaces the driver's function. A process that has called exec(), or is a zombie, no longer has a
 * client and a task, so this reads /proc. */
bool ipcbus_sender_id_exists(const struct ipcbus_sender_id *id, struct pid_namespace *ns,
			     u32 *ret_pid)
{
	uint64_t started;

	if (pidns_read_start(id->pid, &started) || started != id->started)
		return false;
	*ret_pid = number_in(id->pid, ns);
	return true;
}
