// SPDX-License-Identifier: MIT
/* /sys/kernel/debug/kcov; see kcov.h and the kernel's dev-tools/kcov.rst. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcov.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kcov.h"

#define MOST_PLACES	(64 << 10)	/* of one child */
#define STEPS		(1 << 16)

static int fd = -1;
static unsigned long *places;	/* how many, and each */
static bool seen[STEPS];
static size_t total;

int kcov_init(void)
{
	fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, KCOV_INIT_TRACE, MOST_PLACES) < 0)
		return -errno;
	places = mmap(NULL, MOST_PLACES * sizeof(*places), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	return places == MAP_FAILED ? -errno : 0;
}

void kcov_begin(void)
{
	__atomic_store_n(&places[0], 0, __ATOMIC_RELAXED);
	ck_assert_int_eq(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC), 0);
}

/* The same place from another one is another step. */
static size_t step(unsigned long from, unsigned long to)
{
	return ((from * 31) ^ to) * 0x9e3779b97f4a7c15UL >> 48;
}

size_t kcov_new(void)
{
	size_t n = __atomic_load_n(&places[0], __ATOMIC_RELAXED), before = total;

	for (size_t i = 1; i < n; i++) {
		bool *it = &seen[step(places[i], places[i + 1])];

		total += !*it;
		*it = true;
	}
	return total - before;
}

size_t kcov_total(void)
{
	return total;
}
