// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two fds that a client polls. Each is readable exactly while the driver's poll() reports its
 * condition. The control fiber sets them after a wake-up by the driver. An ioctl of the client that
 * changes the condition clears them.
 * Likewise, a word in the client's area reports events to threads that wait in a futex for direct
 * channels.
 *
 * Each fd is a timerfd, because the daemon can set and clear it without ever waiting for the
 * client. The client could fill the counter of an eventfd and clear O_NONBLOCK, which belongs to
 * the open file, or hold the lock of a pipe or socket. It could add watches to an epoll file, and
 * the kernel would count them for the user of the daemon.
 *
 * The last close() of a watched file waits for the lock of the epoll file. A client can hold that
 * lock as long as it likes, by an epoll_wait() into a page that is never supplied. So once the
 * client may have these fds, only the closer may close them.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/poll.h>

#include "account.h"
#include "closer.h"
#include "shim.h"
#include "cell.h"

/**
 * struct client_poll - poll state of a client
 * @client: the client
 * @table: passed to the driver's poll(), which returns its wait queue through it
 * @entry: in that wait queue
 * @queue: that wait queue; NULL before the first poll
 * @wanted: IPCBUSD_POLL_*
 * @fd: a timerfd for each bit of @wanted
 * @set: bits with a timerfd that is readable, or with a word that is 1
 */
struct client_poll {
	struct client *client;
	poll_table table;
	wait_queue_entry_t entry;
	wait_queue_head_t *queue;
	unsigned int wanted;
	int fd[2];
	unsigned int set;
};

int poll_begin(struct client *client)
{
	struct client_poll *poll = calloc(1, sizeof(*poll));

	if (!poll)
		return -ENOMEM;
	poll->client = client;
	for (int i = 0; i < 2; i++)
		poll->fd[i] = event_new();
	client->poll = poll;
	return poll->fd[0] < 0 || poll->fd[1] < 0 ? -EMFILE : 0;
}

int poll_fd(struct client *client, int which)
{
	return client->poll->fd[which];
}

static void close_shared(struct client *client, int fd)
{
	if (fd < 0)
		return;
	account_take_file(client->peer.account);
	close_later(fd, client->peer.account);
}

/* Requests an update of the client's fds from its control fiber. Called under locks of the driver,
 * on any thread. */
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

/* Polls with the task of the control fiber, so events for a specific thread are not reported. */
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

static void set_word(struct client *client, bool value)
{
	u32 *word = &client->area->event;

	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	if (value)
		syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void poll_update(struct client *client)
{
	struct client_poll *poll = client->poll;
	unsigned int wanted = poll->wanted, set = 0, changed;
	__poll_t mask;

	if (!wanted && !poll->set)
		return;
	/* Without EPOLLOUT, which would acknowledge the free space: see poll_choose(). */
	mask = ask_driver(client, EPOLLIN);
	set |= mask & EPOLLIN ? IPCBUSD_POLL_EVENT | IPCBUSD_POLL_WORD : 0;
	set |= mask & EPOLLOUT ? IPCBUSD_POLL_WRITABLE : 0;
	set &= wanted;
	changed = set ^ poll->set;
	poll->set = set;
	/* First: a client that is woken by the fd takes no event while the word is 0. */
	if (changed & IPCBUSD_POLL_WORD)
		set_word(client, set & IPCBUSD_POLL_WORD);
	for (int i = 0; i < 2; i++)
		if (changed & 1U << i)
			event_set(poll->fd[i], set & 1U << i);
}

int poll_choose(struct client *client, unsigned long wanted)
{
	if (wanted & ~(unsigned long)(IPCBUSD_POLL_EVENT | IPCBUSD_POLL_WRITABLE |
				      IPCBUSD_POLL_WORD))
		return -EINVAL;
	/* A client that stops waiting for space has been notified, so acknowledge it. Until then
	 * the driver must not forget space at one receiver because another receiver refuses a
	 * oneway. */
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
	for (int i = 0; i < 2; i++)
		close_shared(client, poll->fd[i]);
	free(poll);
	client->poll = NULL;
}
