// SPDX-License-Identifier: MIT
/*
 * What the system knows of users and groups: see user.h.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user.h"

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
	char buffer[4096]; /* the members are in it too */

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
