/* SPDX-License-Identifier: MIT */
/*
 * What the system knows of a process. All of it may be gone by the time it is
 * looked at; then the answers are empty.
 */
#ifndef IPCCTL_PROCESS_H
#define IPCCTL_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/* Its name, as ps shows it. */
void process_name(pid_t pid, char *name, size_t size);

/* The systemd unit that it belongs to ("echo.service"). */
void process_unit(pid_t pid, char *unit, size_t size);

/* The unit in the text of /proc/PID/cgroup: the last part that is one. */
void unit_in_cgroup(const char *text, char *unit, size_t size);

/* A user's name, or the number. */
void user_name(uid_t uid, char *name, size_t size);

#endif
