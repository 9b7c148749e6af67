// SPDX-License-Identifier: MIT
/*
 * What the system knows of users and groups: see user.h.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>

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
