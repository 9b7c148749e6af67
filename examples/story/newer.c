// SPDX-License-Identifier: MIT
/*
 * A client that was built with a later version of the interface. A method of both versions works. A
 * method that only the later version has fails with a clear error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "newer.ipc.h"

static int say(struct story *story, const Story__SayRequest *request)
{
	ipc_auto(story_say_reply_free) Story__SayReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	int r;

	r = story_say(story, request, &reply, &error);
	if (r < 0)
		return ipc_print_error("say", r, &error);

	printf("    %-22s  returns \"%s\"\n", "newer client: Say()", reply->text);
	return 0;
}

static int shout(struct story *story, const Story__SayRequest *request)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	int r;

	r = story_shout(story, request, /* ret_reply= */ NULL, &error);
	if (r != -EOPNOTSUPP)
		return ipc_print_error("Shout() did not fail as a missing method", r, &error);

	printf("    %-22s  fails with %s: \"%s\"\n", "newer client: Shout()", strerrorname_np(-r),
	       error.text ? error.text : ipc_strerror(r));
	return 0;
}

int main(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(story_unref) struct story *story = NULL;
	Story__SayRequest request = STORY__SAY_REQUEST__INIT;
	int r;

	alarm(30);
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);

	r = story_get(ipc, "demo.story", &story);
	if (r < 0)
		return ipc_print_error("find demo.story", r, NULL);

	request.text = "hello again";
	return say(story, &request) || shout(story, &request);
}
