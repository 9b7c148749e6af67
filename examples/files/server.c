// SPDX-License-Identifier: MIT
/*
 * server FOLDER: registers demo.files, which opens the files of a folder. A name cannot lead out of
 * the folder, because it must not contain a slash and links are not followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.ipc.h"

#define NAMES_MAX 1000

static int list(struct ipc_call *call, void *userdata)
{
	Files__ListReply reply = FILES__LIST_REPLY__INIT;
	char *names[NAMES_MAX];
	DIR *dir = opendir(userdata);
	struct dirent *entry;
	int r;

	if (!dir)
		return -errno;
	reply.names = names;
	while (reply.n_names < NAMES_MAX && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		names[reply.n_names] = strdup(entry->d_name);
		if (!names[reply.n_names])
			break;
		reply.n_names++;
	}
	closedir(dir);

	r = files_reply_list(call, &reply);
	while (reply.n_names)
		free(names[--reply.n_names]);
	return r;
}

static int open_in(const char *folder, const char *name, bool create)
{
	int flags = create ? O_RDWR | O_CREAT : O_RDONLY;
	int dir, fd;

	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	/* O_NONBLOCK, because the file may be a pipe without a writer. */
	fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (fd < 0)
		fd = -errno;
	close(dir);
	return fd;
}

static int open_file(struct ipc_call *call, const Files__OpenRequest *request, void *userdata)
{
	Files__OpenReply reply = FILES__OPEN_REPLY__INIT;
	Ipc__Fd file = IPC__FD__INIT;
	int r;

	if (!request->name[0] || request->name[0] == '.' || strchr(request->name, '/'))
		return ipc_call_fail(call, 0, "files.BadName", "\"%s\" is not the name of a file",
				     request->name);
	file.fd = open_in(userdata, request->name, request->create);
	if (file.fd < 0)
		return ipc_call_fail(call, file.fd, NULL, "%s: %s", request->name,
				     strerror(-file.fd));

	/* The client receives a copy of the fd. The server must close its own. */
	reply.fd = &file;
	r = files_reply_open(call, &reply);
	close(file.fd);
	return r;
}

static const struct files_ops ops = { .list = list, .open = open_file };

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: server FOLDER\n");
		return 2;
	}
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = files_register(ipc, "demo.files", &ops, argv[1]);
	if (r < 0)
		return ipc_print_error("register demo.files", r, NULL);
	r = ipc_run(ipc);
	return r < 0 ? ipc_print_error("serve demo.files", r, NULL) : 0;
}
