// SPDX-License-Identifier: MIT
/*
 * The server of the demo: registers as demo.story and serves on one thread until it is
 * killed. story.proto describes the methods.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"

#define MAX_LETTERS	100

static int meet(struct ipc_call *call, void *userdata)
{
	const struct server *server = userdata;
	Story__MeetReply reply = STORY__MEET_REPLY__INIT;

	reply.pid = getpid();
	reply.tid = gettid();
	reply.since_usec = server->since_usec;
	return story_reply_meet(call, &reply);
}

/* Returns a reply, or an error: with a name, or with an errno and a text. */
static int say(struct ipc_call *call, const Story__SayRequest *request, void *userdata)
{
	Story__SayReply reply = STORY__SAY_REPLY__INIT;
	size_t letters = strlen(request->text);
	char text[MAX_LETTERS + 1];

	(void)userdata;
	if (letters == 0)
		return ipc_call_fail(call, 0, "story.Empty", "the text is empty");
	if (letters > MAX_LETTERS)
		return ipc_call_fail(call, -E2BIG, NULL, "%zu letters are more than %d", letters,
				     MAX_LETTERS);

	for (size_t i = 0; i <= letters; i++)
		text[i] = toupper((unsigned char)request->text[i]);
	reply.text = text;
	reply.letters = letters;
	return story_reply_say(call, &reply);
}

/* The object in the request is called like any other object. Its process waits in Count() in the
 * meantime. */
static int count(struct ipc_call *call, const Story__CountRequest *request, void *userdata)
{
	ipc_auto(story_listener_unref) struct story_listener *listener = NULL;
	Story__HeardRequest heard = STORY__HEARD_REQUEST__INIT;
	Story__CountReply reply = STORY__COUNT_REPLY__INIT;
	int r;

	(void)userdata;
	r = story_listener_take(ipc_call_ipc(call), request->listener, &listener);
	if (r < 0)
		return ipc_call_fail(call, r, NULL, "cannot take the listener");

	for (heard.number = 1; heard.number <= request->to; heard.number++) {
		r = story_listener_heard(listener, &heard, /* ret_reply= */ NULL,
					 /* error= */ NULL);
		if (r < 0)
			return ipc_call_fail(call, r, NULL, "the listener failed at %u",
					     heard.number);
	}

	reply.tid = gettid();
	return story_reply_count(call, &reply);
}

/* The fd belongs to the request and is closed with it unless ipc_take_fd() takes it. */
static int share(struct ipc_call *call, const Story__ShareRequest *request, void *userdata)
{
	Story__ShareReply reply = STORY__SHARE_REPLY__INIT;
	struct stat status;
	char text[256];
	ssize_t n;

	(void)userdata;
	if (!request->file)
		return ipc_call_fail(call, -EBADF, NULL, "the request has no file");

	n = read(request->file->fd, text, sizeof(text) - 1);
	if (n < 0 || fstat(request->file->fd, &status) < 0)
		return ipc_call_fail(call, -errno, NULL, "cannot read the file");

	text[n] = '\0';
	reply.fd = request->file->fd;
	reply.inode = status.st_ino;
	reply.text = text;
	return story_reply_share(call, &reply);
}

static const struct story_ops ops = {
	.meet = meet,
	.say = say,
	.log = serve_log,
	.read = serve_read,
	.count = count,
	.share = share,
	.where = serve_where,
};

int main(void)
{
	struct server server = { 0 };
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);

	server.since_usec = now_usec();
	r = story_object_new(ipc, &ops, &server, /* destroy= */ NULL, &object);
	if (r == 0)
		r = ipc_object_set_dump(object, dump_log);
	if (r == 0)
		r = ipc_register_name(ipc, "demo.story", object, /* ret_slot= */ NULL);
	if (r < 0)
		return ipc_print_error("register demo.story", r, NULL);

	r = ipc_run(ipc);
	if (r < 0)
		return ipc_print_error("serve demo.story", r, NULL);
	return 0;
}
