// SPDX-License-Identifier: MIT
/*
 * client COUNT [PERIOD_MS]: prints COUNT ticks, then sends COUNT times for comparison.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.ipc.h"

#define TIMEOUT_USEC 10000000

static int watch(struct tower *tower, int count, int period_ms)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Clocks__WatchRequest request = CLOCKS__WATCH_REQUEST__INIT;
	const Clocks__Tick *tick;
	int r;

	request.period_ms = (uint32_t)period_ms;
	r = tower_watch_open(tower, /* options= */ NULL, &request, &stream, &error);
	for (int i = 0; r >= 0 && i < count; i++) {
		/* The tick belongs to the stream, and is valid until the next receive. */
		r = tower_watch_receive(stream, TIMEOUT_USEC, &tick, &error);
		if (r == 0)
			r = -ENODATA;
		if (r > 0)
			printf("tick %" PRIu64 "\n", tick->number);
	}
	/* The last unref cancels the stream, and the server stops sending. */
	return r < 0 ? ipc_print_error("watch", r, &error) : 0;
}

static int compare(struct tower *tower, int count)
{
	ipc_auto(ipc_stream_unref) struct ipc_stream *stream = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Clocks__Tick tick = CLOCKS__TICK__INIT;
	const Clocks__Verdict *verdict;
	int r;

	r = tower_compare_open(tower, /* options= */ NULL, &stream, &error);
	for (int i = 0; r == 0 && i < count; i++)
		r = tower_compare_send(stream, TIMEOUT_USEC, &tick);
	if (r >= 0)
		r = tower_compare_finish(stream, TIMEOUT_USEC, &verdict, &error);
	if (r < 0)
		return ipc_print_error("compare", r, &error);
	printf("%u clocks compared, %s\n", verdict->clocks,
	       verdict->worst_usec < -1000000 ? "they are slow" : "they are right");
	return 0;
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(tower_unref) struct tower *tower = NULL;
	int count = argc > 1 ? atoi(argv[1]) : 5;
	int r;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = tower_wait(ipc, "demo.clock", IPC_NEVER, &tower);
	if (r < 0)
		return ipc_print_error("find demo.clock", r, NULL);
	r = watch(tower, count, argc > 2 ? atoi(argv[2]) : 1000);
	return r ? r : compare(tower, count);
}
