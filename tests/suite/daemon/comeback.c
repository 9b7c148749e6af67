// SPDX-License-Identifier: MIT
/*
 * comeback server | comeback client: programs that outlive their bus. When the daemon ends, they
 * open the bus again, the server registers its name again, and the client finds it again. Each
 * checks how libipc says so. test-comeback kills the daemon.
 *
 * A client prints "ready N" when 100 calls have succeeded on its Nth bus, and goes on calling.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/ipc.h>
#include <ipc/raw.h>

#define NAME	     "test.comeback"
#define ENOUGH	     100
#define PAUSE_USEC   20000
#define TIMEOUT_USEC 20000000

static void give_up(const char *what, int r)
{
	exit(ipc_print_error(what, r, NULL));
}

/* Nobody listens, or nobody does any more, or the daemon was killed while it said hello. */
static bool may_come(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -ECONNRESET;
}

static struct ipc *open_again(void)
{
	struct ipc *ipc;
	int r;

	while ((r = ipc_open(&ipc, NULL)) < 0) {
		if (!may_come(r))
			give_up("open the bus", r);
		usleep(PAUSE_USEC);
	}
	return ipc;
}

/* --- Server ------------------------------------------------------------------------ */

/* The number that came, and one more. */
static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct ipc_raw_message reply = { .size = sizeof(uint64_t) };
	uint64_t number;

	(void)userdata;
	if (request->size != sizeof(number))
		return ipc_call_fail(call, EINVAL, NULL, NULL);
	memcpy(&number, request->data, sizeof(number));
	number++;
	reply.data = &number;
	return ipc_raw_reply(call, &reply);
}

/* 0, or an error after which there may be another bus. */
static int serve_on(struct ipc *ipc, struct ipc_object *object)
{
	int r;

	do {
		r = ipc_wait_manager(NULL, IPC_NEVER);
		if (r >= 0)
			r = ipc_register_name(ipc, NAME, object, /* ret_slot= */ NULL);
	} while (r == -ENOTCONN);
	return r < 0 ? r : ipc_run(ipc);
}

static void server(void)
{
	static const struct ipc_raw_ops ops = { .interface = "test.Comeback", .serve = serve };

	for (;;) {
		ipc_auto(ipc_unref) struct ipc *ipc = open_again();
		ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
		int r = ipc_set_threads(ipc, 4);

		if (r == 0)
			r = ipc_raw_object_new(ipc, &ops, /* userdata= */ NULL, &object);
		if (r == 0)
			r = serve_on(ipc, object);
		if (!may_come(r))
			give_up("serve", r);
	}
}

/* --- Client ------------------------------------------------------------------------ */

static void on_death(struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	++*(int *)userdata;
}

static int call(struct ipc_proxy *proxy, uint64_t number)
{
	ipc_auto(ipc_raw_free) struct ipc_raw_message *reply = NULL;
	struct ipc_raw_message request = { .data = &number, .size = sizeof(number) };
	uint64_t result;
	int r;

	r = ipc_raw_call(proxy, &request, /* options= */ NULL, &reply, /* error= */ NULL);
	if (r < 0)
		return r;
	memcpy(&result, reply->data, sizeof(result));
	if (reply->size != sizeof(result) || result != number + 1)
		give_up("the reply is another one's", -EPROTO);
	return 0;
}

/* Once the bus has ended, all on it are dead, which is reported once, and nothing works. */
static void check_end(struct ipc *ipc, struct ipc_proxy *proxy, const int *deaths)
{
	struct ipc_proxy *other;
	int r;

	r = ipc_process(ipc);
	if (r != -ECONNRESET)
		give_up("serve after the end", r < 0 ? r : -EPROTO);
	if (*deaths != 1 || ipc_process(ipc) != -ECONNRESET || *deaths != 1) {
		fprintf(stderr, "%d deaths were reported, not 1\n", *deaths);
		exit(1);
	}
	r = call(proxy, 1);
	if (r != -ECONNRESET)
		give_up("call after the end", r < 0 ? r : -EPROTO);
	r = ipc_proxy_get(ipc, NAME, NULL, &other);
	if (r != -ECONNRESET)
		give_up("find after the end", r < 0 ? r : -EPROTO);
}

static int find(struct ipc *ipc, struct ipc_proxy **ret_proxy)
{
	int r;

	do {
		r = ipc_wait_manager(NULL, TIMEOUT_USEC);
		if (r == 0)
			r = -ETIMEDOUT;
		if (r >= 0)
			r = ipc_proxy_wait(ipc, NAME, NULL, TIMEOUT_USEC, ret_proxy);
	} while (r == -ENOTCONN);
	return r;
}

static int use(struct ipc *ipc, unsigned int bus)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	int deaths = 0, r;

	r = find(ipc, &proxy);
	if (r == 0)
		r = ipc_proxy_on_death(proxy, on_death, &deaths, /* ret_slot= */ NULL);
	if (r < 0)
		return r;
	for (uint64_t n = 0; r == 0; n++) {
		r = call(proxy, n);
		if (n + 1 == ENOUGH) {
			printf("ready %u\n", bus);
			fflush(stdout);
		}
	}
	if (r == -ECONNRESET)
		check_end(ipc, proxy, &deaths);
	return r;
}

static void client(void)
{
	for (unsigned int bus = 1;; bus++) {
		ipc_auto(ipc_unref) struct ipc *ipc = open_again();
		int r = use(ipc, bus);

		if (!may_come(r))
			give_up("call", r);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "server"))
		server();
	if (argc == 2 && !strcmp(argv[1], "client"))
		client();
	fputs("usage: comeback server|client\n", stderr);
	return 2;
}
