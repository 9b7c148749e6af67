// SPDX-License-Identifier: MIT
/*
 * Files of the kernel that tests use in addition to the device: the driver's files in debugfs and
 * fdinfo, its parameters, the security label, the file that causes memory pressure, and the files
 * that move a process to a group of tasks. Each is a file in memory with its text. posix.c calls
 * these functions.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/security.h>

#include "posix.h"

#define DEBUGFS "/sys/kernel/debug/ipcbus/"
#define PARAMETERS "/sys/module/ipcbus/parameters/"
#define DROP_CACHES "/proc/sys/vm/drop_caches"
#define LABEL "/proc/self/attr/current"
#define GROUPS "/tmp/cgroup/"
#define ROOT_GROUP GROUPS "cgroup.procs"
#define NO_REALTIME GROUPS "no-realtime/cgroup.procs"
#define FDINFO "/proc/self/fdinfo/"

/* A parameter is set when its file is closed. At most one file may be open at any time. */
static struct {
	unsigned int *value;
	int fd;
} param;

int posix_text_file(const char *name, char *text)
{
	int fd;

	if (!text) {
		errno = ENOENT;
		return -1;
	}
	fd = memfd_create(name, MFD_CLOEXEC);
	if (fd >= 0 && (write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		fd = -1;
	}
	free(text);
	return fd;
}

static int open_param(const char *name)
{
	char *text = NULL;

	param.value = shim_param(name);
	if (param.value)
		BUG_ON(asprintf(&text, "%u\n", *param.value) < 0);
	param.fd = posix_text_file(name, text);
	return param.fd;
}

/* Returns the rest of path after the folder, or NULL. */
static const char *in_folder(const char *path, const char *folder)
{
	return strncmp(path, folder, strlen(folder)) ? NULL : path + strlen(folder);
}

bool posix_is_file(const char *path)
{
	return in_folder(path, DEBUGFS) || in_folder(path, PARAMETERS) ||
	       in_folder(path, FDINFO) || !strcmp(path, DROP_CACHES) || !strcmp(path, LABEL) ||
	       !strcmp(path, ROOT_GROUP) || !strcmp(path, NO_REALTIME);
}

static int open_group(bool never_realtime)
{
	int e = shim_set_group(current, never_realtime);

	if (!e)
		return posix_text_file("cgroup.procs", strdup(""));
	errno = -e;
	return -1;
}

int posix_open_file(const char *path)
{
	const char *name = in_folder(path, DEBUGFS);

	if (name)
		return posix_text_file(name, shim_debugfs_read(name));
	name = in_folder(path, PARAMETERS);
	if (name)
		return open_param(name);
	name = in_folder(path, FDINFO);
	if (name)
		return posix_text_file("fdinfo", shim_fdinfo_read(atoi(name)));
	if (!strcmp(path, LABEL))
		return posix_text_file("label", strdup(shim_label));
	/* Opening the file is enough. Written data are ignored. */
	if (in_folder(path, GROUPS))
		return open_group(!strcmp(path, NO_REALTIME));
	shim_shrink(~0UL);
	return posix_text_file("drop_caches", strdup(""));
}

void posix_close_file(int fd)
{
	char text[16] = "";

	if (!param.value || fd != param.fd)
		return;
	BUG_ON(pread(fd, text, sizeof(text) - 1, 0) < 0);
	WRITE_ONCE(*param.value, strtoul(text, NULL, 10));
	param.value = NULL;
}
