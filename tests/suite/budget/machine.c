// SPDX-License-Identifier: MIT
/*
 * Limits and memory of the machine; see machine.h.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"
#include "mount.h"

struct limits limits_read(void)
{
	struct ipcbus_info info;
	struct raw r;

	raw_open(&r, 4096);
	info = raw_info(&r);
	raw_close(&r);
	return (struct limits){
		.procs = info.user_procs,
		.nodes = info.user_nodes,
		.handles = info.user_handles,
		.watches = info.user_watches,
		.calls = info.user_calls,
		.files = info.user_files,
		.threads = info.user_threads,
		.memory = info.user_memory * KIB,
		/* The driver's default. A small machine has less. */
		.buses = 64,
		.objects = info.user_handles,
	};
}

static long meminfo(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	ck_assert_ptr_nonnull(at);
	return strtol(at + strlen(name), NULL, 10) * KIB;
}

long kernel_holds(void)
{
	char text[8192] = "";
	int fd;

	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	/* Drops the page cache, inodes, and idle pages of regions. */
	ck_assert_int_eq(write(fd, "3\n", 2), 2);
	close(fd);
	fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
	close(fd);
	return meminfo(text, "Slab:") + meminfo(text, "VmallocUsed:") -
	       meminfo(text, "KernelStack:") + meminfo(text, "Percpu:") + live("pages") * 4096;
}

long kernel_holds_after(long at_most)
{
	uint64_t end = now_ms() + 10000;
	long holds;

	do {
		usleep(200000);
		holds = kernel_holds();
	} while (holds > at_most && now_ms() < end);
	return holds;
}

void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

bool group_make(void)
{
	char max[32];

	if ((mkdir("/tmp/cgroup", 0755) && errno != EEXIST) ||
	    (mount("none", "/tmp/cgroup", "cgroup2", 0, NULL) && errno != EBUSY))
		return false;
	write_text("/tmp/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		return false;
	snprintf(max, sizeof(max), "%ld", GROUP_MAX);
	write_text(GROUP "/memory.max", max);
	return true;
}
