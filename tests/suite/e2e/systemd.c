// SPDX-License-Identifier: MIT
/*
 * A stand-in for systemd and the system bus; see systemd.h. Each connection is served by a separate
 * process, which also plays the bus: it replies to Hello and AddMatch.
 */
#define _GNU_SOURCE
#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "systemd.h"

#define SYSTEMD ":1.0"		/* its name on the bus */
#define STRANGER ":1.7"		/* another process's name */
#define JOB "/org/freedesktop/systemd1/job/7"

static atomic_uint *starts;
static char *const *program;
static char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
static pid_t server;

static int reply_with(sd_bus_message *call, const char *type, const char *text)
{
	sd_bus_message *reply;
	int r = sd_bus_message_new_method_return(call, &reply);

	if (r < 0)
		return r;
	sd_bus_message_set_sender(reply, SYSTEMD);
	if (*type)
		sd_bus_message_append(reply, type, text);
	r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

static void job_removed(sd_bus_message *call, const char *sender, const char *unit,
			const char *result)
{
	sd_bus *bus = sd_bus_message_get_bus(call);
	sd_bus_message *signal;

	sd_bus_message_new_signal(bus, &signal, "/org/freedesktop/systemd1",
				  "org.freedesktop.systemd1.Manager", "JobRemoved");
	sd_bus_message_set_sender(signal, sender);
	sd_bus_message_append(signal, "uoss", 7, JOB, unit, result);
	sd_bus_send(bus, signal, NULL);
	sd_bus_message_unref(signal);
}

static void run_program(void)
{
	if (fork() == 0) {
		execv(program[0], program);
		_exit(127);
	}
}

static int start_unit(sd_bus_message *call)
{
	unsigned int n = atomic_fetch_add(starts, 1);
	const char *unit, *result = "done";

	if (sd_bus_message_read(call, "s", &unit) < 0)
		return -1;
	if (!strcmp(unit, "rude.service"))
		_exit(0);
	if (!strcmp(unit, "denied.service"))
		return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_ACCESS_DENIED,
						  "Permission denied");

	if (!strcmp(unit, "failing.service") || (!strcmp(unit, "mended.service") && n == 0))
		result = "failed";
	else if (!strcmp(unit, "good.service") || !strcmp(unit, "mended.service"))
		run_program();
	else if (strcmp(unit, "silent.service"))
		return sd_bus_reply_method_errorf(call, "org.freedesktop.systemd1.NoSuchUnit",
						  "Unit %s not found.", unit);

	reply_with(call, "o", JOB);
	if (!strcmp(unit, "failing.service"))
		job_removed(call, STRANGER, unit, "done");
	job_removed(call, SYSTEMD, unit, result);
	return 1;
}

static int on_message(sd_bus_message *m, void *unused, sd_bus_error *error)
{
	(void)unused, (void)error;
	if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus", "Hello"))
		return reply_with(m, "s", ":1.1");
	if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus", NULL))
		return reply_with(m, "", NULL);
	if (sd_bus_message_is_method_call(m, "org.freedesktop.systemd1.Manager", "StartUnit"))
		return start_unit(m);

	return 0;
}

static int serve_connection(int fd)
{
	sd_id128_t id = { .qwords = { 1, 2 } };
	sd_bus *bus;
	int r;

	if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
	    sd_bus_set_server(bus, 1, id) < 0 || sd_bus_start(bus) < 0 ||
	    sd_bus_add_filter(bus, NULL, on_message, NULL) < 0)
		return 1;

	do {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	} while (r >= 0);
	return 0;
}

static void serve(int listener)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(serve_connection(fd));
		}
		close(fd);
	}
}

void systemd_start(char *const *argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char bus[sizeof(socket_path) + 16];

	snprintf(socket_path, sizeof(socket_path), "/tmp/systemd.%d", getpid());
	strcpy(address.sun_path, socket_path);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	snprintf(bus, sizeof(bus), "unix:path=%s", socket_path);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", bus, /* overwrite= */ 1);

	starts = mmap(NULL, sizeof(*starts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ck_assert_ptr_ne(starts, MAP_FAILED);
	program = argv;
	server = fork();
	ck_assert_int_ge(server, 0);
	if (!server)
		serve(listener);
	close(listener);
}

void systemd_stop(void)
{
	ck_assert_int_eq(kill(server, SIGKILL), 0);
	ck_assert_int_eq(waitpid(server, NULL, 0), server);
	unlink(socket_path);
}

unsigned int systemd_starts(void)
{
	return atomic_load(starts);
}
