// SPDX-License-Identifier: MIT
/*
 * Attacks on a service with streams, which the victim's only thread serves beside its calls, by
 * clients that violate the protocol of <ipc/stream.h>. Many of them implement the protocol
 * themselves (streams.h) instead of using libipc's streams.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "stream.ipc.h"
#include "streams.h"

#define COUNT_MAX     1000u
#define MESSAGE_BYTES ((size_t)64 << 10)
/* More than a user may have. */
#define MANY 1100
/* For a stream of another user. A slow machine needs a second under attack. */
#define LIMIT_USEC UINT64_C(20000000)

/* --- The victim ----------------------------------------------------------------------- */

/* If a reply finds no space, it waits, and the stream receives no more in the meantime. */
struct twice {
	bool waits, ended;
	Stream__Number reply;
};

static void reply_twice(struct ipc_stream *stream, struct twice *twice)
{
	int r = streams_send_twice(stream, 0, &twice->reply);

	twice->waits = r == -EAGAIN;
	if (r < 0 && r != -EAGAIN)
		ipc_stream_cancel(stream);
}

static void twice_message(struct ipc_stream *stream, void *userdata)
{
	const Stream__Number *number;
	struct twice *twice = userdata;

	while (!twice->waits && streams_receive_twice(stream, 0, &number, NULL) > 0) {
		twice->reply.value = 2 * number->value;
		reply_twice(stream, twice);
	}
}

static void twice_writable(struct ipc_stream *stream, void *userdata)
{
	struct twice *twice = userdata;

	reply_twice(stream, twice);
	twice_message(stream, twice);
	if (twice->ended && !twice->waits)
		ipc_stream_end(stream);
}

static void twice_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		      void *userdata)
{
	struct twice *twice = userdata;

	(void)error;
	twice->ended = true;
	if (result < 0)
		ipc_stream_fail(stream, result, NULL, NULL);
	else if (!twice->waits)
		ipc_stream_end(stream);
}

static int serve_twice(struct ipc_stream *stream, void *userdata)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_message = twice_message,
		.on_writable = twice_writable,
		.on_end = twice_end,
		.destroy = free,
	};
	struct twice *twice = malloc(sizeof(*twice));
	int r;

	(void)userdata;
	if (!twice)
		return -ENOMEM;
	*twice = (struct twice){ .reply = STREAM__NUMBER__INIT };
	r = ipc_stream_set_ops(stream, &ops, twice);
	if (r < 0)
		free(twice);
	return r;
}

struct count {
	uint32_t next, last;
};

static void count_on(struct ipc_stream *stream, void *userdata)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	struct count *count = userdata;
	int r = 0;

	for (; count->next <= count->last && r == 0; count->next += r == 0) {
		number.value = count->next;
		r = streams_send_count(stream, 0, &number);
	}
	if (r == 0)
		ipc_stream_end(stream);
	else if (r != -EAGAIN)
		ipc_stream_cancel(stream);
}

static int serve_count(struct ipc_stream *stream, const Stream__CountRequest *request,
		       void *userdata)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops), .on_writable = count_on, .destroy = free,
	};
	struct count *count;
	int r;

	(void)userdata;
	if (request->count > COUNT_MAX)
		return -E2BIG;
	count = malloc(sizeof(*count));
	if (!count)
		return -ENOMEM;
	*count = (struct count){ .next = 1, .last = request->count };
	r = ipc_stream_set_ops(stream, &ops, count);
	if (r < 0)
		free(count);
	else
		count_on(stream, count);
	return r;
}

int offer_streams(struct ipc *ipc)
{
	static const struct streams_ops ops = { .twice = serve_twice, .count = serve_count };
	static const struct ipc_object_limits limits = {
		.size = sizeof(limits), .message_size = MESSAGE_BYTES, .waiting_bytes = 2 << 20,
	};
	struct ipc_object *object;
	int r;

	r = streams_object_new(ipc, &ops, NULL, NULL, &object);
	if (r == 0)
		r = ipc_object_set_limits(object, &limits);
	return r < 0 ? r : ipc_register_name(ipc, STREAMS, object, NULL);
}

/* --- Honest users of streams ------------------------------------------------------------ */

static bool is_doubled(struct streams *streams)
{
	static const struct ipc_options options = { .timeout_usec = LIMIT_USEC };
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *reply;
	struct ipc_stream *stream;
	bool good = true;

	if (streams_twice_open(streams, &options, &stream, NULL) < 0)
		return false;
	/* More messages than the credit of both sides. */
	for (number.value = 1; number.value <= 50 && good; number.value++)
		good = streams_twice_send(stream, IPC_NEVER, &number) == 0 &&
		       streams_twice_receive(stream, IPC_NEVER, &reply, NULL) == 1 &&
		       reply->value == 2 * number.value;
	good = good && ipc_stream_end(stream) == 0 &&
	       streams_twice_receive(stream, IPC_NEVER, &reply, NULL) == 0;
	ipc_stream_unref(stream);
	return good;
}

static bool is_counted(struct streams *streams)
{
	static const struct ipc_options options = { .timeout_usec = LIMIT_USEC };
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	const Stream__Number *number;
	struct ipc_stream *stream;
	uint64_t want = 0;
	int r;

	request.count = 100;
	if (streams_count_open(streams, &options, &request, &stream, NULL) < 0)
		return false;
	while ((r = streams_count_receive(stream, IPC_NEVER, &number, NULL)) > 0)
		if (number->value != ++want)
			break;
	ipc_stream_unref(stream);
	return r == 0 && want == request.count;
}

bool streams_work(struct ipc_proxy *service)
{
	struct streams *streams = streams_from_proxy(ipc_proxy_ref(service));
	bool good = is_doubled(streams) && is_counted(streams);

	streams_unref(streams);
	return good;
}

static int use_streams(void *data)
{
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, STREAMS);

	(void)data;
	for (int i = 0; i < 2; i++)
		if (!streams_work(proxy))
			return 1;
	return 0;
}

/* Four streams of another user, each within its time. */
void look_at_streams(void)
{
	int r = run_as(WITNESS, use_streams, NULL, 60000);

	if (r)
		succeeded("a stream of another user %s", r == -1 ? "hung" :
						   r == -2 ? "crashed its client" : "failed");
}

/* --- Ends ------------------------------------------------------------------------------- */

/* Messages to this process. */
static int swallow(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	return 0;
}

struct ipc_object *own_object(struct ipc *ipc)
{
	static const struct ipc_raw_ops ops = { .serve = swallow };
	static struct ipc_object *object;

	if (!object)
		must(ipc_raw_object_new(ipc, &ops, NULL, &object) == 0, "an object");
	return object;
}

size_t pack_open(uint8_t bytes[64], uint32_t method, uint32_t window)
{
	Ipc__StreamOpen open = IPC__STREAM_OPEN__INIT;
	Ipc__Object data = IPC__OBJECT__INIT, control = IPC__OBJECT__INIT;

	data.id = 1001;
	control.id = 1002;
	open.data = &data;
	open.control = &control;
	open.has_method = method != 0;
	open.method = method;
	open.has_window = true;
	open.window = window;
	return ipc__stream_open__pack(&open, bytes);
}

static int open_forged(struct ipc_proxy *service, const char *method, uint32_t window,
		       struct forged *ret_forged)
{
	struct ipc_raw_entry entries[] = {
		{ .tag = 1001, .type = IPC_RAW_OBJECT },
		{ .tag = 1002, .type = IPC_RAW_OBJECT },
	};
	uint8_t bytes[64];
	const struct ipc_raw_message message = {
		.method = IPC_NUMBER_STREAM, .data = bytes, .entries = entries, .n_entries = 2,
	};
	struct ipc_raw_message request = message, *reply;
	int r;

	entries[0].object = entries[1].object = own_object(ipc_proxy_ipc(service));
	request.size = pack_open(bytes, code_of(&streams_interface, method), window);
	r = ipc_raw_call(service, &request, NULL, &reply, NULL);
	if (r < 0)
		return r;
	must(reply->n_entries == 2, "an end of a stream");
	ret_forged->data = ipc_proxy_ref(reply->entries[0].proxy);
	ret_forged->control = ipc_proxy_ref(reply->entries[1].proxy);
	ipc_raw_free(reply);
	return 0;
}

void close_forged(struct forged *forged)
{
	forged->data = ipc_proxy_unref(forged->data);
	forged->control = ipc_proxy_unref(forged->control);
}

int say_bytes(struct ipc_proxy *proxy, uint32_t code, const void *data, size_t size)
{
	const struct ipc_raw_message message = { .method = code, .data = data, .size = size };

	return ipc_raw_oneway(proxy, &message, NULL);
}

int say_number(struct ipc_proxy *proxy, uint32_t code, uint32_t value)
{
	uint8_t bytes[8] = { 1 << 3 };
	size_t size = 1;

	for (; value > 127; value >>= 7)
		bytes[size++] = (uint8_t)(value | 0x80);
	bytes[size++] = (uint8_t)value;
	return say_bytes(proxy, code, bytes, size);
}

void serve_all(struct ipc *ipc)
{
	while (ipc_process(ipc) > 0)
		;
}

/* --- Too many ------------------------------------------------------------------------------- */

/* Their requests are never sent, so no handler runs: they only cost the server an end. */
static void never_accepted(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, STREAMS);
	struct forged forged;
	int r = 0;

	(void)index;
	for (int i = 0; i < MANY && r == 0; i++) {
		r = open_forged(proxy, "Count", 16, &forged);
		begun();
	}
	if (r != -EDQUOT)
		succeeded("a user has %d streams that wait for a request", MANY);
	for (;;)
		open_forged(proxy, "Count", 16, &forged);
}

static void idle(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct streams *streams = streams_from_proxy(find(ipc, STREAMS));
	struct ipc_stream *stream;
	int r = 0;

	(void)index;
	for (int i = 0; i < MANY && r == 0; i++) {
		r = streams_twice_open(streams, NULL, &stream, NULL);
		begun();
	}
	if (r != -EDQUOT)
		succeeded("a user has %d idle streams", MANY);
	for (;;)
		streams_twice_open(streams, NULL, &stream, NULL);
}

/* --- Too few and too many messages -------------------------------------------------------- */

/* Receives none of the server's messages, and thus grants no credit. Some never granted any. */
static void takes_nothing(unsigned int index)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	Stream__Number number = STREAM__NUMBER__INIT;
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, STREAMS);
	struct streams *streams = streams_from_proxy(ipc_proxy_ref(proxy));
	struct ipc_stream *stream;
	struct forged forged;

	(void)index;
	request.count = COUNT_MAX;
	for (int i = 0; i < 100; i++) {
		must(streams_count_open(streams, NULL, &request, &stream, NULL) == 0, "a stream");
		must(streams_twice_open(streams, NULL, &stream, NULL) == 0, "a stream");
		for (int k = 0; k < 40; k++)
			streams_twice_send(stream, 0, &number);
		must(open_forged(proxy, "Twice", 0, &forged) == 0, "a stream");
		say_number(forged.data, MESSAGE, 1);
		begun();
	}
}

/* Continues to send regardless of credit. */
static void beyond_the_credit(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, STREAMS);
	struct forged forged;

	(void)index;
	for (;;) {
		/* A stream with replies, and a stream that cannot reply. */
		if (open_forged(proxy, "Twice", random_below(2) ? 16 : 0, &forged) == 0) {
			for (int i = 0; i < 40; i++)
				say_number(forged.data, MESSAGE, i);
			close_forged(&forged);
		}
		serve_all(ipc);
		begun();
	}
}

/* Grants too much credit, and the maximum, again and again. */
static void boundless_credit(unsigned int index)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, STREAMS);
	struct forged forged;
	uint8_t bytes[16];
	size_t size;

	(void)index;
	request.count = COUNT_MAX;
	size = stream__count_request__pack(&request, bytes);
	for (;;) {
		uint32_t more = random_below(2) ? 1U << random_below(32) : MOST;

		if (open_forged(proxy, "Count", MOST + 1, &forged) == 0 ||
		    open_forged(proxy, "Count", UINT32_MAX, &forged) == 0)
			succeeded("a stream was opened with credit for more than %u messages", MOST);
		if (open_forged(proxy, "Count", MOST, &forged) == 0) {
			say_bytes(forged.data, MESSAGE, bytes, size);
			for (int i = 0; i < 20; i++)
				say_number(forged.control, CREDIT, more);
			/* Sometimes it takes no messages. */
			if (random_below(8))
				serve_all(ipc);
			close_forged(&forged);
		}
		begun();
	}
}

/* Messages of maximum size that the server does not read. Ended streams are opened again. The
 * largest take most of the time, so there are few of them before the attack begins. */
static void large_unread(unsigned int index)
{
	static uint8_t ballast[6 << 20];
	Stream__Number number = STREAM__NUMBER__INIT;
	struct ipc *ipc = connect_bus();
	struct streams *streams = streams_from_proxy(find(ipc, STREAMS));
	struct ipc_stream *all[200] = { NULL };
	int r;

	(void)index;
	number.ballast.data = ballast;
	for (unsigned int round = 0;; round++) {
		int ordinary = round > 2 * MOST ? 195 : 199;

		for (int i = 0; i < 200; i++) {
			if (!all[i] && streams_twice_open(streams, NULL, &all[i], NULL) < 0)
				continue;
			/* Larger messages than the server accepts end their streams. */
			number.ballast.len = i < ordinary ? MESSAGE_BYTES - 64 : sizeof(ballast);
			r = streams_twice_send(all[i], 0, &number);
			if (r < 0 && r != -EAGAIN)
				all[i] = ipc_stream_unref(all[i]);
		}
		serve_all(ipc);
		/* Each stream has sent its maximum. */
		if (round > 2 * MOST)
			begun();
	}
}

/* --- Invalid messages ------------------------------------------------------------------- */

/* Calls instead of oneways, messages to the wrong object, unknown methods, random bytes. */
void say_nonsense(struct ipc *ipc, struct forged *forged)
{
	struct ipc_proxy *to = random_below(2) ? forged->data : forged->control;
	struct ipc_raw_entry entries[3] = {
		{ .tag = random_below(4), .type = IPC_RAW_OBJECT, .object = own_object(ipc) },
		{ .tag = random_below(4), .type = IPC_RAW_PROXY, .proxy = forged->control },
		{ .tag = random_below(4), .type = IPC_RAW_FD, .fd = 0 },
	};
	uint8_t bytes[100];
	struct ipc_raw_message message = {
		.method = random_below(8) ? MESSAGE + random_below(4) : (uint32_t)random(),
		.data = bytes,
		.size = random_below(sizeof(bytes)),
		.entries = entries,
		.n_entries = random_below(3) ? 0 : random_below(4),
	};

	for (size_t i = 0; i < message.size; i++)
		bytes[i] = random_below(random_below(3) ? 32 : 256);
	if (random_below(4))
		ipc_raw_oneway(to, &message, NULL);
	else
		ipc_raw_call(to, &message, NULL, NULL, NULL);
}

/* A StreamOpen with foreign objects, or without objects. */
static void open_nonsense(struct ipc_proxy *service, struct forged *other)
{
	Ipc__StreamOpen open = IPC__STREAM_OPEN__INIT;
	Ipc__Object data = IPC__OBJECT__INIT, control = IPC__OBJECT__INIT;
	struct ipc_raw_entry entries[] = {
		{ .tag = 1001, .type = IPC_RAW_PROXY, .proxy = other->data },
		{ .tag = 1002, .type = IPC_RAW_PROXY, .proxy = service },
	};
	uint8_t bytes[64];
	struct ipc_raw_message message = {
		.method = IPC_NUMBER_STREAM, .data = bytes, .entries = entries,
		.n_entries = random_below(3),
	};

	data.id = 1001 + random_below(2);
	control.id = 1001 + random_below(3);
	open.data = random_below(8) ? &data : NULL;
	open.control = random_below(8) ? &control : NULL;
	open.has_method = random_below(8);
	open.method = random_below(4) ? code_of(&streams_interface, "Twice") :
					streams_interface.methods[random_below(
						streams_interface.n_methods)].number;
	message.size = ipc__stream_open__pack(&open, bytes);
	if (ipc_raw_call(service, &message, NULL, NULL, NULL) == 0)
		succeeded("a stream was opened with objects of the server itself");
}

static void nonsense(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, STREAMS);
	struct forged forged;

	(void)index;
	for (;;) {
		if (open_forged(proxy, random_below(2) ? "Twice" : "Count", 16, &forged) == 0) {
			for (uint32_t n = random_below(10); n; n--)
				say_nonsense(ipc, &forged);
			open_nonsense(proxy, &forged);
			close_forged(&forged);
		}
		/* Calls a method that has streams. */
		call_bytes(proxy, code_of(&streams_interface, "Twice"), "\x08\x01", 2);
		serve_all(ipc);
		begun();
	}
}

/* The client gets the error about its messages. A report of the service's death would be wrong. */
static void malformed(unsigned int index)
{
	static const struct ipc_raw_message junk = { .data = "\x0d\x01", .size = 2 };
	struct ipc_error error = IPC_ERROR_INIT;
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, STREAMS);
	const struct ipc_raw_message *reply;
	struct ipc_stream *stream;
	int r;

	(void)index;
	for (;;) {
		must(ipc_raw_stream_open(proxy, code_of(&streams_interface, "Twice"), NULL,
					 &stream, NULL) == 0, "a stream");
		must(ipc_raw_stream_send(stream, &junk, LIMIT_USEC) == 0, "a message");
		r = ipc_raw_stream_receive(stream, LIMIT_USEC, &reply, &error);
		if (r != -EBADMSG || error.origin != IPC_ORIGIN_PEER)
			succeeded("a malformed message ended a stream with %s, of %d",
				  ipc_strerror(r), error.origin);
		ipc_stream_unref(stream);
		begun();
	}
}

/* --- Ends ------------------------------------------------------------------------------- */

/* Ends and cancels in every order, also for ended streams. */
static void storm(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, STREAMS);
	struct forged all[8];

	(void)index;
	for (;;) {
		unsigned int n = 0;

		while (n < 8 && open_forged(proxy, n % 2 ? "Twice" : "Count", 16, &all[n]) == 0)
			n++;
		for (int i = 0; n && i < 100; i++) {
			struct forged *one = &all[random_below(n)];

			if (random_below(3) == 0)
				say_number(one->data, MESSAGE, i);
			else if (random_below(2))
				say_number(one->data, END, random_below(300));
			else
				say_bytes(one->control, CANCEL, NULL, 0);
		}
		while (n)
			close_forged(&all[--n]);
		serve_all(ipc);
		begun();
	}
}

/* Some with callbacks pending at the server, some before their request. */
static void live_and_die(void)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	Stream__Number number = STREAM__NUMBER__INIT;
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, STREAMS);
	struct streams *streams = streams_from_proxy(ipc_proxy_ref(proxy));
	struct ipc_stream *stream;
	struct forged forged;

	request.count = COUNT_MAX;
	for (uint32_t n = random_below(20); n; n--) {
		open_forged(proxy, "Count", 16, &forged);
		streams_count_open(streams, NULL, &request, &stream, NULL);
		if (streams_twice_open(streams, NULL, &stream, NULL) < 0)
			continue;
		for (uint32_t k = random_below(20); k; k--)
			streams_twice_send(stream, 0, &number);
		if (random_below(2))
			ipc_stream_end(stream);
	}
	raise(SIGKILL);
}

static void dies(unsigned int index)
{
	(void)index;
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			srandom(getpid());
			live_and_die();
		}
		must(waitpid(pid, NULL, 0) == pid, "a child");
		begun();
	}
}

/*
 * With two attackers the messages are floods, and the service never takes two messages at once.
 * Three processes then compete for the processor, so other users wait for some time slices.
 */
const struct attack stream_attacks[] = {
	{ "streams that are never accepted", .run = never_accepted, .look = look_at_streams },
	{ "idle streams without end", .run = idle, .look = look_at_streams },
	{ "streams whose messages are never taken", .run = takes_nothing, .look = look_at_streams },
	{ "messages beyond the credit", .run = beyond_the_credit, .look = look_at_streams,
	  .processes = 2, .factor = 200 },
	{ "credit without bounds", .run = boundless_credit, .look = look_at_streams,
	  .processes = 2, .factor = 200 },
	{ "the largest messages, to streams that do not read", .run = large_unread,
	  .look = look_at_streams, .processes = 2 },
	{ "nonsense in streams", .run = nonsense, .look = look_at_streams, .processes = 2,
	  .factor = 200 },
	{ "malformed messages", .run = malformed, .look = look_at_streams },
	{ "a storm of ends and cancels", .run = storm, .look = look_at_streams, .processes = 2,
	  .factor = 200 },
	{ "clients that die amid their streams", .run = dies, .look = look_at_streams,
	  .processes = 2, .factor = 200 },
	{ 0 },
};
