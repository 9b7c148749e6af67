// SPDX-License-Identifier: MIT
/*
 * Attacks on clients by hostile services. The client calls Mallory's service, with a timeout,
 * and an honest service in turn.
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

#define ROUNDS	12
#define LIMIT	UINT64_C(50000)

/* Limits untrusted replies, and thus the memory for unpacking, up to 64 times as much. */
#define REPLY_MAX	((size_t)512 << 10)

/* --- The victim ------------------------------------------------------------------------ */

/* Returns whether the error may come only from the bus. A limit and an end may be true. */
static bool is_forged(int r)
{
	return r == -EHOSTDOWN || r == -ECANCELED || r == -ECHILD;
}

static void ask_mallory(struct server *mallory)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	E2e__NewCounterReply *counter = NULL;
	E2e__OpenReply *opened = NULL;
	E2e__SayReply *said = NULL;
	int r;

	request.text = (char *)"hello";
	r = server_say(mallory, &request, &said, &error);
	if (is_forged(r) || (r == -EOWNERDEAD && error.origin != IPC_ORIGIN_BUS))
		succeeded("a client took a service's error for the bus's: %s", ipc_strerror(r));
	if (r == 0)
		server_say_reply_free(said);
	if (server_new_counter(mallory, &counter, NULL) == 0)
		server_new_counter_reply_free(counter);
	if (server_open(mallory, &request, &opened, NULL) == 0)
		server_open_reply_free(opened);
}

/* Receives a parcel from Mallory and reads its size. */
static void weigh_parcel(struct ipc_proxy *proxy)
{
	struct counter *counter = counter_from_proxy(ipc_proxy_ref(proxy));
	E2e__Parcel request = E2E__PARCEL__INIT, *reply = NULL;
	unsigned int sum = 0;

	if (counter_copy(counter, &request, &reply, NULL) == 0) {
		for (size_t i = 0; i < reply->data.len; i += 4096)
			sum += reply->data.data[i];
		counter_copy_reply_free(reply);
	}
	counter_unref(counter);
	(void)sum;
}

static int be_a_client(void *data)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct server *honest;
	struct ipc *ipc;
	size_t before = peak_kib();

	(void)data;
	ipc = connect_bus();
	must(ipc_set_message_max(ipc, REPLY_MAX) == 0, "a limit on replies");
	honest = server_from_proxy(find(ipc, SERVICE));
	request.text = (char *)"all well";
	for (int i = 0; i < ROUNDS; i++) {
		struct ipc_proxy *proxy = NULL;
		E2e__SayReply *reply = NULL;

		ipc_set_timeout(ipc, LIMIT);
		if (ipc_proxy_get(ipc, HIS, NULL, &proxy) == 0) {
			struct server *mallory = server_from_proxy(ipc_proxy_ref(proxy));

			ask_mallory(mallory);
			weigh_parcel(proxy);
			server_unref(mallory);
			ipc_proxy_unref(proxy);
		}
		ipc_set_timeout(ipc, 5000000);
		if (server_say(honest, &request, &reply, NULL) < 0 ||
		    strcmp(reply->text, "all well"))
			succeeded("an honest service's reply did not reach a client of both");
		server_say_reply_free(reply);
	}
	if (peak_kib() > before + (64 * REPLY_MAX + IPC_REGION_DEFAULT) / 1024 + 4096)
		succeeded("a client grew by %zu MiB", (peak_kib() - before) / 1024);
	server_unref(honest);
	ipc_unref(ipc);
	return 0;
}

static void look_at_client(void)
{
	/* Four calls per round, each within its limit, plus time for a busy machine. */
	int r = run_as(ALICE, be_a_client, NULL, ROUNDS * 4 * LIMIT / 1000 + 5000);

	if (r)
		succeeded("a client %s", r == -1 ? "hung" : "crashed");
}

/* --- Mallory's services ------------------------------------------------------------------ */

static void serve_as(int (*serve)(struct ipc_call *, const struct ipc_raw_message *, void *))
{
	struct ipc *ipc = connect_bus();

	offer_his(ipc, "e2e.Server", serve);
	begun();
	ipc_run(ipc);
}

static int reply_bytes(struct ipc_call *call, const void *data, size_t size)
{
	const struct ipc_raw_message reply = { .data = data, .size = size };

	return ipc_raw_reply(call, &reply);
}

static int serve_noise(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	uint8_t data[300];
	size_t size = random_below(sizeof(data));

	(void)request, (void)userdata;
	for (size_t i = 0; i < size; i++)
		data[i] = random_below(random_below(3) ? 32 : 256);
	if (random_below(3) == 0)
		return ipc_raw_fail(call, 1 + random_below(200), data, size);
	return reply_bytes(call, data, size);
}

static void noise(unsigned int index)
{
	(void)index;
	serve_as(serve_noise);
}

static int serve_never(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)request, (void)userdata;
	ipc_call_ref(call);
	return 0;
}

static void never(unsigned int index)
{
	(void)index;
	serve_as(serve_never);
}

/* The errors that come only from the bus. */
static int serve_forged(struct ipc_call *call, const struct ipc_raw_message *request,
			void *userdata)
{
	static const int codes[] = { EOWNERDEAD, EHOSTDOWN, ECANCELED, ECHILD, 0, INT32_MAX,
				     INT32_MIN, 4095, 100000 };
	static unsigned int next;

	(void)request, (void)userdata;
	return ipc_raw_fail(call, codes[next++ % (sizeof(codes) / sizeof(*codes))], NULL, 0);
}

static void forged(unsigned int index)
{
	(void)index;
	serve_as(serve_forged);
}

static int serve_large(struct ipc_call *call, const struct ipc_raw_message *request,
		       void *userdata)
{
	static char data[6 << 20];
	size_t size = random_below(3) ? REPLY_MAX : sizeof(data);
	int r;

	(void)request, (void)userdata;
	memset(data, random_below(2) ? 0x0a : 'x', sizeof(data));
	r = random_below(2) ? ipc_raw_fail(call, EREMOTEIO, data, size) :
			      reply_bytes(call, data, size);
	/* If the reply does not fit, sends an empty one. */
	return r < 0 ? reply_bytes(call, NULL, 0) : r;
}

static void large(unsigned int index)
{
	(void)index;
	serve_as(serve_large);
}

/* Unrequested objects and files, in some fields. */
static int serve_entries(struct ipc_call *call, const struct ipc_raw_message *request,
			 void *userdata)
{
	static struct ipc_object *object;
	static const struct ipc_raw_ops ops = { .serve = serve_noise };
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];
	const struct ipc_raw_message reply = {
		.data = "\x0a\x09\x09\x03\0\0\0\0\0\0\0", .size = 11,
		.entries = entries, .n_entries = IPC_RAW_ENTRIES_MAX,
	};

	(void)request;
	if (!object)
		must(ipc_raw_object_new(userdata, &ops, NULL, &object) == 0, "an object");
	for (int i = 0; i < IPC_RAW_ENTRIES_MAX; i++) {
		entries[i] = (struct ipc_raw_entry){ .tag = i % 7 };
		if (random_below(2)) {
			entries[i].type = IPC_RAW_OBJECT;
			entries[i].object = object;
		} else {
			entries[i].type = IPC_RAW_FD;
			entries[i].fd = 0;
		}
	}
	/* Files are refused by clients that do not accept them. */
	return ipc_raw_reply(call, &reply) == 0 ? 0 : serve_noise(call, request, userdata);
}

static void entries(unsigned int index)
{
	(void)index;
	serve_as(serve_entries);
}

static int serve_holes(struct ipc_call *call, const struct ipc_raw_message *request,
		       void *userdata)
{
	static int fd = -1;
	/* A frame header that claims that the payload is in a file. */
	static const uint32_t header[4] = { 7, 300 << 20, 0, 1 };
	struct ipc_raw_entry entry = { .tag = IPC_RAW_FILE_TAG, .type = IPC_RAW_FD };
	struct ipc_raw_message reply = {
		.data = header, .size = sizeof(header), .entries = &entry, .n_entries = 1,
	};

	(void)request, (void)userdata;
	if (fd < 0) {
		fd = memfd_create("holes", MFD_ALLOW_SEALING);
		must(fd >= 0 && ftruncate(fd, 300 << 20) == 0 &&
		     fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) == 0,
		     "a memory file");
	}
	entry.fd = fd;
	return ipc_raw_reply(call, &reply);
}

static void holes(unsigned int index)
{
	(void)index;
	serve_as(serve_holes);
}

static int serve_dying(struct ipc_call *call, const struct ipc_raw_message *request,
		       void *userdata)
{
	(void)call, (void)request, (void)userdata;
	raise(SIGKILL);
	return 0;
}

/* Dies during each call, and restarts. */
static void dying(unsigned int index)
{
	(void)index;
	begun();
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			serve_as(serve_dying);
			_exit(0);
		}
		must(waitpid(pid, NULL, 0) == pid, "a child");
	}
}

/* Replies twice, and after the client has given up. */
static int serve_late(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	static struct ipc_call *old;

	(void)request, (void)userdata;
	if (old) {
		reply_bytes(old, "\x0a\x03old", 5);
		reply_bytes(old, "\x0a\x03old", 5);
		ipc_call_unref(old);
	}
	old = ipc_call_ref(call);
	return 0;
}

static void late(unsigned int index)
{
	(void)index;
	serve_as(serve_late);
}

const struct attack client_attacks[] = {
	{ "a service that replies with noise", .run = noise, .look = look_at_client },
	{ "a service that never replies", .run = never, .look = look_at_client },
	{ "a service that forges errors of the bus", .run = forged, .look = look_at_client },
	{ "a service with the largest replies there are", .run = large, .look = look_at_client },
	{ "a service that sends objects and files unasked", .run = entries, .look = look_at_client },
	{ "a service that sends files of holes", .run = holes, .look = look_at_client },
	{ "a service that dies over each call", .run = dying, .look = look_at_client },
	{ "a service that replies late and twice", .run = late, .look = look_at_client },
	{ 0 },
};
