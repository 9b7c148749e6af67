// SPDX-License-Identifier: MIT
/*
 * Typed calls: a reply, and two kinds of errors.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "client.h"

static int say_something(struct story *story)
{
	ipc_auto(story_say_reply_free) Story__SayReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Story__SayRequest request = STORY__SAY_REQUEST__INIT;
	int r;

	request.text = "hello, bus";
	r = story_say(story, &request, &reply, &error);
	if (r < 0)
		return ipc_print_error("say", r, &error);

	show("Say(\"hello, bus\")", "returns \"%s\", %u letters", reply->text, reply->letters);
	if (strcmp(reply->text, "HELLO, BUS") || reply->letters != strlen(request.text))
		return fail("this is not the text in capitals");
	return 0;
}

/* A server can define its own errors, with a name for programs and a text for people. */
static int say_nothing(struct story *story)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Story__SayRequest request = STORY__SAY_REQUEST__INIT;
	int r;

	r = story_say(story, &request, /* ret_reply= */ NULL, &error);
	if (r != -EREMOTEIO || !error.name || !error.text)
		return fail("Say(\"\") returned %d (%s)", r, ipc_strerror(r));

	show("Say(\"\")", "fails with %s, %s: \"%s\"", strerrorname_np(-r), error.name, error.text);
	return strcmp(error.name, "story.Empty") ? fail("this is another error") : 0;
}

/* If an errno is enough, a handler can return that. */
static int say_too_much(struct story *story)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Story__SayRequest request = STORY__SAY_REQUEST__INIT;
	char text[201];
	int r;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	request.text = text;
	r = story_say(story, &request, /* ret_reply= */ NULL, &error);
	if (r != -E2BIG || !error.text)
		return fail("Say() of 200 letters returned %d (%s)", r, ipc_strerror(r));

	show("Say(200 letters)", "fails with %s: \"%s\"", strerrorname_np(-r), error.text);
	return 0;
}

int step_call(struct ipc *ipc, struct story *story)
{
	int status;

	(void)ipc;
	status = say_something(story);
	if (status == 0)
		status = say_nothing(story);
	if (status == 0)
		status = say_too_much(story);
	return status;
}
