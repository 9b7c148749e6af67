// SPDX-License-Identifier: MIT
/*
 * Attacks on clients of streams, by services that violate the protocol of <ipc/stream.h>. The
 * client opens streams of Mallory's service in all possible ways, each with a timeout, and uses
 * an honest service in turn, on the same connection.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "stream.ipc.h"
#include "streams.h"

#define ROUNDS 6
/* For each stream with Mallory. */
#define LIMIT_MS   30
#define LIMIT_USEC UINT64_C(30000)
#define REPLY_MAX  ((size_t)64 << 10)
#define UNREAD	   4
/* Time to fill a stream that the client does not read. */
#define UNREAD_MS  300
#define FILES_MAX  512
/* Streams that a client closes at once, and the maximum of closed ends that a service can keep. */
#define BRIEF	 1500
#define LEFT_MAX 1100

/* --- The victim ------------------------------------------------------------------------ */

static const struct ipc_options limited = { .timeout_usec = LIMIT_USEC };

/* Counts files of this process, and nodes of its only connection, which has two by itself. */
static unsigned int count_files(size_t *ret_nodes)
{
	DIR *folder = opendir("/proc/self/fdinfo");
	struct dirent *entry;
	unsigned int n = 0;
	char path[300];
	size_t nodes;

	*ret_nodes = 0;
	while (folder && (entry = readdir(folder))) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", entry->d_name);
		nodes = number_in(path, "ipcbus-nodes:");
		*ret_nodes = nodes ? nodes : *ret_nodes;
		n++;
	}
	if (folder)
		closedir(folder);
	return n;
}

static void drain(struct ipc_stream *stream)
{
	const Stream__Number *number;
	uint64_t end = clock_ms() + 2 * LIMIT_MS;

	while (clock_ms() < end && streams_twice_receive(stream, LIMIT_USEC, &number, NULL) > 0)
		;
}

/* Uses a stream with a waiting thread. */
static void wait_for_it(struct streams *mallory)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	struct ipc_stream *stream;

	if (streams_twice_open(mallory, &limited, &stream, NULL) < 0)
		return;
	while (number.value < 40 && streams_twice_send(stream, 1000, &number) == 0)
		number.value++;
	drain(stream);
	ipc_stream_end(stream);
	drain(stream);
	ipc_stream_unref(stream);
}

static void ask_for_numbers(struct streams *mallory)
{
	Stream__CountRequest request = STREAM__COUNT_REQUEST__INIT;
	const Stream__Number *number;
	uint64_t end = clock_ms() + 2 * LIMIT_MS;
	struct ipc_stream *stream;

	if (streams_count_open(mallory, &limited, &request, &stream, NULL) < 0)
		return;
	while (clock_ms() < end && streams_count_receive(stream, LIMIT_USEC, &number, NULL) > 0)
		;
	ipc_stream_unref(stream);
}

static void ask_for_a_sum(struct streams *mallory)
{
	Stream__Number number = STREAM__NUMBER__INIT;
	const Stream__Number *sum;
	struct ipc_stream *stream;

	if (streams_sum_open(mallory, &limited, &stream, NULL) < 0)
		return;
	streams_sum_send(stream, 1000, &number);
	streams_sum_finish(stream, IPC_NEVER, &sum, NULL);
	ipc_stream_unref(stream);
}

static void send_bytes(struct ipc_proxy *proxy)
{
	const struct ipc_raw_message message = { .data = "\x08\x01", .size = 2 }, *got;
	uint64_t end = clock_ms() + 2 * LIMIT_MS;
	struct ipc_stream *stream;

	if (ipc_raw_stream_open(proxy, code_of(&streams_interface, "Twice"), &limited, &stream,
				NULL) < 0)
		return;
	for (int i = 0; i < 20; i++)
		ipc_raw_stream_send(stream, &message, 0);
	while (clock_ms() < end && ipc_raw_stream_receive(stream, LIMIT_USEC, &got, NULL) > 0)
		;
	ipc_stream_unref(stream);
}

/* Uses a stream with callbacks. */
struct called {
	bool over;
	unsigned int ends, after;
};

static void called_message(struct ipc_stream *stream, void *userdata)
{
	const Stream__Number *number;
	struct called *called = userdata;

	called->after += called->ends || called->over;
	streams_twice_receive(stream, 0, &number, NULL);
}

static void called_end(struct ipc_stream *stream, int result, const struct ipc_error *error,
		       void *userdata)
{
	struct called *called = userdata;

	(void)stream, (void)result, (void)error;
	called->after += called->over;
	called->ends++;
}

static void called_destroy(void *userdata)
{
	struct called *called = userdata;

	called->after += called->over;
	called->over = true;
}

static void be_called(struct ipc *ipc, struct streams *mallory)
{
	static const struct ipc_stream_ops ops = {
		.size = sizeof(ops),
		.on_message = called_message,
		.on_end = called_end,
		.destroy = called_destroy,
	};
	Stream__Number number = STREAM__NUMBER__INIT;
	uint64_t end = clock_ms() + LIMIT_MS + 5000;
	struct called called = { .over = false };
	struct ipc_stream *stream;

	if (streams_twice_open(mallory, &limited, &stream, NULL) < 0)
		return;
	must(ipc_stream_set_ops(stream, &ops, &called) == 0, "callbacks");
	streams_twice_send(stream, 0, &number);
	while (!called.over && clock_ms() < end) {
		ipc_process(ipc);
		ipc_wait_event(ipc, 1000);
	}
	if (!called.over)
		succeeded("a stream with callbacks did not end in its time");
	if (called.ends != 1 || called.after)
		succeeded("callbacks of a stream came %u times after %u ends", called.after,
			  called.ends);
	ipc_stream_unref(stream);
}

/* Receives no message until the time is over. */
static void read_nothing(struct ipc *ipc, struct streams *mallory)
{
	static const struct ipc_options options = { .timeout_usec = UNREAD_MS * 1000 };
	uint64_t end = clock_ms() + UNREAD_MS;
	struct ipc_stream *all[UNREAD];
	unsigned int n = 0;
	int fd;

	while (n < UNREAD && streams_twice_open(mallory, &options, &all[n], NULL) == 0)
		n++;
	while (clock_ms() < end) {
		ipc_process(ipc);
		ipc_wait_event(ipc, 1000);
	}
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		succeeded("a client cannot open a file: %s", strerror(errno));
	else
		close(fd);
	while (n) {
		drain(all[--n]);
		ipc_stream_unref(all[n]);
	}
}

static void use_all_forms(struct ipc *ipc, struct ipc_proxy *proxy)
{
	struct streams *mallory = streams_from_proxy(ipc_proxy_ref(proxy));

	wait_for_it(mallory);
	ask_for_numbers(mallory);
	ask_for_a_sum(mallory);
	send_bytes(proxy);
	be_called(ipc, mallory);
	read_nothing(ipc, mallory);
	streams_unref(mallory);
}

/* Returns the duration in milliseconds. */
static uint64_t use_honest(struct ipc *ipc)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct server *honest = server_from_proxy(find(ipc, SERVICE));
	E2e__SayReply *reply = NULL;
	uint64_t since = clock_ms();

	request.text = (char *)"all well";
	if (server_say(honest, &request, &reply, NULL) < 0 || strcmp(reply->text, "all well"))
		succeeded("an honest service's reply did not reach a client of both");
	since = clock_ms() - since;
	server_say_reply_free(reply);
	server_unref(honest);
	return since;
}

/* A single slow use may be this machine's fault, so the fastest counts. */
static void judge_times(const uint64_t *each_ms, size_t n, uint64_t usual_ms)
{
	uint64_t least = each_ms[0];

	for (size_t i = 1; i < n; i++)
		least = each_ms[i] < least ? each_ms[i] : least;
	if (least > 1000 + 10 * usual_ms)
		succeeded("an honest service's reply took %llu ms at least, and usually %llu",
			  (unsigned long long)least, (unsigned long long)usual_ms);
}

/* Memory for unpacking, for queued messages, and for the region. */
static void judge_memory(size_t before)
{
	size_t most = 64 * REPLY_MAX + UNREAD * 16 * (REPLY_MAX + 4096) + IPC_REGION_DEFAULT;

	if (peak_kib() > before + most / 1024 + 4096)
		succeeded("a client of streams grew by %zu MiB", (peak_kib() - before) / 1024);
}

static int be_a_client(void *data)
{
	static const struct rlimit files = { .rlim_cur = FILES_MAX,
						 .rlim_max = FILES_MAX };
	struct ipc_proxy *honest, *proxy = NULL;
	size_t before, nodes, nodes_before;
	uint64_t usual_ms, each_ms[ROUNDS];
	unsigned int n_files;
	struct ipc *ipc;

	(void)data;
	setrlimit(RLIMIT_NOFILE, &files);
	ipc = connect_bus();
	must(ipc_set_message_max(ipc, REPLY_MAX) == 0, "a limit on replies");
	honest = find(ipc, STREAMS);
	/* The first streams open lasting files. */
	must(streams_work(honest), "a stream of an honest service");
	use_all_forms(ipc, honest);
	usual_ms = use_honest(ipc);
	before = peak_kib();
	n_files = count_files(&nodes_before);
	for (int i = 0; i < ROUNDS; i++) {
		ipc_set_timeout(ipc, LIMIT_USEC);
		if (ipc_proxy_get(ipc, HIS, NULL, &proxy) == 0)
			use_all_forms(ipc, proxy);
		proxy = ipc_proxy_unref(proxy);
		ipc_set_timeout(ipc, 5000000);
		each_ms[i] = use_honest(ipc);
	}
	judge_times(each_ms, ROUNDS, usual_ms);
	if (!streams_work(honest))
		succeeded("a stream of an honest service failed at a client of both");
	judge_memory(before);
	if (count_files(&nodes) > n_files)
		succeeded("a client has %u files, and had %u", count_files(&nodes), n_files);
	ipc_proxy_unref(honest);
	ipc_unref(ipc);
	return 0;
}

static int be_a_brief_client(void *data)
{
	struct ipc *ipc = connect_bus();
	struct streams *mallory = streams_from_proxy(find(ipc, HIS));
	struct ipc_stream *stream;
	size_t nodes;

	(void)data;
	for (int i = 0; i < BRIEF; i++) {
		must(streams_twice_open(mallory, NULL, &stream, NULL) == 0, "a stream");
		ipc_stream_unref(stream);
		serve_all(ipc);
	}
	count_files(&nodes);
	if (nodes > 2 * LEFT_MAX)
		succeeded("a client has %zu nodes for streams that it closed", nodes);
	return 0;
}

static void look_at(int (*client)(void *data))
{
	/* Six forms per round, each within its limit, plus time for a busy machine. */
	int r = run_as(ALICE, client, NULL, ROUNDS * (10 * LIMIT_MS + UNREAD_MS) + 30000);

	if (r)
		succeeded("a client of streams %s", r == -1 ? "hung" :
						    r == -2 ? "crashed" : "failed");
}

static void look_at_client_of_streams(void)
{
	look_at(be_a_client);
}

static void look_at_brief_client(void)
{
	look_at(be_a_brief_client);
}

/* --- Mallory's services ------------------------------------------------------------------ */

/* The newest ends of clients that Mallory holds. */
static struct forged held[64];
static unsigned int n_held;
static bool keeps_all;

static int reply_open(struct ipc_call *call, uint32_t window, struct ipc_raw_entry *entries,
		      size_t n_entries)
{
	uint8_t bytes[64];
	const struct ipc_raw_message reply = {
		.data = bytes, .size = pack_open(bytes, 0, window),
		.entries = entries, .n_entries = n_entries,
	};

	return ipc_raw_reply(call, &reply);
}

/* Takes the client's end. Requests that are not streams get no reply. */
static struct forged *take_open(const struct ipc_raw_message *request)
{
	struct forged *one = &held[n_held % 64];

	if (request->method != IPC_NUMBER_STREAM || request->n_entries != 2)
		return NULL;
	n_held++;
	if (!keeps_all)
		close_forged(one);
	one->data = ipc_proxy_ref(request->entries[0].proxy);
	one->control = ipc_proxy_ref(request->entries[1].proxy);
	return one;
}

static int accept_stream(struct ipc_call *call, const struct ipc_raw_message *request,
			 void *userdata)
{
	struct ipc_object *own = own_object(userdata);
	struct ipc_raw_entry entries[] = {
		{ .tag = 1001, .type = IPC_RAW_OBJECT, .object = own },
		{ .tag = 1002, .type = IPC_RAW_OBJECT, .object = own },
	};

	return take_open(request) ? reply_open(call, MOST, entries, 2) : -EOPNOTSUPP;
}

/* Serves, and acts on each client's end in turn. */
static void serve_with(int (*serve)(struct ipc_call *, const struct ipc_raw_message *, void *),
		       void (*act)(struct ipc *ipc, struct forged *one))
{
	struct ipc *ipc = connect_bus();

	offer_his(ipc, "stream.Streams", serve);
	begun();
	for (;;) {
		serve_all(ipc);
		for (unsigned int i = 0; act && i < 64; i++)
			if (held[i].data)
				act(ipc, &held[i]);
		ipc_wait_event(ipc, 1000);
	}
}

static void never_reads(unsigned int index)
{
	(void)index;
	serve_with(accept_stream, NULL);
}

/* Never releases any part of a stream. */
static void keeps(unsigned int index)
{
	(void)index;
	keeps_all = true;
	serve_with(accept_stream, NULL);
}

static void flood(struct ipc *ipc, struct forged *one)
{
	(void)ipc;
	for (int i = 0; i < 40; i++)
		if (say_number(one->data, MESSAGE, i) < 0)
			break;
}

static void beyond_the_credit(unsigned int index)
{
	(void)index;
	serve_with(accept_stream, flood);
}

/* Unknown fields, which take many times their size, up to the credit. */
static void say_large(struct ipc *ipc, struct forged *one)
{
	static uint8_t bytes[6 << 20];

	(void)ipc;
	for (size_t i = 0; !bytes[0] && i < sizeof(bytes); i += 2)
		memcpy(bytes + sizeof(bytes) - 2 - i, "\x7a", 2);
	for (int i = 0; i < MOST; i++)
		if (say_bytes(one->data, MESSAGE, bytes, REPLY_MAX) < 0)
			break;
	if (random_below(8) == 0)
		say_bytes(one->data, MESSAGE, bytes, sizeof(bytes));
	if (random_below(2))
		close_forged(one);
}

static void large(unsigned int index)
{
	(void)index;
	serve_with(accept_stream, say_large);
}

static void give_credit(struct ipc *ipc, struct forged *one)
{
	(void)ipc;
	for (int i = 0; i < 20; i++)
		say_number(one->control, CREDIT, random_below(2) ? 1U << random_below(32) : MOST);
}

static void boundless_credit(unsigned int index)
{
	(void)index;
	serve_with(accept_stream, give_credit);
}

static void end_twice(struct ipc *ipc, struct forged *one)
{
	(void)ipc;
	for (int i = 0; i < 10; i++) {
		if (random_below(2))
			say_number(one->data, MESSAGE, i);
		else
			say_number(one->data, END, random_below(300));
		if (random_below(8) == 0)
			say_bytes(one->control, CANCEL, NULL, 0);
	}
}

static void ends_twice(unsigned int index)
{
	(void)index;
	serve_with(accept_stream, end_twice);
}

/* Files and objects with each message, whether accepted or not. */
static void send_entries(struct ipc *ipc, struct forged *one)
{
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];
	const struct ipc_raw_message message = {
		.method = MESSAGE, .data = "\x1a\x09\x09\x03\0\0\0\0\0\0\0", .size = 11,
		.entries = entries, .n_entries = 1 + random_below(IPC_RAW_ENTRIES_MAX),
	};

	for (size_t i = 0; i < message.n_entries; i++) {
		entries[i] = (struct ipc_raw_entry){ .tag = i % 7, .type = IPC_RAW_FD, .fd = 0 };
		if (random_below(8) == 0)
			entries[i] = (struct ipc_raw_entry){ .tag = i % 7, .type = IPC_RAW_OBJECT,
							     .object = own_object(ipc) };
	}
	for (int i = 0; i < 8; i++)
		ipc_raw_oneway(random_below(8) ? one->data : one->control, &message, NULL);
}

static void entries(unsigned int index)
{
	(void)index;
	serve_with(accept_stream, send_entries);
}

static void ignore(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	(void)result, (void)reply, (void)error, (void)userdata;
}

/* Calls instead of oneways, also of methods of every object, to both objects of a client. */
static void call_back(struct ipc *ipc, struct forged *one)
{
	(void)ipc;
	for (int i = 0; i < 20; i++) {
		struct ipc_raw_message message = {
			.method = random_below(2) ? IPC_NUMBER_BUILTIN + random_below(6) :
						  MESSAGE + random_below(4),
			.data = "\x08\x01", .size = 2,
		};

		ipc_raw_call_async(random_below(2) ? one->data : one->control, &message, &limited,
				   ignore, NULL, NULL);
	}
}

static void calls_back(unsigned int index)
{
	(void)index;
	serve_with(accept_stream, call_back);
}

static void any_nonsense(struct ipc *ipc, struct forged *one)
{
	if (random_below(2))
		say_nonsense(ipc, one);
}

/*
 * Replies to an opening with too much credit, without objects, with the client's own objects, with
 * one object instead of two, or twice.
 */
static int accept_badly(struct ipc_call *call, const struct ipc_raw_message *request,
			void *userdata)
{
	struct forged *one = take_open(request);
	struct ipc_object *own = own_object(userdata);
	struct ipc_raw_entry entries[] = {
		{ .tag = 1001, .type = IPC_RAW_OBJECT, .object = own },
		{ .tag = 1002, .type = IPC_RAW_OBJECT, .object = own },
	};

	if (!one)
		return -EOPNOTSUPP;
	switch (random_below(6)) {
	case 0:
		return reply_open(call, UINT32_MAX, entries, 2);
	case 1:
		return reply_open(call, MOST, entries, random_below(2));
	case 2:
		entries[1].type = IPC_RAW_PROXY;
		entries[1].proxy = one->control;
		return reply_open(call, MOST, entries, 2);
	case 3:
		entries[0].type = IPC_RAW_PROXY;
		entries[0].proxy = one->data;
		return reply_open(call, MOST, entries, 2);
	case 4:
		reply_open(call, MOST, entries, 2);
		return reply_open(call, MOST, entries, 2);
	default:
		/* Sends many messages before it accepts. */
		flood(userdata, one);
		end_twice(userdata, one);
		return reply_open(call, MOST, entries, 2);
	}
}

static void nonsense(unsigned int index)
{
	(void)index;
	serve_with(accept_badly, any_nonsense);
}

static void stop_amid(struct ipc *ipc, struct forged *one)
{
	(void)ipc;
	flood(ipc, one);
	if (random_below(4) == 0)
		raise(SIGSTOP);
}

static void stops(unsigned int index)
{
	(void)index;
	serve_with(accept_stream, stop_amid);
}

static void die_amid(struct ipc *ipc, struct forged *one)
{
	flood(ipc, one);
	if (random_below(4) == 0)
		raise(SIGKILL);
}

static void dies(unsigned int index)
{
	(void)index;
	begun();
	for (;;) {
		pid_t pid = fork();

		if (!pid)
			serve_with(accept_stream, die_amid);
		must(waitpid(pid, NULL, 0) == pid, "a child");
	}
}

const struct attack stream_client_attacks[] = {
	{ "a service that never reads its streams", .run = never_reads,
	  .look = look_at_client_of_streams },
	{ "a service that keeps every stream", .run = keeps, .look = look_at_brief_client },
	{ "a service that sends without credit", .run = beyond_the_credit,
	  .look = look_at_client_of_streams },
	{ "a service that sends the largest messages", .run = large,
	  .look = look_at_client_of_streams },
	{ "a service that gives credit without bounds", .run = boundless_credit,
	  .look = look_at_client_of_streams },
	{ "a service that ends streams twice and sends on", .run = ends_twice,
	  .look = look_at_client_of_streams },
	{ "a service that sends objects and files into streams", .run = entries,
	  .look = look_at_client_of_streams },
	{ "a service that calls its clients' streams", .run = calls_back,
	  .look = look_at_client_of_streams },
	{ "a service with nonsense in its streams", .run = nonsense,
	  .look = look_at_client_of_streams },
	{ "a service that stops amid its streams", .run = stops,
	  .look = look_at_client_of_streams },
	{ "a service that dies amid its streams", .run = dies,
	  .look = look_at_client_of_streams },
	{ 0 },
};
