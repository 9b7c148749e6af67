/* SPDX-License-Identifier: MIT */
/*
 * What the system knows of users and groups.
 */
#ifndef IPCCTL_USER_H
#define IPCCTL_USER_H

#include <stddef.h>
#include <sys/types.h>

/* The name; the number if there is none. */
void user_name(uid_t uid, char *name, size_t size);
void group_name(gid_t gid, char *name, size_t size);

/* The number of a name or a number. -ENOENT: there is no such user. */
int user_find(const char *text, uid_t *ret_uid);

#endif
