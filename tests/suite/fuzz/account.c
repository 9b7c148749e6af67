// SPDX-License-Identifier: MIT
/*
 * See account.h; used by the fuzzers of the library.
 */
#include <string.h>

#include "account.h"
#include "device/device.h"

#define FIRST_FD 1000000
#define MAX_FDS 4096
#define MAX_HANDLES 256

static bool is_open[MAX_FDS];
static int n_fds;
static uint32_t counts[MAX_HANDLES];

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_device_handle_put(const struct device *device, uint64_t generation, uint32_t handle,
			     uint32_t count);

int __wrap_close(int fd)
{
	if (fd < FIRST_FD)
		return __real_close(fd);
	must(fd < FIRST_FD + n_fds);
	must(is_open[fd - FIRST_FD]);
	is_open[fd - FIRST_FD] = false;
	return 0;
}

int __wrap_device_handle_put(const struct device *device, uint64_t generation, uint32_t handle,
			     uint32_t count)
{
	(void)device, (void)generation;
	must(handle > 0 && handle < MAX_HANDLES && count);
	must(counts[handle] >= count);
	counts[handle] -= count;
	return 0;
}

void account_begin(void)
{
	memset(is_open, 0, sizeof(is_open));
	memset(counts, 0, sizeof(counts));
	n_fds = 0;
}

int account_fd(void)
{
	must(n_fds < MAX_FDS);
	is_open[n_fds] = true;
	return FIRST_FD + n_fds++;
}

void account_handle(uint32_t handle)
{
	must(handle < MAX_HANDLES);
	counts[handle]++;
}

void account_end(void)
{
	for (int i = 0; i < n_fds; i++)
		must(!is_open[i]);
	for (int i = 1; i < MAX_HANDLES; i++)
		must(!counts[i]);
}
