// SPDX-License-Identifier: MIT
/*
 * The chat server, demo.chat. For each member it has an object (the seat, which the client holds)
 * and a proxy (of the client's listener). If a member drops its seat or dies, the destroy
 * function of the seat runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chat.ipc.h"

struct member {
	struct member *next;
	struct chat_listener *listener;
	char *name;
};

/* Only one thread serves, so no lock is needed. */
static struct member *members;

static void send_to_others(const struct member *from, const char *text)
{
	Chat__Line line = CHAT__LINE__INIT;

	line.from = from->name;
	line.text = (char *)text;
	for (struct member *m = members; m; m = m->next)
		/* A slow or dead member misses the line. The server does not wait. */
		if (m != from)
			chat_listener_hear(m->listener, &line);
}

static int say(struct ipc_call *call, const Chat__Line *request, void *userdata)
{
	send_to_others(userdata, request->text);
	return chat_seat_reply_say(call);
}

static const struct chat_seat_ops chat_seat_ops = { .say = say };

static void member_free(struct member *member)
{
	chat_listener_unref(member->listener);
	free(member->name);
	free(member);
}

/* Runs when the last reference of the seat is gone. */
static void leave(void *userdata)
{
	struct member *member = userdata;
	struct member **link = &members;

	while (*link && *link != member)
		link = &(*link)->next;
	if (*link) {
		*link = member->next;
		send_to_others(member, "(leaves)");
	}
	member_free(member);
}

static int add_member(struct ipc_call *call, struct member *member)
{
	ipc_auto(ipc_object_unref) struct ipc_object *seat = NULL;
	Chat__JoinReply reply = CHAT__JOIN_REPLY__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	char *others[100];
	int r;

	r = chat_seat_object_new(ipc_call_ipc(call), &chat_seat_ops, member, leave, &seat);
	if (r < 0) {
		member_free(member);
		return r;
	}
	r = ipc_object_id(seat, &object.id);
	if (r < 0)
		return r;
	for (struct member *m = members; m && reply.n_others < 100; m = m->next)
		others[reply.n_others++] = m->name;
	reply.others = others;
	reply.seat = &object;

	member->next = members;
	members = member;
	send_to_others(member, "(joins)");
	/* If the reply fails, the server's reference of the seat is the last, and the member leaves
	 * again. */
	return chat_reply_join(call, &reply);
}

static int join(struct ipc_call *call, const Chat__JoinRequest *request, void *userdata)
{
	struct member *member;
	int r;

	(void)userdata;
	if (!request->name[0])
		return ipc_call_fail(call, 0, "chat.Nameless", "the name is empty");
	for (struct member *m = members; m; m = m->next)
		if (!strcmp(m->name, request->name))
			return ipc_call_fail(call, 0, "chat.Taken", "the name %s is taken",
					     m->name);

	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOMEM;
	member->name = strdup(request->name);
	r = member->name ? chat_listener_take(ipc_call_ipc(call), request->listener,
					      &member->listener) :
			   -ENOMEM;
	if (r < 0) {
		member_free(member);
		return r;
	}
	return add_member(call, member);
}

static const struct chat_ops chat_ops = { .join = join };

int main(void)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = chat_register(ipc, "demo.chat", &chat_ops, /* userdata= */ NULL);
	if (r < 0)
		return ipc_print_error("register demo.chat", r, NULL);
	r = ipc_run(ipc);
	return r < 0 ? ipc_print_error("serve demo.chat", r, NULL) : 0;
}
