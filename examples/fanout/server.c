// SPDX-License-Identifier: MIT
/*
 * server NAME: registers a worker under NAME, with up to 16 threads.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "fanout.ipc.h"

static int square(struct ipc_call *call, const Fanout__Job *request, void *userdata)
{
	Fanout__Result reply = FANOUT__RESULT__INIT;

	(void)userdata;
	for (uint32_t i = 0; i < request->milliseconds; i++) {
		usleep(1000);
		/* If the caller has canceled the call or died, stop. */
		if (ipc_call_is_canceled(call) > 0)
			return -ECANCELED;
	}
	reply.number = request->number * request->number;
	return fanout_worker_reply_square(call, &reply);
}

static const struct fanout_worker_ops ops = { .square = square };

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: server NAME\n");
		return 2;
	}
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = ipc_set_threads(ipc, 16);
	if (r < 0)
		return ipc_print_error("set threads", r, NULL);
	r = fanout_worker_register(ipc, argv[1], &ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_print_error(argv[1], r, NULL);
	r = ipc_run(ipc);
	return r < 0 ? ipc_print_error(argv[1], r, NULL) : 0;
}
