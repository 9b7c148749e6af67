// SPDX-License-Identifier: MIT
/*
 * /proc/thread-self/fail-nth; see fail-nth.h. The file is opened once per thread, because opening
 * can fail, too.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail-nth.h"

#define DEBUGFS "/sys/kernel/debug/"

static __thread int fail_fd = -1;
static __thread pid_t fail_owner;

static int set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* By default only atomic allocations fail, and each failure logs a stack trace. */
int fail_init(void)
{
	static const char *const settings[][2] = {
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "failslab/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		{ DEBUGFS "fail_page_alloc/verbose", "0" },
		{ DEBUGFS "fail_usercopy/verbose", "0" },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		int r = set(settings[i][0], settings[i][1]);

		if (r < 0)
			return r;
	}
	return access("/proc/thread-self/fail-nth", W_OK) < 0 ? -errno : 0;
}

/* A forked child must not write into its parent's file. */
static int own_file(void)
{
	if (fail_owner != gettid()) {
		fail_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
		ck_assert_msg(fail_fd >= 0, "fail-nth: %s", strerror(errno));
		fail_owner = gettid();
	}
	return fail_fd;
}

void fail_arm(unsigned int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", nth);

	ck_assert_int_eq(pwrite(own_file(), text, n, 0), n);
}

/*
 * The file contains the number of steps to go, or 0 after a failure. Reading it copies to user
 * memory, which may itself fail, and so may writing.
 */
bool fail_disarm(void)
{
	char text[16] = "";
	ssize_t n = pread(fail_fd, text, sizeof(text) - 1, 0);
	bool failed = n > 0 && strtoul(text, NULL, 10) == 0;

	while (pwrite(fail_fd, "0", 1, 0) != 1)
		ck_assert_int_eq(errno, EFAULT);
	return failed;
}
