// SPDX-License-Identifier: MIT
/*
 * Whether only trusted users can change a file: see trust.h.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "trust.h"

#define LINKS_MAX 40 /* as in the kernel */

static bool user_is_trusted(uid_t uid)
{
	struct stat root;

	return uid == 0 || uid == geteuid() || (stat("/", &root) == 0 && uid == root.st_uid);
}

/* A group of this process without members is the private group of its user. */
static bool group_is_trusted(gid_t gid)
{
	const struct group *entry;

	if (gid == 0)
		return true;
	entry = gid == getegid() ? getgrgid(gid) : NULL;
	return entry && !*entry->gr_mem;
}

static void check_part(const char *path, const struct stat *status, bool is_last)
{
	mode_t mode = status->st_mode;

	/* A link has no mode. In a sticky folder, users can replace only their own files. */
	if (S_ISLNK(mode) || (S_ISDIR(mode) && (mode & S_ISVTX) && !is_last))
		mode &= ~(mode_t)(S_IWGRP | S_IWOTH);
	if (!user_is_trusted(status->st_uid))
		log_line("%s: its owner, user %u, can change it; make root the owner: "
			 "chown -h root %s", path, status->st_uid, path);
	else if (mode & S_IWOTH)
		log_line("%s: every user can change it; remove the permission: chmod o-w %s", path,
			 path);
	else if ((mode & S_IWGRP) && !group_is_trusted(status->st_gid))
		log_line("%s: group %u can change it; remove the permission: chmod g-w %s", path,
			 status->st_gid, path);
}

/* Replaces the link that begins at path[*begin] and ends before path[rest] by its target. */
static bool follow(char *path, size_t *begin, size_t rest)
{
	char target[PATH_MAX], joined[PATH_MAX];
	ssize_t size = readlink(path, target, sizeof(target) - 1);

	if (size < 0)
		return false;
	target[size] = '\0';
	if (*target == '/')
		*begin = 0;
	if (snprintf(joined, sizeof(joined), "%.*s%s/%s", (int)*begin, path, target, path + rest) >=
	    PATH_MAX)
		return false;
	strcpy(path, joined);
	return true;
}

static void check_parts(char *path, size_t begin)
{
	int links = 0;

	while (path[begin += strspn(path + begin, "/")]) {
		size_t end = begin + strcspn(path + begin, "/");
		size_t rest = end + strspn(path + end, "/");
		char separator = path[end];
		struct stat status;

		path[end] = '\0';
		if (lstat(path, &status) < 0)
			return;
		/* The folders before a ".." are no links, so its folder was examined. */
		if (strcmp(path + begin, ".") != 0 && strcmp(path + begin, "..") != 0)
			check_part(path, &status, !path[rest]);
		if (!S_ISLNK(status.st_mode)) {
			path[end] = separator;
			begin = end;
		} else if (links++ == LINKS_MAX || !follow(path, &begin, rest)) {
			return;
		}
	}
}

void trust_check(const char *path, size_t skip)
{
	char folder[PATH_MAX + 1] = "", whole[PATH_MAX];

	if (*path != '/' && !getcwd(folder, PATH_MAX))
		return;
	if (*folder)
		strcat(folder, "/");
	if (snprintf(whole, sizeof(whole), "%s%s", folder, path) < PATH_MAX)
		check_parts(whole, skip ? strlen(folder) + skip : 0);
}
