// SPDX-License-Identifier: MIT
/*
 * An echo server: registers as demo.echo and serves until it is stopped.
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
		return ipc_print_open_error(/* bus= */ NULL, r);

	r = echo_register(ipc, "demo.echo", &ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_print_error("register demo.echo", r, NULL);

	r = ipc_run(ipc);
	if (r < 0)
		return ipc_print_error("serve demo.echo", r, NULL);
	return 0;
}
