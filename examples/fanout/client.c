// SPDX-License-Identifier: MIT
/*
 * client COUNT MILLISECONDS WORKER...: sends COUNT jobs to the workers without waiting, and adds up
 * the replies. It has a single thread with an epoll loop. A timer in the loop shows that calls do
 * not block it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fanout.ipc.h"

static struct {
	long long sum;
	unsigned int waiting;
	unsigned int done;
	unsigned int failed;
	unsigned int ticks;
} state;

static void completed(int result, Fanout__Result *reply, const struct ipc_error *error,
		      void *userdata)
{
	(void)userdata;
	state.waiting--;
	if (result < 0) {
		ipc_print_error("square", result, error);
		state.failed++;
		return;
	}
	state.done++;
	state.sum += reply->number;
}

static int send_jobs(struct ipc *ipc, unsigned int count, unsigned int milliseconds, char **names,
		     unsigned int n_names)
{
	for (unsigned int i = 0; i < count; i++) {
		ipc_auto(fanout_worker_unref) struct fanout_worker *worker = NULL;
		Fanout__Job job = FANOUT__JOB__INIT;
		int r;

		/* The proxy is dropped at the end of the block, before the reply arrives. The call
		 * goes on. */
		r = fanout_worker_wait(ipc, names[i % n_names], IPC_NEVER, &worker);
		if (r < 0)
			return ipc_print_error(names[i % n_names], r, NULL);
		job.number = i;
		job.milliseconds = milliseconds;
		r = fanout_worker_square_async(worker, /* options= */ NULL, &job, completed, NULL,
					       NULL);
		if (r < 0)
			return ipc_print_error("send", r, NULL);
		state.waiting++;
	}
	return 0;
}

static int timer_every(unsigned int milliseconds)
{
	struct itimerspec spec = { 0 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	spec.it_value.tv_nsec = spec.it_interval.tv_nsec = (long)milliseconds * 1000000;
	timerfd_settime(fd, 0, &spec, NULL);
	return fd;
}

static int loop(struct ipc *ipc)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int timer = timer_every(5);
	uint64_t ticks;
	int r = 0;

	event.data.fd = timer;
	epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
	event.data.fd = ipc_get_fd(ipc);
	epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);

	while (r == 0 && state.waiting && epoll_wait(epoll, &event, 1, -1) == 1) {
		if (event.data.fd == timer) {
			if (read(timer, &ticks, sizeof(ticks)) == sizeof(ticks))
				state.ticks += (unsigned int)ticks;
			continue;
		}
		while ((r = ipc_process(ipc)) > 0)
			;
	}
	close(timer);
	close(epoll);
	return r < 0 ? ipc_print_error("process", r, NULL) : 0;
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	if (argc < 4) {
		fprintf(stderr, "usage: client COUNT MILLISECONDS WORKER...\n");
		return 2;
	}
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = send_jobs(ipc, (unsigned int)atoi(argv[1]), (unsigned int)atoi(argv[2]), argv + 3,
		      (unsigned int)argc - 3);
	if (r == 0)
		r = loop(ipc);
	printf("%u done, %u failed, sum %lld%s\n", state.done, state.failed, state.sum,
	       state.ticks ? ", and the loop was never blocked" : "");
	return r || state.failed;
}
