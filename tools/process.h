/* SPDX-License-Identifier: MIT */
/*
 * What the system knows of a process. If the process has ended, the texts are empty.
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

#endif
