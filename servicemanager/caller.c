// SPDX-License-Identifier: MIT
/*
 * The caller of a method: see caller.h. The driver reports the effective ids. The
 * supplementary groups are read from /proc. If the driver has a pidfd of the caller
 * afterwards, the pid was not reused, so the file was that of the caller.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caller.h"

/* 65,536 groups of up to 11 characters, and the rest. */
#define STATUS_MAX (1 << 20)

static size_t count_numbers(const char *text)
{
	size_t n = 0;

	for (;;) {
		text += strspn(text, " \t");
		if (*text < '0' || *text > '9')
			return n;
		text += strspn(text, "0123456789");
		n++;
	}
}

int caller_groups_from(const char *status, gid_t **ret_groups)
{
	const char *line = strstr(status, "\nGroups:");
	gid_t *groups;
	size_t n;

	if (!line)
		return -EBADMSG;

	line += strlen("\nGroups:");
	n = count_numbers(line);
	groups = calloc(n + 1, sizeof(*groups));
	if (!groups)
		return -ENOMEM;

	for (size_t i = 0; i < n; i++) {
		char *end;

		groups[i] = (gid_t)strtoul(line, &end, 10);
		line = end;
	}

	*ret_groups = groups;
	return (int)n;
}

static int read_all(int fd, char *text, size_t size)
{
	size_t at = 0;
	ssize_t n;

	while ((n = read(fd, text + at, size - 1 - at)) > 0)
		at += (size_t)n;
	text[at] = '\0';
	return n < 0 ? -errno : at == size - 1 ? -EFBIG : 0;
}

static int read_status(pid_t pid, char **ret_text)
{
	char path[32], *text;
	int fd, r;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	text = malloc(STATUS_MAX);
	r = text ? read_all(fd, text, STATUS_MAX) : -ENOMEM;
	close(fd);
	if (r < 0) {
		free(text);
		return r;
	}

	*ret_text = text;
	return 0;
}

/* A caller in another pid namespace has no pid here, and no groups that we could know. */
static int read_groups(struct caller *caller, const struct ipc_call *call)
{
	char *status = NULL;
	int pidfd, r;

	if (!ipc_call_pid(call))
		return 0;

	r = read_status(ipc_call_pid(call), &status);
	if (r == -ENOENT || r == -ESRCH)
		return -ESRCH;
	if (r < 0)
		return r;

	/* The caller had this pid until now, so the status was its own. */
	pidfd = ipc_call_pidfd(call);
	if (pidfd >= 0) {
		close(pidfd);
		r = caller_groups_from(status, &caller->groups);
	} else {
		r = pidfd;
	}
	free(status);
	if (r < 0)
		return r;

	caller->subject.groups = caller->groups;
	caller->subject.n_groups = (size_t)r;
	return 0;
}

/* A copy, because that of the call ends with the call. */
static int copy_label(struct caller *caller, const char *label)
{
	if (!label)
		return 0;

	caller->label = strdup(label);
	caller->subject.label = caller->label;
	return caller->label ? 0 : -ENOMEM;
}

int caller_init(struct caller *caller, const struct ipc_call *call, const struct policy *policy)
{
	int r;

	*caller = (struct caller){
		.subject = { .uid = ipc_call_uid(call), .gid = ipc_call_gid(call) },
	};
	r = copy_label(caller, ipc_call_label(call));
	if (r == 0 && policy_asks_for_groups(policy))
		r = read_groups(caller, call);
	if (r < 0)
		caller_done(caller);
	return r;
}

void caller_done(struct caller *caller)
{
	free(caller->groups);
	free(caller->label);
	*caller = (struct caller){ .groups = NULL };
}
