// SPDX-License-Identifier: MIT
/*
 * The room, demo.chat. A member is an object of ours (the seat) and a proxy of
 * theirs (the ear). It leaves when it lets go of its seat, or dies: both end in
 * the seat's destroy function, so there is one way out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chat.ipc.h"

struct member {
	struct member *next;
	struct ear *ear;
	char *name;
};

/* One thread serves, so nothing is locked. */
static struct member *members;

static void tell_others(const struct member *from, const char *text)
{
	Chat__Line line = CHAT__LINE__INIT;

	line.from = from->name;
	line.text = (char *)text;
	for (struct member *m = members; m; m = m->next)
		/* Who is slow or gone misses a line; the room does not wait. */
		if (m != from)
			ear_hear(m->ear, &line);
}

static int say(struct ipc_call *call, const Chat__Line *request, void *userdata)
{
	tell_others(userdata, request->text);
	return seat_reply_say(call);
}

static const struct seat_ops seat_ops = { .say = say };

static void member_free(struct member *member)
{
	ear_unref(member->ear);
	free(member->name);
	free(member);
}

/* Nobody holds the seat any more. */
static void leave(void *userdata)
{
	struct member *member = userdata;
	struct member **link = &members;

	while (*link && *link != member)
		link = &(*link)->next;
	if (*link) {
		*link = member->next;
		tell_others(member, "(leaves)");
	}
	member_free(member);
}

static int answer(struct ipc_call *call, struct member *member)
{
	ipc_auto(ipc_object_unref) struct ipc_object *seat = NULL;
	Chat__JoinReply reply = CHAT__JOIN_REPLY__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	char *others[100];
	int r;

	r = seat_object_new(ipc_call_ipc(call), &seat_ops, member, leave, &seat);
	if (r < 0) {
		member_free(member);
		return r;
	}
	for (struct member *m = members; m && reply.n_others < 100; m = m->next)
		others[reply.n_others++] = m->name;
	reply.others = others;
	object.id = ipc_object_id(seat);
	reply.seat = &object;

	member->next = members;
	members = member;
	tell_others(member, "(joins)");
	/* If it fails, our reference is the last one, and the member leaves again. */
	return room_reply_join(call, &reply);
}

static int join(struct ipc_call *call, const Chat__JoinRequest *request, void *userdata)
{
	struct member *member;
	int r;

	(void)userdata;
	if (!request->name[0])
		return ipc_call_error(call, "chat.Nameless", "everybody here has a name");
	for (struct member *m = members; m; m = m->next)
		if (!strcmp(m->name, request->name))
			return ipc_call_error(call, "chat.Taken", "there is a %s already", m->name);

	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOMEM;
	member->name = strdup(request->name);
	r = member->name ? ear_take(ipc_call_ipc(call), request->ear, &member->ear) : -ENOMEM;
	if (r < 0) {
		member_free(member);
		return r;
	}
	return answer(call, member);
}

static const struct room_ops room_ops = { .join = join };

int main(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	r = ipc_open(&ipc, /* device= */ NULL);
	if (r < 0)
		return ipc_fail("open /dev/ipcbus", r, NULL);
	r = room_register(ipc, "demo.chat", &room_ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_fail("register demo.chat", r, NULL);
	r = ipc_run(ipc);
	return r < 0 ? ipc_fail("serve demo.chat", r, NULL) : 0;
}
