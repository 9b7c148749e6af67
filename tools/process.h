/* SPDX-License-Identifier: MIT */
/*
 * What the system knows of a process. If the process has ended, the texts are empty.
 */
#ifndef IPCCTL_PROCESS_H
#define IPCCTL_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/* Its name, as ps shows it. */
void process_name(pid_t pid, char *name, size_t size);

/* Its systemd unit ("echo.service"). */
void process_unit(pid_t pid, char *unit, size_t size);

/* The last systemd unit in the text of /proc/PID/cgroup. */
void unit_in_cgroup(const char *text, char *unit, size_t size);

#endif
