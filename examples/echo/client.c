// SPDX-License-Identifier: MIT
/*
 * An echo client: sends its first argument and prints the reply.
 */
#include <stdio.h>

#include "echo.ipc.h"

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(echo_unref) struct echo *echo = NULL;
	ipc_auto(echo_say_reply_free) Echo__SayReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
	int r;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);

	r = echo_get(ipc, "demo.echo", &echo);
	if (r < 0)
		return ipc_print_error("find demo.echo", r, NULL);

	request.text = argc > 1 ? argv[1] : "hello";
	r = echo_say(echo, &request, &reply, &error);
	if (r < 0)
		return ipc_print_error("say", r, &error);

	puts(reply->text);
	return 0;
}
