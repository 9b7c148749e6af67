// SPDX-License-Identifier: MIT
/*
 * comeback server | comeback client: programs that outlive their bus, with ipc_set_reconnect(). The
 * client checks that the end of the bus is reported once. test-comeback kills the daemon.
 *
 * A client prints "ready N" when 100 calls have succeeded on its Nth bus, and continues to call.
 */
#define _GNU_SOURCE
#include <errno.h>
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

/* The first daemon may not be listening yet. */
static struct ipc *open_first(ipc_reconnect_cb cb, void *userdata)
{
	struct ipc *ipc;
	int r;

	while ((r = ipc_open(&ipc, NULL)) == -ENOENT || r == -ECONNREFUSED)
		usleep(PAUSE_USEC);
	if (r == 0)
		r = ipc_set_reconnect(ipc, cb, userdata, /* ret_cell= */ NULL);
	if (r < 0)
		give_up("open the bus", r);
	return ipc;
}

/* --- Server ------------------------------------------------------------------------ */

/* Replies with the received number plus 1. */
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

static int register_when_possible(struct ipc *ipc, struct ipc_object *object)
{
	int r;

	do {
		r = ipc_wait_manager(NULL, IPC_NEVER);
		if (r > 0)
			r = ipc_register_name(ipc, NAME, object, /* ret_cell= */ NULL);
	} while (r == -ENOTCONN);
	return r;
}

static void server(void)
{
	static const struct ipc_raw_ops ops = { .interface = "test.Comeback", .serve = serve };
	struct ipc *ipc = open_first(/* cb= */ NULL, /* userdata= */ NULL);
	struct ipc_object *object = NULL;
	int r = ipc_set_threads(ipc, 4);

	if (r == 0)
		r = ipc_raw_object_new(ipc, &ops, /* userdata= */ NULL, &object);
	if (r == 0)
		r = register_when_possible(ipc, object);
	if (r == 0)
		r = ipc_run(ipc);
	give_up("serve", r);
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
		give_up("the reply belongs to another call", -EPROTO);
	return 0;
}

struct user {
	unsigned int bus;		/* number of the bus, from 1 */
	unsigned int ends;
	int deaths;			/* on this bus */
	uint64_t n;			/* calls on this bus */
};

/* The client has no serving thread, so this runs inside its calls. */
static void on_bus(struct ipc *ipc, enum ipc_bus_event event, void *userdata)
{
	struct user *user = userdata;

	(void)ipc;
	if (event == IPC_BUS_DOWN) {
		user->ends++;
		return;
	}
	if (user->ends != user->bus || user->deaths != 1) {
		fprintf(stderr, "%u ends of %u buses and %d deaths were reported\n", user->ends,
			user->bus, user->deaths);
		exit(1);
	}
	user->bus++;
	user->n = 0;
	user->deaths = 0;
}

static void call_next(struct user *user, struct ipc_proxy *proxy)
{
	int r = call(proxy, user->n);

	if (r == -ECONNRESET || r == -ENOTCONN || r == -ENOENT) {
		usleep(PAUSE_USEC);
		return;
	}
	/* A watch ends with its bus, so each bus needs a new watch. */
	if (r == 0 && user->n == 0)
		r = ipc_proxy_on_death(proxy, on_death, &user->deaths, /* ret_cell= */ NULL);
	if (r < 0 && r != -ECONNRESET)
		give_up("call", r);
	if (++user->n == ENOUGH) {
		printf("ready %u\n", user->bus);
		fflush(stdout);
	}
}

static void client(void)
{
	struct user user = { .bus = 1 };
	struct ipc *ipc = open_first(on_bus, &user);
	struct ipc_proxy *proxy;
	int r;

	r = ipc_proxy_wait(ipc, NAME, NULL, TIMEOUT_USEC, &proxy);
	if (r < 0)
		give_up("find " NAME, r);
	for (;;)
		call_next(&user, proxy);
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
