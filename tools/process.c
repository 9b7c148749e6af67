// SPDX-License-Identifier: MIT
/*
 * Processes and users: see process.h. Reads /proc and the user database.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"
#include "schema/text.h"

/* Reads the beginning of a file of a process as a string. Returns its size. */
static size_t read_proc(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? n : 0;
}

void process_name(pid_t pid, char *name, size_t size)
{
	*name = '\0';
	if (pid > 0)
		read_proc(pid, "comm", name, size);
	name[strcspn(name, "\n")] = '\0';
	text_clean(name);
}

static bool is_unit(const char *part, size_t size)
{
	static const char *const kinds[] = { ".service", ".scope", ".socket" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t n = strlen(kinds[i]);

		if (size > n && !memcmp(part + size - n, kinds[i], n))
			return true;
	}
	return false;
}

void unit_in_cgroup(const char *text, char *unit, size_t size)
{
	*unit = '\0';
	while (*text) {
		size_t n = strcspn(text, "/\n");

		if (is_unit(text, n))
			snprintf(unit, size, "%.*s", (int)n, text);
		text += n;
		text += *text != '\0';
	}
}

void process_unit(pid_t pid, char *unit, size_t size)
{
	char text[4096] = "";

	if (pid > 0)
		read_proc(pid, "cgroup", text, sizeof(text));
	unit_in_cgroup(text, unit, size);
	text_clean(unit);
}

void process_user(pid_t pid, char *name, size_t size)
{
	char status[8192];
	const char *line = NULL;
	unsigned int uid;

	if (read_proc(pid, "status", status, sizeof(status)))
		line = strstr(status, "\nUid:");
	if (line && sscanf(line, "\nUid: %*u %u", &uid) == 1)
		user_name(uid, name, size);
	else
		snprintf(name, size, "?");
}

bool process_is_stopped(pid_t pid)
{
	char status[8192];

	return pid > 0 && read_proc(pid, "status", status, sizeof(status)) &&
	       strstr(status, "\nState:\tT");
}

/* --- Users ---------------------------------------------------------------------- */

void user_name(uid_t uid, char *name, size_t size)
{
	struct passwd entry, *found = NULL;
	char buffer[1024];

	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(name, size, "%s", entry.pw_name);
	else
		snprintf(name, size, "%u", (unsigned int)uid);
}

void group_name(gid_t gid, char *name, size_t size)
{
	struct group entry, *found = NULL;
	char buffer[4096]; /* also holds the members */

	if (getgrgid_r(gid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(name, size, "%s", entry.gr_name);
	else
		snprintf(name, size, "%u", (unsigned int)gid);
}

int user_find(const char *text, uid_t *ret_uid)
{
	const struct passwd *entry = getpwnam(text);
	unsigned long long number;

	if (entry) {
		*ret_uid = entry->pw_uid;
		return 0;
	}
	if (!*text || strlen(text) > 10 || text[strspn(text, "0123456789")])
		return -ENOENT;
	number = strtoull(text, NULL, 10);
	if (number >= UINT32_MAX)
		return -ENOENT;
	*ret_uid = number;
	return 0;
}
