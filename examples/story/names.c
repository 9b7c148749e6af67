// SPDX-License-Identifier: MIT
/*
 * Finds a service by name. If the name is not registered yet, waits for it. The time at which the
 * server registered shows which case happened.
 */
#include <errno.h>
#include <unistd.h>

#include "client.h"

/* story_wait() alone would be enough. The first attempt shows that there was no server. */
static int find(struct ipc *ipc, struct story **ret_story)
{
	int r;

	r = story_get(ipc, "demo.story", ret_story);
	if (r != -ENOENT)
		return r;

	show("client", "pid %d looks for demo.story; it is not registered yet, so it waits",
	     getpid());
	return story_wait(ipc, "demo.story", IPC_NEVER, ret_story);
}

int step_names(struct ipc *ipc)
{
	ipc_auto(story_unref) struct story *story = NULL;
	ipc_auto(story_meet_reply_free) Story__MeetReply *reply = NULL;
	uint64_t asked = now_usec(), found;
	int r;

	r = find(ipc, &story);
	if (r < 0)
		return ipc_print_error("find demo.story", r, NULL);

	found = now_usec();
	r = story_meet(story, &reply, /* error= */ NULL);
	if (r < 0)
		return ipc_print_error("meet demo.story", r, NULL);

	if (reply->since_usec > found)
		return fail("found before it was registered");

	if (reply->since_usec > asked)
		show("server", "pid %u registers demo.story %.2f ms later", reply->pid,
		     (reply->since_usec - asked) / 1e3);
	else
		show("server", "pid %u registered demo.story %.2f ms before", reply->pid,
		     (asked - reply->since_usec) / 1e3);
	show("client", "pid %d finds it %.2f ms after it began to look", getpid(),
	     (found - asked) / 1e3);
	return 0;
}
