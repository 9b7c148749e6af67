// SPDX-License-Identifier: MIT
/*
 * A file descriptor in a message: the server receives a new descriptor of the same open file,
 * here the reading end of a pipe.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

static const char letter[] = "written by the client into its end of the pipe";

static int share(struct story *story, int fd)
{
	ipc_auto(story_share_reply_free) Story__ShareReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Story__ShareRequest request = STORY__SHARE_REQUEST__INIT;
	Ipc__Fd file = IPC__FD__INIT;
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0)
		return ipc_print_error("examine the pipe", -errno, NULL);

	file.fd = fd;
	request.file = &file;
	r = story_share(story, &request, &reply, &error);
	if (r < 0)
		return ipc_print_error("share", r, &error);

	show("client", "sends fd %d, the reading end of pipe:[%ju]", fd, (uintmax_t)status.st_ino);
	show("server", "receives it as fd %d: pipe:[%" PRIu64 "]", reply->fd, reply->inode);
	show("server", "reads from it: \"%s\"", reply->text);
	if (reply->inode != status.st_ino)
		return fail("this is another file");
	return strcmp(reply->text, letter) ? fail("this is not what was written") : 0;
}

int step_fd(struct ipc *ipc, struct story *story)
{
	int ends[2], status;

	(void)ipc;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return ipc_print_error("create a pipe", -errno, NULL);

	if (write(ends[1], letter, strlen(letter)) < 0)
		status = ipc_print_error("write into the pipe", -errno, NULL);
	else
		status = share(story, ends[0]);
	close(ends[0]);
	close(ends[1]);
	return status;
}
