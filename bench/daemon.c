// SPDX-License-Identifier: MIT
/*
 * ipcbus without a module: the bus belongs to ipcbusd, which is beside this program or in $IPCBUSD.
 * Raw calls use libipc's byte layer, because programs have no other way to a daemon. Stubs are
 * those of typed.c.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ipc/ipc.h>
#include <ipc/raw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

#define CODE 1

/**
 * struct daemon_state - state of the client or of the server
 * @ipc: the connection
 * @proxy: the client's proxy
 */
struct daemon_state {
	struct ipc *ipc;
	struct ipc_proxy *proxy;
};

static const char *daemon_program(void)
{
	const char *path = getenv("IPCBUSD");

	return path ? path : bench_program("daemon/ipcbusd");
}

bool bench_daemon_exists(void)
{
	return access(daemon_program(), X_OK) == 0;
}

int bench_daemon_start(struct bench_case *c)
{
	const char *folder = getenv("TMPDIR");
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bench-ipcbusd", folder ? folder : "/tmp");
	setenv("IPCBUS_BUS", path, 1);
	setenv("IPC_CHANNELS", "0", 1);
	unlink(path);
	c->daemon = fork();
	if (c->daemon < 0)
		return -errno;
	if (!c->daemon) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* With --print-path it prints nothing about its start. */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		execl(daemon_program(), "ipcbusd", "--bus", path, "--print-path=1", NULL);
		_exit(127);
	}
	for (int i = 0; i < 5000; i++) {
		if (ipc_wait_manager(path, 0) == 0)
			return 0;
		usleep(1000);
	}
	return bench_fail("start ipcbusd (is it beside this program?)", -ETIMEDOUT);
}

int bench_channels_start(struct bench_case *c)
{
	int r = bench_daemon_start(c);

	setenv("IPC_CHANNELS", "1", 1);
	return r;
}

static int serve_call(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	static const uint8_t data[BENCH_REPLY_SIZE];
	struct ipc_raw_message reply = { .data = data, .size = sizeof(data) };

	(void)request;
	bench_spin(((struct bench_case *)userdata)->work);
	return ipc_raw_reply(call, &reply);
}

static int daemon_serve(struct bench_case *c)
{
	static const struct ipc_raw_ops ops = { .serve = serve_call };
	struct daemon_state *s = c->state;
	struct ipc_object *object;
	int r;

	r = ipc_open(&s->ipc, NULL);
	if (r < 0)
		return bench_fail("connect to ipcbusd", r);
	r = ipc_raw_object_new(s->ipc, &ops, c, &object);
	if (r < 0)
		return r;
	r = ipc_set_manager(s->ipc, object);
	if (r < 0)
		return bench_fail("become handle 0", r);
	if (c->beside && c->beside->threads)
		r = ipc_set_threads(s->ipc, c->beside->threads);
	if (r == 0)
		r = bench_ready(c);
	return r < 0 ? r : ipc_run(s->ipc);
}

static int daemon_connect(struct bench_case *c)
{
	struct daemon_state *s = c->state;
	int r = ipc_open(&s->ipc, NULL);

	return r < 0 ? bench_fail("connect to ipcbusd", r) : ipc_get_manager(s->ipc, &s->proxy);
}

static int daemon_round(struct bench_case *c)
{
	struct daemon_state *s = c->state;
	struct ipc_raw_message request = { .method = CODE, .data = c->request, .size = c->size };
	struct ipc_raw_message *reply;
	int r;

	r = ipc_raw_call(s->proxy, &request, NULL, &reply, NULL);
	if (r < 0)
		return r;
	r = reply->size == BENCH_REPLY_SIZE ? 0 : -EPROTO;
	ipc_raw_free(reply);
	return r;
}

const struct bench_transport bench_daemon = {
	.name = "ipcbusd",
	.call = "call",
	.state_size = sizeof(struct daemon_state),
	.has_beside = true,
	.many = true,
	.threads = true,
	.exists = bench_daemon_exists,
	.create = bench_daemon_start,
	.serve = daemon_serve,
	.connect = daemon_connect,
	.round = daemon_round,
};

/* As bench_ipcbusd, through direct channels. */
const struct bench_transport bench_channels = {
	.name = "channels",
	.call = "call",
	.state_size = sizeof(struct daemon_state),
	.has_beside = true,
	.many = true,
	.threads = true,
	.exists = bench_daemon_exists,
	.create = bench_channels_start,
	.serve = daemon_serve,
	.connect = daemon_connect,
	.round = daemon_round,
};
