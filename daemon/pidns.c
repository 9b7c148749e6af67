// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers in PID namespaces: see pidns.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pidns.h"

/*
 * Number of scans of /proc/PID/task for a thread. The folder may omit a live thread if another
 * thread ends during the read. If a process creates thousands of threads per second, up to one scan
 * in 25 misses its newest thread. A hostile client can make its own worker spend about 20 us per
 * thread on each scan.
 */
#define LOOKS 6

/* Parses "NSpid:  1234    7". */
static bool parse(const char *line, struct pid_numbers *ret_numbers)
{
	struct pid_numbers numbers = { 0 };
	unsigned int n = 0;
	char *end;

	for (; n < PIDNS_LEVELS; n++, line = end) {
		numbers.nr[n] = (int)strtol(line, &end, 10);
		if (end == line)
			break;
	}
	if (!n)
		return false;
	numbers.level = n - 1;
	*ret_numbers = numbers;
	return true;
}

static int read_status(int pid, int tid, struct pid_numbers *ret_numbers)
{
	char path[64], line[512];
	int r = -ESRCH;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (r && fgets(line, sizeof(line), file))
		if (!strncmp(line, "NSpid:", 6) && parse(line + 6, ret_numbers))
			r = 0;
	fclose(file);
	return r;
}

int pidns_read_process(int pid, struct pid_numbers *ret_numbers)
{
	return read_status(pid, pid, ret_numbers);
}

/* Returns true if the process has the thread. EPERM: the thread exists, but the daemon may not
 * signal it. */
bool pidns_has_thread(int pid, int tid)
{
	return !syscall(SYS_tgkill, pid, tid, 0) || errno == EPERM;
}

/* Scans the threads of the process once. */
static int look_for_thread(int pid, int tid, struct pid_numbers *ret_numbers)
{
	struct pid_numbers numbers;
	struct dirent *entry;
	char path[64];
	int r = -ESRCH;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	threads = opendir(path);
	if (!threads)
		return -ESRCH;
	while (r && (entry = readdir(threads)))
		if (*entry->d_name != '.' && !read_status(pid, atoi(entry->d_name), &numbers) &&
		    numbers.nr[numbers.level] == tid) {
			*ret_numbers = numbers;
			r = 0;
		}
	closedir(threads);
	return r;
}

int pidns_find_thread(int pid, int tid, struct pid_numbers *ret_numbers)
{
	struct pid_numbers numbers;
	int r = -ESRCH;

	/* Usually the first thread of the process calls. */
	if (!read_status(pid, pid, &numbers) && numbers.nr[numbers.level] == tid) {
		*ret_numbers = numbers;
		return 0;
	}
	for (int i = 0; r && i < LOOKS; i++)
		r = look_for_thread(pid, tid, ret_numbers);
	return r;
}

int pidns_open(int pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int pidns_open_parent(int fd)
{
	int parent = fd < 0 ? -1 : ioctl(fd, NS_GET_PARENT);

	return parent < 0 ? -EPERM : parent;
}

/* All namespace files are on the same file system, so the inode number is unique. */
uint64_t pidns_id(int fd)
{
	struct stat st;

	return fd < 0 || fstat(fd, &st) ? 0 : st.st_ino;
}

/* Reads the file of the first thread, because /proc/PID/stat sums over all threads, which takes
 * longer. */
int pidns_read_start(int pid, uint64_t *ret_start)
{
	char path[64], text[1024], *at;
	unsigned long long ticks = 0;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, pid);
	file = fopen(path, "re");
	/* EPERM and EACCES: /proc hides the process. */
	if (!file)
		return errno == ENOENT || errno == EPERM || errno == EACCES ? -ESRCH : -errno;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = 0;
	/* The name may contain spaces and parentheses. */
	at = strrchr(text, ')');
	for (int i = 0; at && i < 20; i++)
		at = strchr(at + 1, ' ');
	if (at)
		sscanf(at, "%llu", &ticks);
	*ret_start = ticks;
	return ticks ? 0 : -ESRCH;
}
