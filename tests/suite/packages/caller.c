// SPDX-License-Identifier: MIT
/*
 * caller: calls the tutorial's counter every 20 ms over one connection, and prints a line for every
 * tenth call. Prints the errno of the first call that fails, and ends.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "counter.ipc.h"

int main(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(counter_unref) struct counter *counter = NULL;
	Counter__AddRequest request = COUNTER__ADD_REQUEST__INIT;
	int r;

	r = ipc_open(&ipc, NULL);
	if (r == 0)
		r = counter_wait(ipc, "demo.counter", IPC_NEVER, &counter);
	for (int i = 0; r == 0; i++) {
		ipc_auto(counter_add_reply_free) Counter__AddReply *reply = NULL;

		r = counter_add(counter, &request, &reply, NULL);
		if (r == 0 && i % 10 == 0)
			printf("%d\n", i);
		fflush(stdout);
		usleep(20000);
	}
	printf("%s\n", strerrorname_np(-r));
	return 1;
}
