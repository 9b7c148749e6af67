/* SPDX-License-Identifier: MIT */
/*
 * Processes and users, as the system knows them. If a process has ended, its texts are empty.
 */
#ifndef IPCCTL_PROCESS_H
#define IPCCTL_PROCESS_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

/* Its name, as ps shows it. */
void process_name(pid_t pid, char *name, size_t size);

/* Its systemd unit ("echo.service"). */
void process_unit(pid_t pid, char *unit, size_t size);

/* A file of /proc/PID, such as "cmdline", as one line of text. */
void process_text(pid_t pid, const char *file, char *text, size_t size);

/* Its ids: {"uid", "gid", "groups"}, all effective. NULL: it has ended, or there is no memory. */
json_t *process_ids(pid_t pid);

/* The last systemd unit in the text of /proc/PID/cgroup. */
void unit_in_cgroup(const char *text, char *unit, size_t size);

/* The name of a user or group; the number if there is none. */
void user_name(uid_t uid, char *name, size_t size);
void group_name(gid_t gid, char *name, size_t size);

/* The number of a name or a number. -ENOENT: there is no such user. */
int user_find(const char *text, uid_t *ret_uid);

#endif
