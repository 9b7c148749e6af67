/* SPDX-License-Identifier: MIT */
/*
 * Processes and users of the system. If a process has ended, its texts are empty.
 */
#ifndef IPCCTL_PROCESS_H
#define IPCCTL_PROCESS_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

/* The name of a process, as ps shows it. */
void process_name(pid_t pid, char *name, size_t size);

/* The systemd unit of a process ("echo.service"). */
void process_unit(pid_t pid, char *unit, size_t size);

/* A file of /proc/PID, such as "cmdline", as one line of text. */
void process_text(pid_t pid, const char *file, char *text, size_t size);

/* The effective ids of a process: {"uid", "gid", "groups"}. If the process has ended or memory is
 * short, returns NULL. */
json_t *process_ids(pid_t pid);

/* The last systemd unit in the text of /proc/PID/cgroup. */
void unit_in_cgroup(const char *text, char *unit, size_t size);

/* The name of a user or group, or its number if it has no name. */
void user_name(uid_t uid, char *name, size_t size);
void group_name(gid_t gid, char *name, size_t size);

/* Converts a name or number to a user id. If there is no such user, returns -ENOENT. */
int user_find(const char *text, uid_t *ret_uid);

#endif
