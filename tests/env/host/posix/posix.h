/* SPDX-License-Identifier: MIT */
/*
 * Functions that programs call instead of the C library's: see posix.c. Also functions for the
 * processes that such programs start (peer.c).
 */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "polled.h"
#include "shim.h"

/* Starts a thread with a task in process, or in a new process if process is NULL. */
int posix_thread(pthread_t *ret, const pthread_attr_t *attr, struct shim_process *process,
		 void *(*fn)(void *), void *arg);
/* Ends all threads of a process as soon as they leave their system calls. */
void posix_kill(struct shim_process *process);
/* Messages hold real files at numbers from this value, which tests must not see. posix_in_flight()
 * returns the number of these files. */
#define IN_FLIGHT 512
int posix_in_flight(void);

/* Opens a file in memory with that text, and frees the text. NULL: ENOENT. */
int posix_text_file(const char *name, char *text);
/* Files of the kernel about the driver: posix_is_file() returns true for such a path,
 * posix_open_file() opens it, and posix_close_file() must be called when any file is closed. */
bool posix_is_file(const char *path);
int posix_open_file(const char *path);
void posix_close_file(int fd);
