// SPDX-License-Identifier: MIT
/*
 * client: lists the files. client NAME: prints a file. client NAME TEXT: writes TEXT to a file.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.ipc.h"

static int list(struct files *files)
{
	ipc_auto(files_list_reply_free) Files__ListReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	int r;

	r = files_list(files, &reply, &error);
	if (r < 0)
		return ipc_print_error("list", r, &error);
	for (size_t i = 0; i < reply->n_names; i++)
		puts(reply->names[i]);
	return 0;
}

/* Returns the open file, or -1 after printing the reason. */
static int open_file(struct files *files, const char *name, bool create)
{
	ipc_auto(files_open_reply_free) Files__OpenReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Files__OpenRequest request = FILES__OPEN_REQUEST__INIT;
	int r;

	request.name = (char *)name;
	request.create = create;
	r = files_open(files, &request, &reply, &error);
	if (r == 0)
		/* Take the fd, or it is closed with the reply. */
		r = reply->fd ? ipc_take_fd(&reply->fd->fd) : -1;
	if (r < 0)
		ipc_print_error("open", r, &error);
	return r < 0 ? -1 : r;
}

static int print(int fd)
{
	char buffer[4096];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		if (fwrite(buffer, 1, (size_t)n, stdout) != (size_t)n)
			return -1;
	return n < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(files_unref) struct files *files = NULL;
	int r, fd;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = files_wait(ipc, "demo.files", IPC_NEVER, &files);
	if (r < 0)
		return ipc_print_error("find demo.files", r, NULL);
	if (argc < 2)
		return list(files);

	fd = open_file(files, argv[1], argc > 2);
	if (fd < 0)
		return 1;
	if (argc > 2)
		r = write(fd, argv[2], strlen(argv[2])) < 0;
	else
		r = print(fd);
	close(fd);
	if (r)
		perror(argv[1]);
	return r != 0;
}
