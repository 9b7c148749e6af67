// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that travel in messages. fget() asks the sender's thread for the fd, receive_fd()
 * gives it to the receiver's. In between the daemon has it, and the driver charges it. When the
 * driver drops it, another thread closes it, and until then it counts for the user who sent it.
 *
 * The file is a stranger's, and any of its operations may wait as long as the stranger likes: for
 * a server of FUSE, or for the lock of a socket. A worker may be in a read-side section, for which
 * all others wait. So of all system calls only these have such an fd as an argument:
 *
 *   recvmsg(), sendmsg()  install and reference the file; its operations are not called
 *   fcntl(F_GETFL)        reads the flags of the open file
 *   close()               may wait: closer.c
 *
 * What may wait, and is not used: fstat() and lseek() of a file in FUSE, getpeername() and
 * getsockopt() of a socket, read() and write(), F_GET_SEALS and F_SETLK, mmap(), epoll_ctl().
 * recvmsg() closes what it cannot install: socket.c.
 */
#include <linux/file.h>

#include "account.h"
#include "closer.h"
#include "ipcbus.h"
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

	while ((fd = __atomic_load_n(&slot->fd, __ATOMIC_ACQUIRE)) < 0) {
		if (slot->client->ending)
			return -EINTR;
		fiber_sleep();
	}
	return fd;
}

static void wake_sender(void *fiber)
{
	fiber_wake(fiber);
}

/* Files are closed a moment after they were received. So a sender in a loop waits until that is
 * done, where it would be refused otherwise. */
static int wait_for_closes(struct slot *slot)
{
	struct account *account = slot->client->peer.account;
	struct account_wait wait = { .wake = wake_sender, .arg = current->fiber };
	int ret = account_may_send(account, NULL);

	if (likely(!ret))
		return 0;
	account_wait_begin(account, &wait);
	while ((ret = account_may_send(account, &wait)) == -EAGAIN && !slot->client->ending)
		fiber_sleep();
	account_wait_end(account, &wait);
	return slot->client->ending ? -EINTR : ret;
}

/* The fd, or -errno. */
static int ask_client(struct slot *slot, int number)
{
	int ret, fd;

	ret = wait_for_closes(slot);
	if (ret)
		return ret;
	__atomic_store_n(&slot->fd, SLOT_FD_COMES, __ATOMIC_RELEASE);
	ret = slot_ask(slot, IPCBUSD_ASK_SEND_FD, number);
	if (ret >= 0)
		ret = wait_for_fd(slot);
	fd = __atomic_exchange_n(&slot->fd, SLOT_NO_FD, __ATOMIC_ACQ_REL);
	if (ret >= 0)
		return fd;
	if (fd >= 0)
		close_later(fd, slot->client->peer.account);
	return ret < -MAX_ERRNO ? -EBADF : ret;
}

static struct file *take_from_client(int number)
{
	struct slot *slot = slot_current();
	struct file *file;
	int fd, flags;

	if (!slot)
		return NULL;
	fd = ask_client(slot, number);
	if (fd < 0) {
		slot->fd_error = fd;
		return NULL;
	}
	flags = file_flags(fd);
	if (flags < 0) {
		close_later(fd, slot->client->peer.account);
		return NULL;
	}
	file = shim_file_new(NULL, flags);
	file->real = fd;
	file->private_data = slot->client->peer.account;
	return file;
}

/* A dying process takes whatever it gets: the call that brings the file fails with its death. */
#define NUMBER_OF_NOBODY 0

/* In the words of the UAPI. */
static int error_of_send(int error)
{
	switch (error) {
	case -EAGAIN:	/* the client does not take what was sent before */
		return -EDQUOT;
	case -ETOOMANYREFS:	/* all users together have too many on their way */
		return -EMFILE;
	case -ENOBUFS:
		return -ENOMEM;
	default:
		return error;
	}
}

static int give_to_client(struct file *file)
{
	struct ipcbusd_message message = { .kind = IPCBUSD_RECEIVE_FD };
	struct slot *slot = slot_current();
	int ret;

	if (!slot)
		return -EBADF;
	message.number = slot->number;
	ret = flight_send(slot->client->flight, &message, &file->real, 1);
	if (ret == -EPIPE || ret == -ECONNRESET)
		return NUMBER_OF_NOBODY;
	if (ret < 0)
		return error_of_send(ret);
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
	close_later(file->real, file->private_data);
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
