// SPDX-License-Identifier: MIT
/*
 * conform.proto and versions.proto as a service in C: `server NAME` serves the names NAME,
 * NAME.older and NAME.newer until it is killed, or called to exit.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "conform.ipc.h"
#include "versions.ipc.h"

#define NOTES_MAX 1000

/* The contents of oneways. Oneways to an object are served in sequence, calls concurrently. */
static int64_t notes[NOTES_MAX];
static atomic_size_t n_notes;

static atomic_long waiting, canceled;

/* --- Calls and errors ------------------------------------------------------------------ */

static int echo(struct ipc_call *call, const Conform__Kinds *request, void *userdata)
{
	(void)userdata;
	return peer_reply_echo(call, request);
}

static int fail(struct ipc_call *call, const Conform__Failure *request, void *userdata)
{
	struct ipc_error error = IPC_ERROR_INIT;

	(void)userdata;
	if (!*request->name)
		return ipc_call_fail(call, request->code, NULL, "%s", request->text);
	error.code = request->code;
	error.name = request->name;
	error.text = request->text;
	error.number = request->number;
	error.details = request->details.data;
	error.details_size = request->details.len;
	return ipc_call_fail_with(call, &error);
}

static int drop(struct ipc_call *call, void *userdata)
{
	(void)call, (void)userdata;
	return 0;
}

static int note(struct ipc_call *call, const Conform__Number *request, void *userdata)
{
	size_t n = atomic_load(&n_notes);

	(void)call, (void)userdata;
	if (n < NOTES_MAX) {
		notes[n] = request->number;
		atomic_store(&n_notes, n + 1);
	}
	return 0;
}

static int get_notes(struct ipc_call *call, void *userdata)
{
	Conform__Numbers reply = CONFORM__NUMBERS__INIT;

	(void)userdata;
	reply.numbers = notes;
	reply.n_numbers = atomic_load(&n_notes);
	return peer_reply_notes(call, &reply);
}

static int leave(struct ipc_call *call, void *userdata)
{
	(void)call, (void)userdata;
	_exit(0);
}

/* --- Objects, files and large bytes ------------------------------------------------------ */

static uint64_t left_ms(const struct ipc_call *call)
{
	uint64_t usec = ipc_call_remaining(call);

	return usec == IPC_NEVER ? 0 : usec / 1000;
}

static int ask(struct ipc_call *call, const Conform__Number *request, void *userdata)
{
	Conform__AskReply reply = CONFORM__ASK_REPLY__INIT;

	(void)userdata;
	reply.number = request->number + 1;
	reply.left_ms = left_ms(call);
	return visitor_reply_ask(call, &reply);
}

static const struct visitor_ops visitor_ops = { .ask = ask };

static int visit(struct ipc_call *call, const Conform__VisitRequest *request, void *userdata)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(visitor_ask_reply_free) Conform__AskReply *said = NULL;
	ipc_auto(ipc_object_unref) struct ipc_object *host = NULL;
	ipc_auto(visitor_unref) struct visitor *visitor = NULL;
	Conform__VisitReply reply = CONFORM__VISIT_REPLY__INIT;
	Conform__Number number = CONFORM__NUMBER__INIT;
	Ipc__Object host_field = IPC__OBJECT__INIT, back = IPC__OBJECT__INIT;
	char refused[100] = "";
	int r;

	(void)userdata;
	number.number = request->number;
	r = visitor_take(ipc_call_ipc(call), request->visitor, &visitor);
	if (r == 0)
		r = visitor_ask(visitor, &number, &said, NULL);
	if (r == 0)
		r = visitor_object_new(ipc_call_ipc(call), &visitor_ops, NULL, NULL, &host);
	if (r == 0)
		r = ipc_object_id(host, &host_field.id);
	if (r < 0 || !said)
		return r;
	if (request->refuse && visitor_refuse(visitor, &error) == -EREMOTEIO)
		snprintf(refused, sizeof(refused), "%s: %s", error.name, error.text);
	back.id = ipc_proxy_id(visitor_proxy(visitor));
	reply.number = said->number;
	reply.left_ms = said->left_ms;
	reply.refused = refused;
	reply.host = &host_field;
	reply.back = &back;
	return peer_reply_visit(call, &reply);
}

static int host(struct ipc_call *call, const Conform__VisitRequest *request, void *userdata)
{
	ipc_auto(visitor_unref) struct visitor *visitor = NULL;
	int r = visitor_take(ipc_call_ipc(call), request->visitor, &visitor);

	(void)userdata;
	return r < 0 ? r : visitor_stay(visitor, NULL);
}

static int write_text(struct ipc_call *call, const Conform__WriteRequest *request, void *userdata)
{
	ssize_t size = (ssize_t)strlen(request->text);
	Conform__WriteReply reply = CONFORM__WRITE_REPLY__INIT;
	Ipc__Fd same = IPC__FD__INIT, other = IPC__FD__INIT;
	int r;

	(void)userdata;
	if (!request->file)
		return -EINVAL;
	other.fd = memfd_create("other", MFD_CLOEXEC);
	if (other.fd < 0)
		return -errno;
	same.fd = request->file->fd;
	reply.same = &same;
	reply.other = &other;
	if (pwrite(same.fd, request->text, (size_t)size, 0) != size ||
	    pwrite(other.fd, request->text, (size_t)size, 0) != size)
		r = -EIO;
	else
		r = peer_reply_write(call, &reply);
	close(other.fd);
	return r;
}

static int turn(struct ipc_call *call, const Conform__Chunks *request, void *userdata)
{
	Conform__Chunks reply = CONFORM__CHUNKS__INIT;
	ProtobufCBinaryData chunks[8];

	(void)userdata;
	if (request->n_chunks > 8)
		return -E2BIG;
	for (size_t i = 0; i < request->n_chunks; i++)
		chunks[i] = request->chunks[request->n_chunks - 1 - i];
	reply.chunks = chunks;
	reply.n_chunks = request->n_chunks;
	return peer_reply_turn(call, &reply);
}

/* --- Time and cancellation ----------------------------------------------------------------- */

static void on_cancel(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	canceled++;
	waiting--;
	ipc_call_fail(call, ECANCELED, NULL, NULL);
	ipc_call_unref(call);
}

static int hang(struct ipc_call *call, void *userdata)
{
	int r;

	(void)userdata;
	waiting++;
	ipc_call_ref(call);
	r = ipc_call_on_cancel(call, on_cancel, NULL, NULL);
	if (r == -ECANCELED)
		canceled++;
	if (r < 0) {
		waiting--;
		ipc_call_unref(call);
	}
	return r;
}

static int hangs(struct ipc_call *call, void *userdata)
{
	Conform__HangsReply reply = CONFORM__HANGS_REPLY__INIT;

	(void)userdata;
	reply.waiting = waiting;
	reply.canceled = canceled;
	return peer_reply_hangs(call, &reply);
}

static int left(struct ipc_call *call, void *userdata)
{
	Conform__Number reply = CONFORM__NUMBER__INIT;

	(void)userdata;
	reply.number = (int64_t)left_ms(call);
	return peer_reply_left(call, &reply);
}

/* --- Streams --------------------------------------------------------------------------------- */

static int count(struct ipc_stream *stream, const Conform__Number *request, void *userdata)
{
	Conform__Number reply = CONFORM__NUMBER__INIT;
	int64_t last = request->number < 0 ? -request->number : request->number;
	int r = 0;

	(void)userdata;
	for (int64_t i = 1; r == 0 && i <= last; i++) {
		reply.number = i;
		r = peer_send_count(stream, IPC_NEVER, &reply);
	}
	if (r == 0 && request->number < 0)
		r = ipc_stream_fail(stream, -EREMOTEIO, "conform.Negative", "%s", "it is negative");
	return r;
}

static int total(struct ipc_stream *stream, void *userdata)
{
	Conform__Number reply = CONFORM__NUMBER__INIT;
	const Conform__Number *number;
	int r;

	(void)userdata;
	while ((r = peer_receive_total(stream, IPC_NEVER, &number, NULL)) > 0)
		reply.number += number->number;
	return r < 0 ? r : peer_reply_total(stream, &reply);
}

static int running(struct ipc_stream *stream, void *userdata)
{
	Conform__Number reply = CONFORM__NUMBER__INIT;
	const Conform__Number *number;
	int r;

	(void)userdata;
	waiting++;
	while ((r = peer_receive_running(stream, IPC_NEVER, &number, NULL)) > 0) {
		reply.number += number->number;
		r = peer_send_running(stream, IPC_NEVER, &reply);
		if (r < 0)
			break;
	}
	if (r < 0)
		canceled++;
	waiting--;
	return r;
}

static const struct peer_ops peer_ops = {
	.echo = echo,
	.fail = fail,
	.drop = drop,
	.note = note,
	.notes = get_notes,
	.visit = visit,
	.host = host,
	.write = write_text,
	.turn = turn,
	.hang = hang,
	.hang_briefly = hang,
	.hangs = hangs,
	.left = left,
	.count = count,
	.total = total,
	.running = running,
	.exit = leave,
};

/* --- Versions -------------------------------------------------------------------------------- */

static int say(struct ipc_call *call, const Versions__Said *request, void *userdata)
{
	Versions__Said reply = VERSIONS__SAID__INIT;
	char text[100];

	(void)userdata;
	snprintf(text, sizeof(text), "heard: %s", request->text);
	reply.text = text;
	reply.tone = request->tone;
	return older_reply_say(call, &reply);
}

static const struct older_ops older_ops = { .say = say };

static int ask_newer(struct ipc_call *call, const Versions__Question *request, void *userdata)
{
	Versions__Question others[2] = { VERSIONS__QUESTION__INIT, VERSIONS__QUESTION__INIT };
	Versions__Question *pointers[] = { &others[0], &others[1] };
	Versions__Reply reply = VERSIONS__REPLY__INIT;
	char text[100];

	(void)userdata;
	snprintf(text, sizeof(text), "%s, %d times", request->text, request->times);
	reply.text = text;
	reply.tone = VERSIONS__TONE__GLAD;
	reply.reason = (char *)"a reason";
	others[1].times = 7;
	reply.others = pointers;
	reply.n_others = 2;
	return newer_reply_ask(call, &reply);
}

static const struct newer_ops newer_ops = { .ask = ask_newer };

static int serve(struct ipc *ipc, const char *name)
{
	char older[100], newer[100];
	int r;

	snprintf(older, sizeof(older), "%s.older", name);
	snprintf(newer, sizeof(newer), "%s.newer", name);
	r = ipc_set_threads(ipc, 8);
	if (r == 0)
		r = older_register(ipc, older, &older_ops, NULL);
	if (r == 0)
		r = newer_register(ipc, newer, &newer_ops, NULL);
	if (r == 0)
		r = peer_register(ipc, name, &peer_ops, NULL);
	return r < 0 ? r : ipc_run(ipc);
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: %s NAME\n", argv[0]);
		return 2;
	}
	r = ipc_open(&ipc, NULL);
	if (r == 0)
		r = serve(ipc, argv[1]);
	return r < 0 ? ipc_print_error("server", r, NULL) : 0;
}
