// SPDX-License-Identifier: MIT
/*
 * See clock.h.
 */
#define _GNU_SOURCE
#include "clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- The longest section ------------------------------------------------------------ */

/* Shared with the process that measures, and with the one that is kept waiting. */
static struct shared {
	_Atomic bool watching;
	_Atomic uint64_t longest;
} *shared;

/* Wakes up each 20 us and notes how late. */
static void watch_sections(void)
{
	struct sched_param param = { .sched_priority = 99 };
	struct timespec at;
	uint64_t due, late;

	if (sched_setscheduler(0, SCHED_FIFO, &param) < 0)
		fail("a realtime process", errno);
	for (;;) {
		due = now() + (atomic_load(&shared->watching) ? 20000 : 1000000);
		at = (struct timespec){ due / 1000000000, due % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		late = now() - due;
		if (atomic_load(&shared->watching) && late > atomic_load(&shared->longest))
			atomic_store(&shared->longest, late);
	}
}

pid_t start_watcher(void)
{
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap", errno);
	pid = fork();
	if (!pid)
		watch_sections();
	if (pid < 0)
		fail("fork", errno);
	return pid;
}

void begin_watching(void)
{
	atomic_store(&shared->watching, true);
	/* Until the one that watches has looked. */
	usleep(3000);
	atomic_store(&shared->longest, 0);
}

uint64_t end_watching(void)
{
	usleep(100);
	atomic_store(&shared->watching, false);
	return atomic_load(&shared->longest);
}

/* --- The kernel's own threads --------------------------------------------------------- */

#define KERNEL_THREAD 0x00200000 /* in the flags of a task */

static bool read_text(const char *pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.16s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool is_kernel_thread(const char *pid)
{
	char text[512], *at;
	unsigned long flags;

	if (!read_text(pid, "stat", text, sizeof(text)))
		return false;
	/* Behind the name: state, ppid, pgrp, session, tty, tpgid, flags. */
	at = strrchr(text, ')');
	return at && sscanf(at, ") %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 &&
	       flags & KERNEL_THREAD;
}

/* For how many nanoseconds they have run, all together. */
uint64_t kernel_time(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	uint64_t sum = 0;
	char text[128];

	if (!dir)
		fail("/proc", errno);
	while ((entry = readdir(dir)))
		if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name) &&
		    is_kernel_thread(entry->d_name) &&
		    read_text(entry->d_name, "schedstat", text, sizeof(text)))
			sum += strtoull(text, NULL, 10);
	closedir(dir);
	if (!sum)
		fail("schedstat", 0);
	return sum;
}
