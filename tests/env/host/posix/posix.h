/* SPDX-License-Identifier: MIT */
/*
 * What programs get instead of the C library's: see posix.c. And what the
 * processes of their own need that such programs start (peer.c).
 */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "polled.h"
#include "shim.h"

/* A thread with a task in process; NULL: in a new one. */
int posix_thread(pthread_t *ret, const pthread_attr_t *attr, struct shim_process *process,
		 void *(*fn)(void *), void *arg);
/* All its threads end, as soon as they come out of a system call. */
void posix_kill(struct shim_process *process);
/* Real files that messages hold: how many, and their lowest number, for nobody is to
 * see those. */
#define IN_FLIGHT 512
int posix_in_flight(void);

/* A file in memory with that text, which is freed; NULL: ENOENT. */
int posix_text_file(const char *name, char *text);
/* Files of the kernel's that are about the driver: is that one, open it, and what
 * is to be done when any file is closed. */
bool posix_is_file(const char *path);
int posix_open_file(const char *path);
void posix_close_file(int fd);
