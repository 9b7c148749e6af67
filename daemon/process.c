// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes: see process.h. An address space ends with its last client, as it ends in the
 * kernel with its last thread: who connects after that gets another one.
 */
#include <pthread.h>
#include <stdlib.h>

#include "client.h"
#include "process.h"
#include "shim.h"

/**
 * struct process - one process, as long as it has a client
 * @next: in the list of all (lock)
 * @peer: its pid, and when it began; constant
 * @shim: counted; constant
 * @clients: that have not begun to end (lock)
 * @holders: those that have not ended (lock)
 */
struct process {
	struct process *next;
	struct client_peer peer;
	struct shim_process *shim;
	unsigned int clients;
	unsigned int holders;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct process *processes;

static struct process *find_locked(const struct client_peer *peer)
{
	struct process *process = processes;

	while (process && (process->peer.pid != peer->pid || !process->clients ||
			   process->peer.started != peer->started))
		process = process->next;
	return process;
}

static struct process *make(const struct client_peer *peer)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->peer = *peer;
	process->shim = shim_process_new(peer->pid, NULL);
	process->shim->leader.start_boottime = peer->started;
	return process;
}

struct process *process_get(const struct client_peer *peer, struct task_struct **ret_task)
{
	struct process *process;

	pthread_mutex_lock(&lock);
	process = find_locked(peer);
	if (!process) {
		process = make(peer);
		if (process) {
			process->next = processes;
			processes = process;
		}
	}
	if (process) {
		process->clients++;
		process->holders++;
		/* Not later: what leaves at the same time may have the last task of the process. */
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
	if (is_last)
		*link = process->next;
	pthread_mutex_unlock(&lock);
	if (!is_last)
		return;
	shim_process_put(process->shim);
	free(process);
}

struct shim_process *process_shim(const struct process *process)
{
	return process->shim;
}
