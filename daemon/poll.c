// SPDX-License-Identifier: GPL-2.0-only
/*
 * What clients poll: two fds, each readable exactly while the driver's poll says so.
 * They are set by the control fiber after the driver's wake-up, and cleared by whatever
 * ioctl of the client changed that.
 *
 * Each is an epoll fd that watches an eventfd of the daemon. The client does not get the eventfd:
 * it could fill it and clear O_NONBLOCK, which is the open file's, and the worker would wait for
 * it for ever.
 *
 * The last close() of a file that is watched waits for the lock of the epoll file that watches it.
 * A client holds that lock as long as it likes, by an epoll_wait() whose buffer is in a page that
 * never comes. So only the closer closes these fds once the client may have them.
 */
#include <stdlib.h>
#include <unistd.h>

#include <linux/poll.h>

#include "account.h"
#include "closer.h"
#include "shim.h"
#include "slot.h"

/**
 * struct client_poll - of one client
 * @client: whose
 * @table: by which the driver shows its queue
 * @entry: in that queue
 * @queue: that queue; NULL: nobody ever polled
 * @wanted: IPCBUSD_POLL_*
 * @fd: an eventfd for each bit of @wanted
 * @shown: what the client gets of it, until it has it, or -1
 * @set: the bits whose eventfd is readable
 */
struct client_poll {
	struct client *client;
	poll_table table;
	wait_queue_entry_t entry;
	wait_queue_head_t *queue;
	unsigned int wanted;
	int fd[2];
	int shown[2];
	unsigned int set;
};

int poll_begin(struct client *client)
{
	struct client_poll *poll = calloc(1, sizeof(*poll));

	if (!poll)
		return -ENOMEM;
	poll->client = client;
	for (int i = 0; i < 2; i++) {
		poll->fd[i] = event_new();
		poll->shown[i] = poll->fd[i] < 0 ? -1 : event_show(poll->fd[i]);
	}
	client->poll = poll;
	return poll->shown[0] < 0 || poll->shown[1] < 0 ? -EMFILE : 0;
}

int poll_fd(struct client *client, int which)
{
	return client->poll->shown[which];
}

static void close_shared(struct client *client, int fd)
{
	if (fd < 0)
		return;
	account_take_file(client->peer.account);
	close_later(fd, client->peer.account);
}

void poll_shown(struct client *client)
{
	struct client_poll *poll = client->poll;

	for (int i = 0; i < 2; i++) {
		close_shared(client, poll->shown[i]);
		poll->shown[i] = -1;
	}
}

/* Under locks of the driver, on any thread. */
static int wake(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	struct client_poll *poll = container_of(entry, struct client_poll, entry);

	(void)mode, (void)flags, (void)key;
	if (!__atomic_load_n(&poll->wanted, __ATOMIC_RELAXED))
		return 0;
	__atomic_fetch_or(&poll->client->todo, CLIENT_POLL, __ATOMIC_SEQ_CST);
	fiber_wake(poll->client->control);
	return 0;
}

static void enter_queue(struct file *file, wait_queue_head_t *queue, poll_table *table)
{
	struct client_poll *poll = container_of(table, struct client_poll, table);

	(void)file;
	poll->queue = queue;
	init_waitqueue_func_entry(&poll->entry, wake);
	add_wait_queue(queue, &poll->entry);
}

/* As no thread of the client's: what waits for one thread alone is not reported. */
static __poll_t ask_driver(struct client *client, __poll_t events)
{
	struct client_poll *poll = client->poll;
	struct task_struct *task = current;
	__poll_t mask;

	poll->table.queue = poll->queue ? NULL : enter_queue;
	poll->table.events = events;
	shim_task = client->task;
	mask = client->file->f_op->poll(client->file, &poll->table);
	shim_task = task;
	return mask;
}

void poll_update(struct client *client)
{
	struct client_poll *poll = client->poll;
	unsigned int wanted = poll->wanted, set = 0, changed;
	__poll_t mask;

	if (!wanted && !poll->set)
		return;
	/* Without EPOLLOUT, which says that the client has heard of space: see poll_choose(). */
	mask = ask_driver(client, EPOLLIN);
	set |= mask & EPOLLIN ? IPCBUSD_POLL_EVENT : 0;
	set |= mask & EPOLLOUT ? IPCBUSD_POLL_WRITABLE : 0;
	set &= wanted;
	changed = set ^ poll->set;
	poll->set = set;
	for (int i = 0; i < 2; i++)
		if (changed & 1U << i)
			event_set(poll->fd[i], set & 1U << i);
}

int poll_choose(struct client *client, unsigned long wanted)
{
	if (wanted & ~(unsigned long)(IPCBUSD_POLL_EVENT | IPCBUSD_POLL_WRITABLE))
		return -EINVAL;
	/* Who does not wait any more has heard. Until then space at one receiver is not forgotten
	 * over the next one that refuses. */
	if (client->poll->wanted & ~wanted & IPCBUSD_POLL_WRITABLE)
		ask_driver(client, EPOLLOUT);
	__atomic_store_n(&client->poll->wanted, (unsigned int)wanted, __ATOMIC_SEQ_CST);
	poll_update(client);
	return 0;
}

void poll_end(struct client *client)
{
	struct client_poll *poll = client->poll;

	if (!poll)
		return;
	if (poll->queue)
		remove_wait_queue(poll->queue, &poll->entry);
	poll_shown(client);
	for (int i = 0; i < 2; i++)
		close_shared(client, poll->fd[i]);
	free(poll);
	client->poll = NULL;
}
