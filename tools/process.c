// SPDX-License-Identifier: MIT
/*
 * What the system knows of a process: see process.h. Reads /proc.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process.h"
#include "text.h"

/* The beginning of a file of a process, as a string. */
static void read_proc(pid_t pid, const char *file, char *text, size_t size)
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
