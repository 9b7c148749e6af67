// SPDX-License-Identifier: MIT
/*
 * client NAME: sends the lines of its standard input, and prints the lines of other members, until
 * the input ends. A single epoll loop handles both.
 */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "chat.ipc.h"

static int hear(struct ipc_call *call, const Chat__Line *request, void *userdata)
{
	(void)call, (void)userdata;
	printf("%s: %s\n", request->from, request->text);
	fflush(stdout);
	return 0;
}

static const struct chat_listener_ops ops = { .hear = hear };

static int join(struct ipc *ipc, const char *name, struct chat_seat **ret_seat)
{
	ipc_auto(chat_join_reply_free) Chat__JoinReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_object_unref) struct ipc_object *listener = NULL;
	ipc_auto(chat_unref) struct chat *chat = NULL;
	Chat__JoinRequest request = CHAT__JOIN_REQUEST__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	int r;

	r = chat_wait(ipc, "demo.chat", IPC_NEVER, &chat);
	if (r < 0)
		return ipc_print_error("find demo.chat", r, NULL);
	r = chat_listener_object_new(ipc, &ops, NULL, NULL, &listener);
	if (r < 0)
		return ipc_print_error("create the listener", r, NULL);
	r = ipc_object_id(listener, &object.id);
	if (r < 0)
		return ipc_print_error("create the listener", r, NULL);

	request.name = (char *)name;
	request.listener = &object;
	r = chat_join(chat, &request, &reply, &error);
	if (r < 0)
		return ipc_print_error("join", r, &error);
	for (size_t i = 0; i < reply->n_others; i++)
		printf("%s is here\n", reply->others[i]);
	fflush(stdout);
	/* The reply has arrived, so the server now holds a reference of the listener. */
	r = chat_seat_take(ipc, reply->seat, ret_seat);
	return r < 0 ? ipc_print_error("take the seat", r, NULL) : 0;
}

/* Sends a line. Returns 1 at the end of the input. */
static int say_line(struct chat_seat *seat)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Chat__Line line = CHAT__LINE__INIT;
	char text[1024];
	int r;

	if (!fgets(text, sizeof(text), stdin))
		return 1;
	text[strcspn(text, "\n")] = 0;
	line.text = text;
	r = chat_seat_say(seat, &line, &error);
	return r < 0 ? -ipc_print_error("say", r, &error) : 0;
}

static int talk(struct ipc *ipc, struct chat_seat *seat)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int r = 0;

	event.data.fd = ipc_get_fd(ipc);
	epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
	event.data.fd = STDIN_FILENO;
	epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
	/* epoll does not see lines that stdio has read ahead. */
	setvbuf(stdin, NULL, _IONBF, 0);

	while (r == 0 && epoll_wait(epoll, &event, 1, -1) == 1) {
		if (event.data.fd == STDIN_FILENO) {
			r = say_line(seat);
			continue;
		}
		while ((r = ipc_process(ipc)) > 0)
			;
		if (r < 0)
			ipc_print_error("listen", r, NULL);
	}
	close(epoll);
	return r < 0;
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(chat_seat_unref) struct chat_seat *seat = NULL;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: client NAME <LINES\n");
		return 2;
	}
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);
	r = join(ipc, argv[1], &seat);
	return r ? r : talk(ipc, seat);
}
