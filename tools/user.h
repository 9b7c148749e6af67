/* SPDX-License-Identifier: MIT */
/*
 * What the system knows of a user.
 */
#ifndef IPCCTL_USER_H
#define IPCCTL_USER_H

#include <stddef.h>
#include <sys/types.h>

/* The name of a user; a number if there is none. */
void user_name(uid_t uid, char *name, size_t size);

#endif
