// SPDX-License-Identifier: MIT
/*
 * A custom loop around epoll, which does the same as the integrations of other loops.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loops.h"

static int run(struct ipc *ipc, bool (*done)(void *userdata), void *userdata)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int r = 0;

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, ipc_get_fd(ipc), &event) < 0)
		return -errno;
	while (r >= 0 && !done(userdata)) {
		if (epoll_wait(epoll, &event, 1, 20000) < 0 && errno != EINTR)
			return -errno;
		do
			r = ipc_process(ipc);
		while (r > 0);
	}
	close(epoll);
	return r;
}

static bool never(void *userdata)
{
	(void)userdata;
	return false;
}

static int run_to_end(struct ipc *ipc)
{
	return run(ipc, never, NULL);
}

int main(void)
{
	return test_loop("loop-epoll", run, run_to_end);
}
