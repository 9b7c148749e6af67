// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that travel in messages. fget() asks the sender's thread for the fd, and receive_fd()
 * passes it to the receiver's thread. In the meantime the daemon holds the fd, and the driver
 * charges it. When the driver drops the file, the closer thread closes it. Until then it stays
 * charged to the user who sent it.
 *
 * The file comes from an untrusted client, and any file operation may block for as long as that
 * client likes, for example on a FUSE server or on the lock of a socket. A worker may be in a
 * read-side section, and all other workers wait for its end. So only these system calls may be used
 * on such an fd:
 *
 *   recvmsg(), sendmsg()  install and reference the file; call none of its operations
 *   fcntl(F_GETFL)        reads the flags of the open file
 *   close()               may block: only in closer.c
 *
 * These may block and must not be used: fstat() and lseek() of a file in FUSE, getpeername() and
 * getsockopt() of a socket, read() and write(), F_GET_SEALS and F_SETLK, mmap(), epoll_ctl().
 * recvmsg() closes files that it cannot install: see socket.c.
 */
#include <linux/file.h>

#include "account.h"
#include "closer.h"
#include "ipcbus.h"
#include "shim.h"
#include "cell.h"

static int no_number(void)
{
	return -EMFILE;
}

/* Waits until the main thread has stored the fd, possibly after the client's reply. Returns the fd,
 * or -EINTR if the client ends. */
static int wait_for_fd(struct cell *cell)
{
	int fd;

	while ((fd = __atomic_load_n(&cell->fd, __ATOMIC_ACQUIRE)) < 0) {
		if (cell->client->ending)
			return -EINTR;
		fiber_sleep();
	}
	return fd;
}

static void wake_sender(void *fiber)
{
	fiber_wake(fiber);
}

/* Waits for pending closes of a user at its limit, for a limited time. Closing a received file
 * takes a moment, and a sender in a loop must not be refused for that. Returns 0 or -errno. */
static int wait_for_closes(struct cell *cell)
{
	struct account *account = cell->client->peer.account;
	struct account_wait wait = { .wake = wake_sender, .arg = current->fiber };
	int ret = account_may_send(account, NULL);

	if (likely(!ret))
		return 0;
	account_wait_begin(account, &wait);
	while ((ret = account_may_send(account, &wait)) == -EAGAIN && !cell->client->ending)
		fiber_sleep();
	account_wait_end(account, &wait);
	return cell->client->ending ? -EINTR : ret;
}

/* Asks the client for an fd. Returns the fd or -errno. */
static int ask_client(struct cell *cell, int number)
{
	int ret, fd;

	ret = wait_for_closes(cell);
	if (ret)
		return ret;
	__atomic_store_n(&cell->fd, CELL_FD_COMES, __ATOMIC_RELEASE);
	ret = cell_ask(cell, IPCBUSD_ASK_SEND_FD, number);
	if (ret >= 0)
		ret = wait_for_fd(cell);
	fd = __atomic_exchange_n(&cell->fd, CELL_NO_FD, __ATOMIC_ACQ_REL);
	if (ret >= 0)
		return fd;
	if (fd >= 0)
		close_later(fd, cell->client->peer.account);
	return ret < -MAX_ERRNO ? -EBADF : ret;
}

static struct file *take_from_client(int number)
{
	struct cell *cell = cell_current();
	struct file *file;
	int fd, flags;

	if (!cell)
		return NULL;
	fd = ask_client(cell, number);
	if (fd < 0) {
		cell->fd_error = fd;
		return NULL;
	}
	flags = file_flags(fd);
	if (flags < 0) {
		close_later(fd, cell->client->peer.account);
		return NULL;
	}
	file = shim_file_new(NULL, flags);
	file->real = fd;
	file->private_data = cell->client->peer.account;
	return file;
}

/* A dying process accepts every fd: the call with the file fails because of the process's death. */
#define FD_OF_DYING_PROCESS 0

/* Translates an error of sendmsg() to an errno of the UAPI. */
static int error_of_send(int error)
{
	switch (error) {
	case -EAGAIN:	/* the client has not received the earlier files */
		return -EDQUOT;
	case -ETOOMANYREFS:	/* too many files of all users are in flight */
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
	struct cell *cell = cell_current();
	int ret;

	if (!cell)
		return -EBADF;
	message.number = cell->number;
	ret = flight_send(cell->client->flight, &message, &file->real, 1);
	if (ret == -EPIPE || ret == -ECONNRESET)
		return FD_OF_DYING_PROCESS;
	if (ret < 0)
		return error_of_send(ret);
	ret = cell_ask(cell, IPCBUSD_ASK_RECEIVE_FD, -1);
	if (cell->client->ending)
		return FD_OF_DYING_PROCESS;
	return ret < -MAX_ERRNO ? -EMFILE : ret;
}

static void close_in_client(int number)
{
	struct cell *cell = cell_current();

	if (cell)
		cell_ask(cell, IPCBUSD_ASK_CLOSE_FD, number);
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
