// SPDX-License-Identifier: MIT
/*
 * D-Bus by systemd's sd-bus, with the two processes connected directly and through dbus-broker. The
 * request is an array of bytes, the reply a number. The library chooses the signatures in headers
 * and matches. Credentials are not requested.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define NAME	  "org.example.Bench"
#define PATH	  "/org/example/Bench"
#define NAME_SIZE 32

/**
 * struct dbus_state - state of the client or of the server
 * @bus: the connection
 * @fd: of a direct connection: [0] the client's end, [1] the server's
 * @controller: the connection that controls dbus-broker, which ends with it
 * @name: of dbus-broker's socket, which is abstract
 */
struct dbus_state {
	sd_bus *bus;
	int fd[2];
	sd_bus *controller;
	char name[NAME_SIZE];
};

static int put(sd_bus_message *request, void *userdata, sd_bus_error *error)
{
	const void *payload;
	size_t size;
	int r;

	(void)userdata;
	(void)error;
	r = sd_bus_message_read_array(request, 'y', &payload, &size);
	return r < 0 ? r : sd_bus_reply_method_return(request, "u", (uint32_t)size);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Put", "ay", "u", put, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int serve(struct bench_case *c)
{
	struct dbus_state *s = c->state;
	int r;

	r = sd_bus_add_object_vtable(s->bus, NULL, PATH, NAME, vtable, NULL);
	if (r >= 0)
		r = bench_ready(c);
	while (r >= 0) {
		r = sd_bus_process(s->bus, NULL);
		if (r == 0)
			r = sd_bus_wait(s->bus, UINT64_MAX);
	}
	return r;
}

static int dbus_round(struct bench_case *c, const char *destination)
{
	struct dbus_state *s = c->state;
	sd_bus_message *request = NULL, *reply = NULL;
	uint32_t number = 0;
	int r;

	r = sd_bus_message_new_method_call(s->bus, &request, destination, PATH, NAME, "Put");
	if (r >= 0)
		r = sd_bus_message_append_array(request, 'y', c->request, c->size);
	if (r >= 0)
		r = sd_bus_call(s->bus, request, 0, NULL, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "u", &number);
	sd_bus_message_unref(request);
	sd_bus_message_unref(reply);
	if (r < 0)
		return r;
	return number == c->size ? 0 : -EPROTO;
}

/* Some functions of sd-bus return a positive number on success. */
static int start(sd_bus *bus)
{
	int r = sd_bus_start(bus);

	return r < 0 ? r : 0;
}

/* --- Directly -------------------------------------------------------------------------- */

static int direct_create(struct bench_case *c)
{
	struct dbus_state *s = c->state;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s->fd) < 0)
		return -errno;
	return 0;
}

static int direct_start(struct dbus_state *s, bool server)
{
	static const sd_id128_t id =
		SD_ID128_MAKE(12, 34, 56, 78, 9a, bc, de, f0, 12, 34, 56, 78, 9a, bc, de, f1);
	int r;

	r = sd_bus_new(&s->bus);
	if (r >= 0)
		r = sd_bus_set_fd(s->bus, s->fd[server], s->fd[server]);
	if (r >= 0 && server)
		r = sd_bus_set_server(s->bus, true, id);
	return r < 0 ? r : start(s->bus);
}

static int direct_serve(struct bench_case *c)
{
	int r = direct_start(c->state, true);

	return r < 0 ? r : serve(c);
}

static int direct_connect(struct bench_case *c)
{
	return direct_start(c->state, false);
}

static int direct_round(struct bench_case *c)
{
	return dbus_round(c, NULL);
}

/* --- Through dbus-broker ------------------------------------------------------------------ */

static const char *broker_program(void)
{
	const char *path = getenv("DBUS_BROKER");

	return path ? path : "/usr/bin/dbus-broker";
}

static bool broker_exists(void)
{
	return access(broker_program(), X_OK) == 0;
}

static int listen_as(char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	snprintf(name, NAME_SIZE, "ipcbus-bench-%d", getpid());
	strcpy(address.sun_path + 1, name);
	if (bind(fd, (struct sockaddr *)&address,
		 offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)) < 0 ||
	    listen(fd, BENCH_MAX_BESIDE) < 0)
		return -errno;
	return fd;
}

/* Starts dbus-broker. Its command line has an fd for its controller. */
static int broker_start(struct bench_case *c, int *ret_controller)
{
	const char *program = broker_program();
	char controller[16];
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
		return -errno;
	c->daemon = fork();
	if (c->daemon < 0)
		return -errno;
	if (c->daemon == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fcntl(fd[1], F_SETFD, 0);
		snprintf(controller, sizeof(controller), "%d", fd[1]);
		execl(program, program, "--controller", controller, "--machine-id",
		      "123456789abcdef0123456789abcdef1", "--max-bytes", "1000000000", "--max-fds",
		      "1000", "--max-matches", "1000", "--max-objects", "100000", NULL);
		_exit(127);
	}
	close(fd[1]);
	*ret_controller = fd[0];
	return 0;
}

/* Passes the listening socket to it, and a policy that allows everything. */
static int broker_listen(sd_bus *controller, int listener)
{
	static const uint64_t first = 1, no_fds = 0, most = UINT64_MAX;
	sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(controller, &m, NULL, "/org/bus1/DBus/Broker",
					   "org.bus1.DBus.Broker", "AddListener");
	if (r >= 0)
		r = sd_bus_message_append(m, "ohv", "/org/bus1/DBus/Listener/0", listener,
					  "(a(u(bta(btbs)a(btssssuutt)a(btssssuutt)))"
					  "a(buu(bta(btbs)a(btssssuutt)a(btssssuutt)))a(ss)bs)",
					  1, UINT32_MAX, true, first, 1, true, first, true, "", 1,
					  true, first, "", "", "", "", 0, 0, no_fds, most, 1, true,
					  first, "", "", "", "", 0, 0, no_fds, most, 0, 0, false,
					  "user");
	if (r >= 0)
		r = sd_bus_call(controller, m, 0, NULL, NULL);
	sd_bus_message_unref(m);
	return r;
}

static int broker_create(struct bench_case *c)
{
	struct dbus_state *s = c->state;
	int listener, controller = -1, r;

	listener = listen_as(s->name);
	r = listener < 0 ? listener : broker_start(c, &controller);
	if (r >= 0)
		r = sd_bus_new(&s->controller);
	if (r >= 0)
		r = sd_bus_set_fd(s->controller, controller, controller);
	if (r >= 0)
		r = sd_bus_start(s->controller);
	if (r >= 0)
		r = broker_listen(s->controller, listener);
	if (listener >= 0)
		close(listener);
	return r < 0 ? bench_fail("start dbus-broker", r) : 0;
}

static int broker_connect(struct bench_case *c)
{
	struct dbus_state *s = c->state;
	char address[NAME_SIZE + sizeof("unix:abstract=")];
	int r;

	snprintf(address, sizeof(address), "unix:abstract=%s", s->name);
	r = sd_bus_new(&s->bus);
	if (r >= 0)
		r = sd_bus_set_address(s->bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(s->bus, true);
	return r < 0 ? r : start(s->bus);
}

static int broker_serve(struct bench_case *c)
{
	struct dbus_state *s = c->state;
	int r = broker_connect(c);

	if (r >= 0)
		r = sd_bus_request_name(s->bus, NAME, 0);
	return r < 0 ? r : serve(c);
}

static int broker_round(struct bench_case *c)
{
	return dbus_round(c, NAME);
}

const struct bench_transport bench_dbus_direct = {
	.name = "sd-bus",
	.call = "typed",
	.state_size = sizeof(struct dbus_state),
	.create = direct_create,
	.serve = direct_serve,
	.connect = direct_connect,
	.round = direct_round,
};

const struct bench_transport bench_dbus_broker = {
	.name = "dbus-broker",
	.call = "typed",
	.state_size = sizeof(struct dbus_state),
	.many = true,
	.exists = broker_exists,
	.create = broker_create,
	.serve = broker_serve,
	.connect = broker_connect,
	.round = broker_round,
};
