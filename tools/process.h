/* SPDX-License-Identifier: MIT */
/*
 * Processes and users of the system. If a process has ended, its texts are empty.
 */
#ifndef IPCCTL_PROCESS_H
#define IPCCTL_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The name of a process, as ps shows it. */
void process_name(pid_t pid, char *name, size_t size);

/* The systemd unit of a process ("echo.service"). */
void process_unit(pid_t pid, char *unit, size_t size);

/* The effective user of a process, or "?" if the process has ended. */
void process_user(pid_t pid, char *name, size_t size);

/* Whether a process is stopped (SIGSTOP). */
bool process_is_stopped(pid_t pid);

/* The last systemd unit in the text of /proc/PID/cgroup. */
void unit_in_cgroup(const char *text, char *unit, size_t size);

/* The name of a user or group, or its number if it has no name. */
void user_name(uid_t uid, char *name, size_t size);
void group_name(gid_t gid, char *name, size_t size);

/* Converts a name or number to a user id. If there is no such user, returns -ENOENT. */
int user_find(const char *text, uid_t *ret_uid);

#endif
