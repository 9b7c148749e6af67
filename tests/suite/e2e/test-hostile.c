// SPDX-License-Identifier: MIT
/*
 * A peer that keeps to no rule, against a server of generated code: whatever
 * it sends is replied to with an error, and the server goes on as if nothing had
 * been. It speaks bytes: <ipc/raw.h>.
 */
#include <errno.h>
#include <ipc/raw.h>
#include <ipc/rpc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static const struct server_options one_thread = { .threads = 1 };
static struct ipc *ipc;
static struct ipc_proxy *proxy;
static pid_t pid;

static uint32_t code_of(const char *name)
{
	for (size_t i = 0; i < server_interface.n_methods; i++)
		if (!strcmp(server_interface.methods[i].name, name))
			return server_interface.methods[i].code;
	ck_abort_msg("no method %s", name);
	return 0;
}

static void begin(void)
{
	pid = start_server(&one_thread);
	ck_assert_int_eq(ipc_open_sized(&ipc, NULL, 1 << 20), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
}

/* The well-behaved still get their replies. */
static void end(void)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	E2e__SayReply *reply;
	struct client client;

	client_open(&client);
	request.text = "all well";
	ck_assert_int_eq(server_say(client.server, &request, &reply, NULL), 0);
	ck_assert_str_eq(reply->text, "all well");
	server_say_reply_free(reply);
	ck_assert_int_eq(server_stop(client.server, NULL), 0);
	ck_assert_int_eq(wait_server(pid), 0);
	client_close(&client);
	proxy = ipc_proxy_unref(proxy);
	ipc = ipc_unref(ipc);
}

/* What the call ends with: 0 for a reply, or the error. */
static int call(uint32_t code, const void *data, size_t size, struct ipc_raw_entry *entries,
		size_t n_entries)
{
	const struct ipc_raw_message request = {
		.code = code,
		.flags = IPC_RAW_ACCEPT_FDS,
		.data = data,
		.size = size,
		.entries = entries,
		.n_entries = n_entries,
	};

	return ipc_raw_call(proxy, &request, NULL, NULL, NULL);
}

static void oneway(uint32_t code, const void *data, size_t size)
{
	const struct ipc_raw_message message = { .code = code, .data = data, .size = size };

	ck_assert_int_eq(ipc_raw_oneway(proxy, &message, NULL), 0);
}

START_TEST(noise_to_every_method)
{
	uint8_t data[100];

	begin();
	srand(1);
	for (int round = 0; round < 3000; round++) {
		const struct ipc_method *method =
			&server_interface.methods[(size_t)rand() % server_interface.n_methods];
		size_t size = (size_t)rand() % sizeof(data);

		/* Those that end or block the server when they understand it. */
		if (!strcmp(method->name, "Stop") || !strcmp(method->name, "Die") ||
		    !strcmp(method->name, "Meet") || !strcmp(method->name, "Later") ||
		    !strcmp(method->name, "Log") || !strcmp(method->name, "Hang"))
			continue;
		for (size_t i = 0; i < size; i++)
			data[i] = (uint8_t)(rand() % 3 ? rand() % 64 : rand());
		if (rand() % 4)
			call(method->code, data, size, NULL, 0);
		else
			oneway(method->code, data, size);
	}
	end();
}
END_TEST

START_TEST(truncated_requests)
{
	E2e__FailRequest request = E2E__FAIL_REQUEST__INIT;
	uint8_t data[100];
	size_t size;

	begin();
	request.name = "some.Name";
	request.text = "and some text";
	size = e2e__fail_request__pack(&request, data);
	ck_assert_int_eq(call(code_of("Fail"), data, size, NULL, 0), -EREMOTEIO);
	for (size_t n = 1; n < size; n++) {
		int r = call(code_of("Fail"), data, n, NULL, 0);

		/* Cut between two fields it is a request still. */
		ck_assert(r == -EBADMSG || r == -EREMOTEIO);
	}
	end();
}
END_TEST

START_TEST(methods_that_are_none)
{
	begin();
	ck_assert_int_eq(call(0, NULL, 0, NULL, 0), -EOPNOTSUPP);
	ck_assert_int_eq(call(UINT32_MAX, NULL, 0, NULL, 0), -EOPNOTSUPP);
	ck_assert_int_eq(call(code_of("Say") + 1, NULL, 0, NULL, 0), -EOPNOTSUPP);
	ck_assert_int_eq(call(IPC_CODE_BUILTIN + 99, NULL, 0, NULL, 0), -EOPNOTSUPP);
	oneway(12345, "abc", 3);
	end();
}
END_TEST

START_TEST(calls_and_oneways_mixed_up)
{
	begin();
	ck_assert_int_eq(call(code_of("Log"), NULL, 0, NULL, 0), -EPROTO);
	for (int i = 0; i < 100; i++)
		oneway(code_of("Say"), NULL, 0);
	oneway(code_of("Die"), NULL, 0);
	end();
}
END_TEST

START_TEST(too_deep)
{
	static uint8_t data[300000];
	uint8_t *at = data + sizeof(data);
	int r = 0;

	begin();
	for (int depth = 0; depth < 50000; depth++) {
		size_t inner = (size_t)(data + sizeof(data) - at);
		uint8_t prefix[6];
		size_t n = 0;

		if (depth == 100)
			r = call(code_of("Grow"), at, inner, NULL, 0);
		prefix[n++] = 1 << 3 | 2;
		for (; inner > 127; inner >>= 7)
			prefix[n++] = (uint8_t)(inner | 0x80);
		prefix[n++] = (uint8_t)inner;
		at -= n;
		memcpy(at, prefix, n);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(call(code_of("Grow"), at, (size_t)(data + sizeof(data) - at), NULL, 0),
			 -EBADMSG);
	end();
}
END_TEST

static int never(struct ipc_call *served, const struct ipc_raw_message *request, void *userdata)
{
	(void)request, (void)userdata;
	return ipc_call_errno(served, EIO, NULL);
}

/* Objects that the payload does not name, and names of what was not sent. */
START_TEST(objects_that_do_not_match)
{
	static const struct ipc_raw_ops ops = { .serve = never };
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];
	E2e__VisitRequest request = E2E__VISIT_REQUEST__INIT;
	E2e__ReadRequest read_request = E2E__READ_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	Ipc__Fd fd = IPC__FD__INIT;
	struct ipc_object *own;
	uint8_t data[100];
	size_t size;

	begin();
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, &own), 0);
	for (int i = 0; i < IPC_RAW_ENTRIES_MAX; i++) {
		entries[i].tag = (uint64_t)i + 1;
		entries[i].type = i % 2 ? IPC_RAW_OBJECT : IPC_RAW_FD;
		if (i % 2)
			entries[i].object = own;
		else
			entries[i].fd = STDIN_FILENO;
	}

	/* Nothing in the payload, and a method that takes no objects at all. */
	ck_assert_int_eq(call(code_of("Visit"), NULL, 0, entries, IPC_RAW_ENTRIES_MAX), -EINVAL);
	ck_assert_int_eq(call(code_of("Say"), NULL, 0, entries, IPC_RAW_ENTRIES_MAX), 0);
	ck_assert_int_eq(call(4711, NULL, 0, entries, IPC_RAW_ENTRIES_MAX), -EOPNOTSUPP);

	request.visitor = &id;
	for (uint64_t tag = 1; tag < 10; tag++) {
		id.id = tag;
		size = e2e__visit_request__pack(&request, data);
		/* Odd tags are files'. */
		ck_assert_int_eq(call(code_of("Visit"), data, size, entries, 8),
				 tag % 2 || tag > 8 ? -EBADMSG : 0);
		ck_assert_int_eq(call(code_of("Visit"), data, size, NULL, 0), -EBADMSG);
	}
	/* The server's own numbers do not name its own objects. */
	for (uint64_t guess = 1; guess < 50; guess++) {
		id.id = guess;
		size = e2e__visit_request__pack(&request, data);
		ck_assert_int_eq(call(code_of("Visit"), data, size, NULL, 0), -EBADMSG);
	}
	/* Nor its own files: what Read reads must have been sent. */
	read_request.fd = &fd;
	for (fd.fd = -1; fd.fd < 20; fd.fd++) {
		size = e2e__read_request__pack(&read_request, data);
		ck_assert_int_eq(call(code_of("Read"), data, size, NULL, 0), -EBADMSG);
	}
	ipc_object_unref(own);
	end();
}
END_TEST

/* As many as the server may have open: it is not left without. */
START_TEST(files_without_end)
{
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];

	begin();
	for (int i = 0; i < IPC_RAW_ENTRIES_MAX; i++)
		entries[i] = (struct ipc_raw_entry){ .tag = 1, .type = IPC_RAW_FD, .fd = 0 };
	for (int round = 0; round < 100; round++)
		ck_assert_int_eq(call(code_of("Say"), "\xff", 1, entries, IPC_RAW_ENTRIES_MAX),
				 -EBADMSG);
	end();
}
END_TEST

/* --- A server that keeps to no rule --------------------------------------------------- */

struct bad_reply {
	bool is_error;
	const void *data;
	size_t size;
	int expect;
};

/* Every call gets what the test says. */
static int reply_badly(struct ipc_call *served, const struct ipc_raw_message *request,
		       void *userdata)
{
	const struct bad_reply *bad = userdata;
	const struct ipc_raw_message reply = { .data = bad->data, .size = bad->size };

	(void)request;
	if (bad->is_error)
		return ipc_raw_error(served, EREMOTEIO, bad->data, bad->size);
	return ipc_raw_reply(served, &reply);
}

static void bad_server(struct bad_reply *bad)
{
	static const struct ipc_raw_ops ops = {
		.flags = IPC_RAW_ACCEPT_FDS, .serve = reply_badly,
	};
	struct ipc_object *object;

	if (ipc_open_sized(&ipc, NULL, 1 << 20) < 0 ||
	    ipc_raw_object_new(ipc, &ops, bad, &object) < 0 || ipc_set_manager(ipc, object) < 0)
		_exit(2);
	ipc_run(ipc);
	_exit(3);
}

static void call_bad_server(struct bad_reply bad)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	E2e__NewCounterReply *reply = NULL;
	struct client client;
	int r = -ENOTCONN;

	pid = fork();
	if (!pid)
		bad_server(&bad);
	client_open(&client);
	for (int i = 0; r == -ENOTCONN && i < 1000; i++) {
		r = server_new_counter(client.server, &reply, &error);
		if (r == -ENOTCONN)
			sleep_ms(5);
	}
	ck_assert_int_eq(r, bad.expect);
	ck_assert((r == 0) == (reply != NULL));
	server_new_counter_reply_free(reply);
	/* What was said before the server came stays where nothing failed since. */
	if (r < 0)
		ck_assert_int_eq(error.code, r);
	client_close(&client);
	kill_server(pid);
}

START_TEST(replies_that_are_none)
{
	call_bad_server((struct bad_reply){ false, "\xff\xff\xff", 3, -EBADMSG });
	/* An object that did not come. */
	call_bad_server((struct bad_reply){ false, "\x0a\x09\x09\x03\0\0\0\0\0\0\0", 11,
					    -EBADMSG });
	call_bad_server((struct bad_reply){ true, "\xff\xff\xff", 3, -EREMOTEIO });
}
END_TEST

/* The client has the default region. It unpacks nothing: three million fields take 300 MiB. */
START_TEST(replies_that_are_too_large)
{
	static char noise[6 << 20];

	for (size_t i = 0; i < sizeof(noise); i += 2)
		noise[i] = 15 << 3;
	call_bad_server((struct bad_reply){ false, noise, sizeof(noise), -EMSGSIZE });
	call_bad_server((struct bad_reply){ false, noise, 1024, 0 });
}
END_TEST

int main(void)
{
	return RUN_TESTS("hostile", noise_to_every_method, truncated_requests,
			 methods_that_are_none, calls_and_oneways_mixed_up, too_deep,
			 objects_that_do_not_match, files_without_end, replies_that_are_none,
			 replies_that_are_too_large);
}
