/* SPDX-License-Identifier: MIT */
/*
 * What programs get instead of the C library's: see posix.c. And what the
 * processes of their own need that such programs start (peer.c).
 */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "shim.h"

/* A thread with a task in process; NULL: in a new one. */
int posix_thread(pthread_t *ret, const pthread_attr_t *attr, struct shim_process *process,
		 void *(*fn)(void *), void *arg);
/* All its threads end, as soon as they come out of a system call. */
void posix_kill(struct shim_process *process);
/* Real files that messages hold: they have numbers that nobody is to see. */
int posix_in_flight(void);
