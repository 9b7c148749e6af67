// SPDX-License-Identifier: MIT
/*
 * A server for test-install, written as users do, which uses only installed files.
 */
#include "echo.ipc.h"

static int say(struct ipc_call *call, const Echo__SayRequest *request, void *userdata)
{
	Echo__SayReply reply = ECHO__SAY_REPLY__INIT;

	(void)userdata;
	if (!request->text[0])
		return ipc_call_fail(call, 0, "echo.Empty", "nothing to say");

	reply.text = request->text;
	return echo_reply_say(call, &reply);
}

static const struct echo_ops ops = { .say = say };

int main(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_error("open the bus", r, NULL);

	r = echo_register(ipc, "demo.echo", &ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_print_error("register demo.echo", r, NULL);

	return ipc_run(ipc) < 0;
}
