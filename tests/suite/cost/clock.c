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
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

uint64_t now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t own_time(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* --- The longest section ------------------------------------------------------------ */

#define WORTH_A_LOOK 100000 /* ns */

/* Shared with the measuring process and the delayed process. */
static struct shared {
	_Atomic bool watching;
	_Atomic uint64_t longest;
	_Atomic pid_t pid;
	pid_t spinner;
	char where[400];
} *shared;

static bool read_text(const char *pid, const char *name, char *text, size_t size);

/* Extracts the functions of a stack. Its lines are "[<0>] FUNCTION+0x12/0x34". */
static void note_stack(char *stack)
{
	size_t used = 0;
	char *rest = stack, *line, *function;

	while ((line = strsep(&rest, "\n"))) {
		function = strchr(line, ' ');
		if (!function)
			continue;
		function[strcspn(function, "+")] = '\0';
		if (used + strlen(function) >= sizeof(shared->where))
			return;
		strcpy(shared->where + used, function);
		used += strlen(function);
	}
}

/* The thread that ran until now is still where it yielded. */
static void look_where(void)
{
	char path[64], task[400], text[2000], *state;
	struct dirent *entry;
	DIR *dir;

	shared->where[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/task", (int)atomic_load(&shared->pid));
	dir = opendir(path);
	while (dir && !shared->where[0] && (entry = readdir(dir))) {
		snprintf(task, sizeof(task), "%d/task/%s", (int)atomic_load(&shared->pid),
			 entry->d_name);
		state = read_text(task, "stat", text, sizeof(text)) ? strrchr(text, ')') : NULL;
		if (state && state[1] && state[2] == 'R' &&
		    read_text(task, "stack", text, sizeof(text)))
			note_stack(text);
	}
	if (dir)
		closedir(dir);
}

/* Wakes up every 20 us and measures the delay. */
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
		if (!atomic_load(&shared->watching) || late <= atomic_load(&shared->longest))
			continue;
		if (late > WORTH_A_LOOK)
			look_where();
		atomic_store(&shared->longest, late);
	}
}

/* Needed on an idle machine, where the kernel stops its ticks and timers are late. */
static pid_t start_spinner(void)
{
	static const struct sched_param param;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sched_setscheduler(0, SCHED_IDLE, &param) < 0)
		fail("an idle process", errno);
	for (;;)
		if (!atomic_load(&shared->watching))
			raise(SIGSTOP);
}

pid_t start_watcher(void)
{
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap", errno);
	shared->spinner = start_spinner();
	pid = fork();
	if (!pid)
		watch_sections();
	if (pid < 0 || shared->spinner < 0)
		fail("fork", errno);
	return pid;
}

void begin_watching(void)
{
	atomic_store(&shared->watching, true);
	kill(shared->spinner, SIGCONT);
	/* Until the watcher has read the stacks. */
	usleep(3000);
	shared->where[0] = '\0';
	atomic_store(&shared->longest, 0);
}

void watch_process(pid_t pid)
{
	atomic_store(&shared->pid, pid);
}

const char *where(void)
{
	return shared->where;
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

	snprintf(path, sizeof(path), "/proc/%.40s/%s", pid, name);
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
	/* After the name: state, ppid, pgrp, session, tty, tpgid, flags. */
	at = strrchr(text, ')');
	return at && sscanf(at, ") %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 &&
	       flags & KERNEL_THREAD;
}

/* Returns their total run time in ns. */
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
