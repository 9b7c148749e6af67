// SPDX-License-Identifier: MIT
/*
 * client NAME: says what comes on standard input, prints what others say, until the
 * input ends. One epoll loop for both.
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

static const struct ear_ops ops = { .hear = hear };

static int join(struct ipc *ipc, const char *name, struct seat **ret_seat)
{
	ipc_auto(room_join_reply_free) Chat__JoinReply *reply = NULL;
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_object_unref) struct ipc_object *ear = NULL;
	ipc_auto(room_unref) struct room *room = NULL;
	Chat__JoinRequest request = CHAT__JOIN_REQUEST__INIT;
	Ipc__Object object = IPC__OBJECT__INIT;
	int r;

	r = room_await(ipc, "demo.chat", &room);
	if (r < 0)
		return ipc_fail("find demo.chat", r, NULL);
	r = ear_object_new(ipc, &ops, NULL, NULL, &ear);
	if (r < 0)
		return ipc_fail("make an ear", r, NULL);

	object.id = ipc_object_id(ear);
	request.name = (char *)name;
	request.ear = &object;
	r = room_join(room, &request, &reply, &error);
	if (r < 0)
		return ipc_fail("join", r, &error);
	for (size_t i = 0; i < reply->n_others; i++)
		printf("%s is here\n", reply->others[i]);
	fflush(stdout);
	/* The room holds the ear from now on. */
	r = seat_take(ipc, reply->seat, ret_seat);
	return r < 0 ? ipc_fail("take the seat", r, NULL) : 0;
}

/* 1: the input ended. */
static int say_line(struct seat *seat)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	Chat__Line line = CHAT__LINE__INIT;
	char text[1024];
	int r;

	if (!fgets(text, sizeof(text), stdin))
		return 1;
	text[strcspn(text, "\n")] = 0;
	line.text = text;
	r = seat_say(seat, &line, &error);
	return r < 0 ? -ipc_fail("say", r, &error) : 0;
}

static int talk(struct ipc *ipc, struct seat *seat)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int r = 0;

	event.data.fd = ipc_get_fd(ipc);
	epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
	event.data.fd = STDIN_FILENO;
	epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
	/* Lines that stdio has read ahead would not wake epoll. */
	setvbuf(stdin, NULL, _IONBF, 0);

	while (r == 0 && epoll_wait(epoll, &event, 1, -1) == 1) {
		if (event.data.fd == STDIN_FILENO) {
			r = say_line(seat);
			continue;
		}
		while ((r = ipc_process(ipc)) > 0)
			;
		if (r < 0)
			ipc_fail("listen", r, NULL);
	}
	close(epoll);
	return r < 0;
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(seat_unref) struct seat *seat = NULL;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: client NAME <LINES\n");
		return 2;
	}
	r = ipc_open(&ipc, /* device= */ NULL);
	if (r < 0)
		return ipc_fail("open /dev/ipcbus", r, NULL);
	r = join(ipc, argv[1], &seat);
	return r ? r : talk(ipc, seat);
}
