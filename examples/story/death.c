// SPDX-License-Identifier: MIT
/*
 * Death: the client watches the server, kills it, receives the notification, and calls the dead
 * server.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "client.h"

#define NOTIFY_TIMEOUT_USEC UINT64_C(5000000)

static void on_death(struct ipc_proxy *proxy, void *userdata)
{
	uint64_t *died_usec = userdata;

	(void)proxy;
	*died_usec = now_usec();
}

/* Handles events until the notification arrives. Returns 0, or -ETIMEDOUT. */
static int wait_for_death(struct ipc *ipc, const uint64_t *died_usec)
{
	uint64_t deadline = now_usec() + NOTIFY_TIMEOUT_USEC, now;
	int r = 0;

	while (!*died_usec && r >= 0) {
		now = now_usec();
		if (now >= deadline)
			return -ETIMEDOUT;
		r = ipc_wait_event(ipc, deadline - now);
		if (r > 0)
			r = ipc_process(ipc);
	}
	return r < 0 ? r : 0;
}

static int kill_server(struct story *story, uint64_t *ret_killed_usec)
{
	ipc_auto(story_meet_reply_free) Story__MeetReply *reply = NULL;
	int r;

	r = story_meet(story, &reply, /* error= */ NULL);
	if (r < 0)
		return r;

	*ret_killed_usec = now_usec();
	if (kill(reply->pid, SIGKILL) < 0)
		return -errno;
	show("server", "pid %u is killed with SIGKILL", reply->pid);
	return 0;
}

static int call_dead_server(struct story *story)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Story__SayRequest request = STORY__SAY_REQUEST__INIT;
	int r;

	request.text = "are you there?";
	r = story_say(story, &request, /* ret_reply= */ NULL, &error);
	if (r != -EOWNERDEAD)
		return fail("the next call returned %d (%s)", r, ipc_strerror(r));

	show("next call", "fails with %s:", strerrorname_np(-r));
	show("", "\"%s\"", ipc_strerror(r));
	return 0;
}

int step_death(struct ipc *ipc, struct story *story)
{
	uint64_t killed_usec = 0, died_usec = 0;
	int r;

	r = story_on_death(story, on_death, &died_usec, /* ret_slot= */ NULL);
	if (r < 0)
		return ipc_print_error("watch demo.story", r, NULL);

	r = kill_server(story, &killed_usec);
	if (r == 0)
		r = wait_for_death(ipc, &died_usec);
	if (r < 0)
		return ipc_print_error("wait for the server's death", r, NULL);

	show("client", "is notified %.2f ms later", (died_usec - killed_usec) / 1e3);
	return call_dead_server(story);
}
