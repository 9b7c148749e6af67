// SPDX-License-Identifier: MIT
/*
 * A C++ client for test-install, which uses only installed files.
 */
#include <cstdio>

#include "echo.ipc.h"

static int talk(struct ipc *ipc)
{
	ipc_auto(echo_unref) struct echo *echo = nullptr;
	ipc_auto(echo_say_reply_free) Echo__SayReply *reply = nullptr;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
	char text[] = "hello";
	int r;

	r = echo_get(ipc, "demo.echo", &echo);
	if (r < 0)
		return ipc_print_error("find demo.echo", r, nullptr);

	request.text = text;
	r = echo_say(echo, &request, &reply, &error);
	if (r < 0)
		return ipc_print_error("say", r, &error);

	std::puts(reply->text);
	return 0;
}

int main()
{
	ipc_auto(ipc_unref) struct ipc *ipc = nullptr;
	int r;

	r = ipc_open(&ipc, nullptr);
	if (r < 0)
		return ipc_print_error("open the bus", r, nullptr);

	return talk(ipc);
}
