// SPDX-License-Identifier: MIT
/*
 * Calls through ipc-gateway, from grpc.c's client and from a program on the bus over a link of two
 * gateways on the same bus. The server is typed.c's handler under a name, so a service manager must
 * run. The gateway is found relative to this program's folder, as in the build.
 */
#include "bench.h"
#include "grpc.h"
#include "typed.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME	    "bench.sink"
#define LINKED_NAME "bench.linked"
#define SOCKET	    "/tmp/bench-gateway"
#define ADDRESS	    "unix:" SOCKET
#define WAIT_USEC   20000000

/**
 * struct link_state - the client's end
 * @ipc: the connection
 * @sink: the object over the link
 */
struct link_state {
	struct ipc *ipc;
	struct sink *sink;
};

static const char *gateway_program(void)
{
	return bench_program("gateway/ipc-gateway");
}

static bool gateway_exists(void)
{
	return access(gateway_program(), X_OK) == 0;
}

/* --- The server --------------------------------------------------------------------------- */

static int gateway_serve(struct bench_case *c)
{
	struct ipc *ipc;
	int r;

	r = ipc_open(&ipc, NULL);
	if (r == 0)
		r = sink_register(ipc, NAME, &bench_sink_ops, NULL);
	if (r < 0)
		return bench_fail("register " NAME " (does a service manager run?)", r);
	r = bench_ready(c);
	return r < 0 ? r : ipc_run(ipc);
}

/* --- Clients -------------------------------------------------------------------------------- */

/* Starts a gateway, which ends with this process. Its log on standard error matters only if it
 * fails. */
static int start(const char *option, const char *what, const char *listen)
{
	const pid_t parent = getpid();
	const char *program = gateway_program();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || !freopen("/dev/null", "w", stderr))
			_exit(127);
		execl(program, program, option, what, listen ? "--listen" : NULL, listen, NULL);
		_exit(127);
	}
	return 0;
}

/* A gateway listens before it is ready, and the first calls wait for that. */
static int wait_socket(void)
{
	for (int i = 0; i < WAIT_USEC / 1000; i++) {
		if (access(SOCKET, F_OK) == 0)
			return 0;
		usleep(1000);
	}
	return bench_fail("start ipc-gateway", -ETIMEDOUT);
}

static int gateway_connect(struct bench_case *c)
{
	struct grpc_state *s = c->state;
	int r;

	unlink(SOCKET);
	r = start("--export", NAME, ADDRESS);
	if (r == 0)
		r = wait_socket();
	if (r < 0)
		return r;
	snprintf(s->address, sizeof(s->address), "%s", ADDRESS);
	return bench_grpc_connect(c);
}

static int link_connect(struct bench_case *c)
{
	struct link_state *s = c->state;
	int r;

	unlink(SOCKET);
	r = start("--share", NAME, ADDRESS);
	if (r == 0)
		r = wait_socket();
	if (r == 0)
		r = start("--link", LINKED_NAME "=" NAME "@" ADDRESS, NULL);
	if (r == 0)
		r = ipc_open(&s->ipc, NULL);
	if (r == 0)
		r = sink_wait(s->ipc, LINKED_NAME, WAIT_USEC, &s->sink);
	return r < 0 ? bench_fail("find " LINKED_NAME, r) : 0;
}

static int link_round(struct bench_case *c)
{
	struct link_state *s = c->state;

	return bench_sink_round(s->sink, c);
}

static const struct bench_transport bench_gateway = {
	.name = "gateway",
	.call = "typed",
	.state_size = sizeof(struct grpc_state),
	.exists = gateway_exists,
	.serve = gateway_serve,
	.connect = gateway_connect,
	.round = bench_grpc_round,
};

static const struct bench_transport bench_link = {
	.name = "link",
	.call = "typed",
	.state_size = sizeof(struct link_state),
	.exists = gateway_exists,
	.serve = gateway_serve,
	.connect = link_connect,
	.round = link_round,
};

/* The transports of bench-gateway. */
const struct bench_transport *const bench_transports[] = {
	&bench_grpc,
	&bench_gateway,
	&bench_link,
	NULL,
};
