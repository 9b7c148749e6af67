// SPDX-License-Identifier: MIT
/*
 * Attacks on a service by hostile clients. The service is carefully written: it limits its
 * requests, and reads no more bytes than it needs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

/* --- The victim ----------------------------------------------------------------------- */

static int say(struct ipc_call *call, const E2e__SayRequest *request, void *userdata)
{
	E2e__SayReply reply = E2E__SAY_REPLY__INIT;

	(void)userdata;
	reply.text = request->text;
	return server_reply_say(call, &reply);
}

static int bounce(struct ipc_call *call, const E2e__BounceRequest *request, void *userdata)
{
	E2e__BounceReply reply = E2E__BOUNCE_REPLY__INIT;

	(void)userdata;
	reply.object = request->object;
	return server_reply_bounce(call, &reply);
}

static int grow(struct ipc_call *call, const E2e__Tree *request, void *userdata)
{
	(void)userdata;
	return server_reply_grow(call, request);
}

static int log_number(struct ipc_call *call, const E2e__LogRequest *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	return 0;
}

static int add(struct ipc_call *call, const E2e__AddRequest *request, void *userdata)
{
	E2e__AddReply reply = E2E__ADD_REPLY__INIT;

	(void)userdata;
	reply.sum = request->number;
	return counter_reply_add(call, &reply);
}

static int new_counter(struct ipc_call *call, void *userdata)
{
	static const struct counter_ops ops = { .add = add };
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	E2e__NewCounterReply reply = E2E__NEW_COUNTER_REPLY__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	int r;

	(void)userdata;
	r = counter_object_new(ipc_call_ipc(call), &ops, NULL, NULL, &object);
	if (r == 0)
		r = ipc_object_id(object, &id.id);
	if (r < 0)
		return r;
	reply.counter = &id;
	return server_reply_new_counter(call, &reply);
}

/* Sums one byte of each page. */
static int weigh(struct ipc_call *call, const E2e__Parcel *parcel, void *userdata)
{
	E2e__AddReply reply = E2E__ADD_REPLY__INIT;

	(void)userdata;
	for (size_t i = 0; i < parcel->data.len; i += 4096)
		reply.sum += parcel->data.data[i];
	return counter_reply_weigh(call, &reply);
}

static int dump(struct ipc_call *call, int fd, char *const *args, size_t n_args, void *userdata)
{
	(void)call, (void)args, (void)n_args, (void)userdata;
	return dprintf(fd, "all well\n") < 0 ? -errno : 0;
}

static const struct server_ops service_ops = {
	.say = say, .bounce = bounce, .grow = grow, .log = log_number, .new_counter = new_counter,
};
static const struct counter_ops counter_ops = { .add = add, .weigh = weigh };

void serve_victim(void)
{
	static const struct ipc_object_limits limits = {
		.size = sizeof(limits), .message_size = 64 << 10,
	};
	struct ipc *ipc = connect_bus();
	struct ipc_object *service, *counter;

	must(server_object_new(ipc, &service_ops, NULL, NULL, &service) == 0 &&
	     counter_object_new(ipc, &counter_ops, NULL, NULL, &counter) == 0 &&
	     ipc_object_set_limits(service, &limits) == 0 &&
	     ipc_object_set_limits(counter, &limits) == 0 &&
	     ipc_object_set_dump(service, dump) == 0 &&
	     ipc_register_name(ipc, SERVICE, service, NULL) == 0 &&
	     ipc_register_name(ipc, COUNTER, counter, NULL) == 0 &&
	     offer_streams(ipc) == 0, "a service");
	begun();
	ipc_run(ipc);
	_exit(1);
}

/* --- Invalid messages ------------------------------------------------------------------- */

static uint32_t any_code(void)
{
	if (random_below(4) == 0)
		return IPC_NUMBER_BUILTIN + random_below(6);
	return server_interface.methods[random_below(server_interface.n_methods)].number;
}

static void noise(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);
	uint8_t data[200];

	(void)index;
	for (;;) {
		struct ipc_raw_message message = { .method = any_code(), .data = data };

		message.size = random_below(sizeof(data));
		for (size_t i = 0; i < message.size; i++)
			data[i] = random_below(random_below(3) ? 32 : 256);
		if (random_below(4))
			ipc_raw_call(proxy, &message, NULL, NULL, NULL);
		else
			ipc_raw_oneway(proxy, &message, NULL);
		begun();
	}
}

/* A tree of trees: each level is a field of the level above. */
static void deep(unsigned int index)
{
	static uint8_t data[60000];
	uint8_t *at = data + sizeof(data);
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);

	(void)index;
	while (at - data > 8)
		at = wrap(at, data + sizeof(data), 1);
	for (;;) {
		if (call_bytes(proxy, code_of(&server_interface, "Grow"), at,
			       data + sizeof(data) - at) == 0)
			succeeded("a tree of 15,000 levels was accepted");
		begun();
	}
}

/* Every two bytes become a structure. */
static void many_small(unsigned int index)
{
	size_t size = 4 << 20;
	uint8_t *data = malloc(size);
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);

	(void)index;
	must(data, "memory");
	for (size_t i = 0; i < size; i += 2)
		memcpy(data + i, "\x0a\x00", 2);
	for (;;) {
		if (call_bytes(proxy, code_of(&server_interface, "Grow"), data, size) == 0)
			succeeded("a tree of two million branches was accepted");
		begun();
	}
}

static void claimed_objects(unsigned int index)
{
	E2e__BounceRequest request = E2E__BOUNCE_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);
	uint8_t data[32];

	(void)index;
	request.object = &id;
	for (uint64_t guess = 1;; guess = guess * 2 + random_below(2)) {
		id.id = guess;
		if (call_bytes(proxy, code_of(&server_interface, "Bounce"), data,
			       e2e__bounce_request__pack(&request, data)) == 0 && guess)
			succeeded("the service's object %llu was handed out",
				  (unsigned long long)guess);
		begun();
	}
}

static void metadata(unsigned int index)
{
	static const char *strings[20001];
	const struct ipc_options options = { .metadata = strings };
	struct ipc_raw_message message = { .method = code_of(&server_interface, "Say") };
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);

	(void)index;
	for (int i = 0; i < 20000; i++)
		strings[i] = "\033[31m$(id)";
	for (;;) {
		ipc_raw_call(proxy, &message, &options, NULL, NULL);
		begun();
	}
}

/* --- Excess of valid requests ------------------------------------------------------------ */

static void oneways(unsigned int index)
{
	struct ipc_raw_message message = { .method = code_of(&server_interface, "Log") };
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);

	(void)index;
	for (;;) {
		ipc_raw_oneway(proxy, &message, NULL);
		begun();
	}
}

static void calls(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);

	(void)index;
	for (;;) {
		call_bytes(proxy, IPC_NUMBER_DESCRIBE, NULL, 0);
		begun();
	}
}

static void ignore(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	(void)result, (void)reply, (void)error, (void)userdata;
}

/* Always queues as many as possible: other calls wait for one of them at a time. */
static void waiting_calls(unsigned int index)
{
	struct ipc_raw_message message = { .method = code_of(&server_interface, "Say") };
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);
	uint8_t data[32];

	(void)index;
	request.text = (char *)"and again";
	message.size = e2e__say_request__pack(&request, data);
	message.data = data;
	for (;;) {
		if (ipc_raw_call_async(proxy, &message, NULL, ignore, NULL, NULL) == 0)
			continue;
		begun();
		while (ipc_process(ipc) > 0)
			;
	}
}

/* Stopped with many open calls, and never takes their replies. */
static void never_collected(unsigned int index)
{
	struct ipc_raw_message message = { .method = IPC_NUMBER_DESCRIBE };
	struct ipc *ipc = NULL;
	struct ipc_proxy *proxy;

	(void)index;
	must(ipc_open_sized(&ipc, NULL, 64 << 10) == 0, "a small connection");
	proxy = find(ipc, SERVICE);
	for (int i = 0; i < 2000; i++)
		if (ipc_raw_call_async(proxy, &message, NULL, ignore, NULL, NULL) < 0)
			break;
	begun();
	raise(SIGSTOP);
}

static void large(unsigned int index)
{
	size_t size = 6 << 20;
	void *data = calloc(1, size);
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);

	(void)index;
	must(data, "memory");
	for (;;) {
		call_bytes(proxy, code_of(&server_interface, "Say"), data, size);
		begun();
	}
}

/* Replies for which the region has no space. Those with bytes are sent as files. */
static void no_space_for_replies(unsigned int index)
{
	static char text[60000];
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct ipc *ipc;
	struct server *server;
	E2e__SayReply *reply;

	(void)index;
	must(ipc_open_sized(&ipc, NULL, 4096) == 0, "a tiny connection");
	server = server_from_proxy(find(ipc, SERVICE));
	memset(text, 'x', sizeof(text) - 1);
	request.text = text;
	for (;;) {
		if (server_say(server, &request, &reply, NULL) == 0)
			server_say_reply_free(reply);
		begun();
	}
}

static void many_clients(unsigned int index)
{
	(void)index;
	for (int i = 0; i < 100; i++) {
		struct ipc *ipc = connect_bus();

		must(call_bytes(find(ipc, SERVICE), IPC_NUMBER_PING, NULL, 0) == 0, "a ping");
	}
	begun();
}

/* --- Ends and times ------------------------------------------------------------------------ */

static void dies(unsigned int index)
{
	(void)index;
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			struct ipc_raw_message message = { .method = code_of(&server_interface, "NewCounter") };
			struct ipc *ipc = connect_bus();
			struct ipc_proxy *proxy = find(ipc, SERVICE);

			for (int i = 0; i < 20; i++)
				ipc_raw_call_async(proxy, &message, NULL, ignore, NULL, NULL);
			raise(SIGKILL);
		}
		must(waitpid(pid, NULL, 0) == pid, "a child");
		begun();
	}
}

static void cancels(unsigned int index)
{
	struct ipc_raw_message message = { .method = code_of(&server_interface, "Say") };
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);

	(void)index;
	for (;;) {
		struct ipc_options options = { .timeout_usec = 1 + random_below(200) };
		struct ipc_options ended = { 0 };

		must(ipc_cancellation_new(ipc, &ended.cancellation) == 0, "a cancellation");
		ipc_raw_call(proxy, &message, &options, NULL, NULL);
		ipc_raw_call_async(proxy, &message, &ended, ignore, NULL, NULL);
		ipc_cancel(ended.cancellation);
		ipc_cancellation_unref(ended.cancellation);
		while (ipc_process(ipc) > 0)
			;
		begun();
	}
}

/* --- Files ----------------------------------------------------------------------------------- */

static int call_with_file(struct ipc_proxy *proxy, uint32_t code, const void *data, size_t size,
			  uint64_t tag, int fd)
{
	struct ipc_raw_entry entry = { .tag = tag, .type = IPC_RAW_FD, .fd = fd };
	const struct ipc_raw_message message = {
		.method = code, .data = data, .size = size, .entries = &entry, .n_entries = 1,
	};

	return ipc_raw_call(proxy, &message, NULL, NULL, NULL);
}

static void files(unsigned int index)
{
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];
	const struct ipc_raw_message message = {
		.method = code_of(&server_interface, "Say"),
		.entries = entries, .n_entries = IPC_RAW_ENTRIES_MAX,
	};
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);

	(void)index;
	for (int i = 0; i < IPC_RAW_ENTRIES_MAX; i++)
		entries[i] = (struct ipc_raw_entry){ .tag = 1, .type = IPC_RAW_FD, .fd = 0 };
	for (;;) {
		ipc_raw_call(proxy, &message, NULL, NULL, NULL);
		begun();
	}
}

/* Pipes that are never read, closed or full, and special files. */
static void dumped(unsigned int index)
{
	Ipc__DumpRequest request = IPC__DUMP_REQUEST__INIT;
	Ipc__Fd fd = IPC__FD__INIT;
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);
	int pipes[2][2], zero = open("/dev/zero", O_RDONLY);
	uint8_t data[32];
	size_t size;

	(void)index;
	must(pipe(pipes[0]) == 0 && pipe2(pipes[1], O_NONBLOCK) == 0 && zero >= 0, "files");
	close(pipes[0][0]);
	while (write(pipes[1][1], data, sizeof(data)) > 0)
		;
	fcntl(pipes[1][1], F_SETFL, 0);
	fd.fd = 1;
	request.fd = &fd;
	size = ipc__dump_request__pack(&request, data);
	for (;;) {
		const int all[] = { pipes[0][1], pipes[1][1], zero };

		for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
			call_with_file(proxy, IPC_NUMBER_DUMP, data, size, 1, all[i]);
		begun();
	}
}

static int sealed_file(off_t size, unsigned int seals)
{
	int fd = memfd_create("hostile", MFD_ALLOW_SEALING);

	must(fd >= 0 && ftruncate(fd, size) == 0 &&
	     (!seals || fcntl(fd, F_ADD_SEALS, seals) == 0), "a memory file");
	return fd;
}

static int call_with_payload(struct ipc_proxy *proxy, uint64_t claimed, int fd)
{
	/* A frame header that claims that the payload is in the file. */
	const uint32_t header[4] = { 7, (uint32_t)claimed, 0, 1 };

	return call_with_file(proxy, code_of(&counter_interface, "Weigh"), (const uint8_t *)header,
			      sizeof(header), IPC_RAW_FILE_TAG, fd);
}

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* Files with holes, which would allocate memory when they are read. */
static void sparse_files(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, COUNTER);

	(void)index;
	for (;;) {
		int huge = sealed_file((off_t)1 << 40, SEALS), big = sealed_file(200 << 20, SEALS);

		if (call_with_payload(proxy, UINT32_MAX, huge) == 0)
			succeeded("a message of 4 GiB was accepted");
		call_with_payload(proxy, UINT64_C(1) << 30, huge);
		if (call_with_payload(proxy, 200 << 20, big) == 0)
			succeeded("a file of 200 MiB without a byte was read");
		close(huge);
		close(big);
		begun();
	}
}

/* A file that is truncated while it is read. */
static void cut_files(unsigned int index)
{
	int fd = sealed_file(1 << 20, 0);
	struct ipc *ipc;

	(void)index;
	if (!fork())
		for (;;)
			must(ftruncate(fd, 0) == 0 && ftruncate(fd, 1 << 20) == 0, "a cut");
	ipc = connect_bus();
	for (struct ipc_proxy *proxy = find(ipc, COUNTER);;) {
		if (call_with_payload(proxy, 1 << 20, fd) == 0)
			succeeded("a file that can change was accepted");
		begun();
	}
}

const struct attack service_attacks[] = {
	{ "noise to every method", .run = noise },
	{ "messages of 15,000 levels", .run = deep },
	{ "messages of two million parts", .run = many_small },
	{ "objects that did not come", .run = claimed_objects },
	{ "20,000 strings of metadata", .run = metadata },
	{ "a flood of oneways", .run = oneways, .processes = 4 },
	{ "a flood of calls", .run = calls, .processes = 4 },
	{ "as many calls as may wait", .run = waiting_calls, .processes = 2 },
	{ "replies that are never taken", .run = never_collected, .processes = 2 },
	{ "the largest messages there are", .run = large, .processes = 2 },
	{ "replies without space", .run = no_space_for_replies },
	{ "a hundred connections", .run = many_clients },
	{ "callers that die", .run = dies, .processes = 2 },
	{ "calls that are canceled", .run = cancels, .processes = 2 },
	{ "64 files in each call", .run = files, .processes = 2 },
	{ "dumps to files that are never read", .run = dumped },
	{ "files of holes", .run = sparse_files },
	{ "files that change", .run = cut_files },
	{ 0 },
};
