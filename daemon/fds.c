// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that travel in messages. fget() asks the sender's thread for the fd, receive_fd()
 * gives it to the receiver's. In between the daemon has it, and the driver charges it to
 * the sender's user.
 */
#include "shim.h"
#include "slot.h"

static int no_number(void)
{
	return -EMFILE;
}

/* The main thread puts it there, maybe after the reply. */
static int wait_for_fd(struct slot *slot)
{
	int fd;

	while ((fd = __atomic_exchange_n(&slot->fd, -1, __ATOMIC_ACQ_REL)) < 0) {
		if (slot->client->ending)
			return -EINTR;
		fiber_sleep();
	}
	return fd;
}

static struct file *take_from_client(int number)
{
	struct slot *slot = slot_current();
	struct file *file;
	int fd, flags;

	if (!slot || slot_ask(slot, IPCBUSD_ASK_SEND_FD, number) < 0)
		return NULL;
	fd = wait_for_fd(slot);
	if (fd < 0)
		return NULL;
	flags = file_flags(fd);
	if (flags < 0) {
		close_later(fd);
		return NULL;
	}
	file = shim_file_new(NULL, flags);
	file->real = fd;
	return file;
}

/* A dying process takes whatever it gets: the call that brings the file fails with its death. */
#define NUMBER_OF_NOBODY 0

static int give_to_client(struct file *file)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_RECEIVE_FD };
	struct slot *slot = slot_current();
	int ret;

	if (!slot)
		return -EBADF;
	message.number = slot->number;
	ret = socket_send(slot->client->peer.socket, &message, &file->real, 1);
	if (ret == -EPIPE || ret == -ECONNRESET)
		return NUMBER_OF_NOBODY;
	if (ret < 0)
		return -EMFILE;
	ret = slot_ask(slot, IPCBUSD_ASK_RECEIVE_FD, -1);
	if (slot->client->ending)
		return NUMBER_OF_NOBODY;
	return ret < -MAX_ERRNO ? -EMFILE : ret;
}

static void close_in_client(int number)
{
	struct slot *slot = slot_current();

	if (slot)
		slot_ask(slot, IPCBUSD_ASK_CLOSE_FD, number);
}

static void done(struct file *file)
{
	close_later(file->real);
}

static const struct shim_fd_ops fd_ops = {
	.get = no_number,
	.put = close_in_client,
	.foreign = take_from_client,
	.receive = give_to_client,
	.done = done,
};

void fds_init(void)
{
	shim_fd_ops = &fd_ops;
}
