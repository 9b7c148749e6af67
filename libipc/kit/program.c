// SPDX-License-Identifier: MIT
/*
 * Where a program is: see program.h. INSTALLED_PROGRAMS is the folder of the installation.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

/* The first size bytes of folder; an empty one is the current folder. */
static bool is_in(const char *folder, size_t size, const char *name, char ret_path[PROGRAM_PATH])
{
	int n;

	if (!size) {
		folder = ".";
		size = 1;
	}
	n = snprintf(ret_path, PROGRAM_PATH, "%.*s/%s", (int)size, folder, name);
	return n > 0 && n < PROGRAM_PATH && access(ret_path, X_OK) == 0;
}

static bool is_in_path(const char *name, char ret_path[PROGRAM_PATH])
{
	const char *at = getenv("PATH"), *end;

	for (; at; at = *end ? end + 1 : NULL) {
		end = at + strcspn(at, ":");
		if (end - at < PROGRAM_PATH && is_in(at, (size_t)(end - at), name, ret_path))
			return true;
	}
	return false;
}

int program_find(const char *name, const char *given, char ret_path[PROGRAM_PATH])
{
	size_t size = given ? strlen(given) : 0;

	if (!given)
		return is_in_path(name, ret_path) ||
				       is_in(INSTALLED_PROGRAMS, strlen(INSTALLED_PROGRAMS), name,
					     ret_path) ?
			       0 :
			       -ENOENT;
	if (size >= PROGRAM_PATH)
		return -ENAMETOOLONG;
	memcpy(ret_path, given, size + 1);
	return access(given, X_OK) == 0 ? 0 : -ENOENT;
}
