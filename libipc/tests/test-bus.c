// SPDX-License-Identifier: MIT
/*
 * The bus that ipc_find_bus() finds, and the message of a program that cannot open it. A folder of
 * this test replaces the user's runtime folder. Buses of this machine, /dev/ipcbus or a daemon for
 * all users, may exist or not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake-device.h"
#include "test-run.h"

#include <ipc/ipc.h>

static char folder[] = "/tmp/test-bus.XXXXXX";
static char bus[sizeof(folder) + 16];
static char *path;
static enum ipc_bus_kind kind;
static enum ipc_bus_reason reason;

static void begin(void)
{
	char sub[sizeof(folder) + 8];

	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(sub, sizeof(sub), "%s/ipcbus", folder);
	snprintf(bus, sizeof(bus), "%s/bus", sub);
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	ck_assert_int_eq(unsetenv("IPCBUS_BUS"), 0);
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
	path = NULL;
}

static void end(void)
{
	char sub[sizeof(folder) + 8];

	free(path);
	unlink(bus);
	snprintf(sub, sizeof(sub), "%s/ipcbus", folder);
	rmdir(sub);
	rmdir(folder);
}

static void listen_at(const char *at)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	strcpy(address.sun_path, at);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void finds(const char *device, const char *where, enum ipc_bus_kind what,
		  enum ipc_bus_reason why)
{
	free(path);
	path = NULL;
	ck_assert_int_eq(ipc_find_bus(device, &path, &kind, &reason), 0);
	ck_assert_str_eq(path, where);
	ck_assert_int_eq(kind, what);
	ck_assert_int_eq(reason, why);
}

START_TEST(named_bus_is_used)
{
	char name[300] = "";

	begin();
	finds("/dev/null", "/dev/null", IPC_BUS_DEVICE, IPC_BUS_BY_ARGUMENT);
	finds(folder, folder, IPC_BUS_UNKNOWN, IPC_BUS_BY_ARGUMENT);
	finds("/nowhere/bus", "/nowhere/bus", IPC_BUS_NONE, IPC_BUS_BY_ARGUMENT);
	finds("/dev/null/bus", "/dev/null/bus", IPC_BUS_NONE, IPC_BUS_BY_ARGUMENT);
	/* The path is too long for a check. */
	memset(name, 'x', sizeof(name) - 1);
	finds(name, name, IPC_BUS_UNKNOWN, IPC_BUS_BY_ARGUMENT);
	listen_at(bus);
	finds(bus, bus, IPC_BUS_DAEMON, IPC_BUS_BY_ARGUMENT);

	/* Even if it does not exist: the library never chooses another bus than the named bus. */
	setenv("IPCBUS_BUS", "/nowhere/bus", 1);
	finds(NULL, "/nowhere/bus", IPC_BUS_NONE, IPC_BUS_BY_ENVIRONMENT);
	finds(bus, bus, IPC_BUS_DAEMON, IPC_BUS_BY_ARGUMENT);
	setenv("IPCBUS_BUS", bus, 1);
	finds(NULL, bus, IPC_BUS_DAEMON, IPC_BUS_BY_ENVIRONMENT);
	end();
}
END_TEST

START_TEST(device_precedes_daemons)
{
	begin();
	if (!access("/dev/ipcbus", F_OK)) {
		listen_at(bus);
		finds(NULL, "/dev/ipcbus", IPC_BUS_DEVICE, IPC_BUS_BY_DEVICE);
		end();
		return;
	}
	if (!access("/run/ipcbus/bus", F_OK))
		finds(NULL, "/run/ipcbus/bus", IPC_BUS_DAEMON, IPC_BUS_BY_SYSTEM_DAEMON);
	else
		finds(NULL, "/dev/ipcbus", IPC_BUS_NONE, IPC_BUS_NOT_FOUND);
	listen_at(bus);
	finds(NULL, bus, IPC_BUS_DAEMON, IPC_BUS_BY_USER_DAEMON);
	setenv("IPCBUS_BUS", "", 1);
	finds(NULL, bus, IPC_BUS_DAEMON, IPC_BUS_BY_USER_DAEMON);
	end();
}
END_TEST

START_TEST(only_the_path_is_needed)
{
	begin();
	ck_assert_int_eq(ipc_find_bus("/x", &path, NULL, NULL), 0);
	ck_assert_str_eq(path, "/x");
	ck_assert_int_eq(ipc_find_bus("/x", NULL, &kind, &reason), -EINVAL);
	end();
}
END_TEST

/* Returns the output of ipc_print_open_error(); the caller frees it. */
static char *printed(const char *device)
{
	FILE *before = stderr;
	char *text = NULL;
	size_t size;

	stderr = open_memstream(&text, &size);
	ck_assert_int_eq(ipc_print_open_error(device, -EACCES), 1);
	fclose(stderr);
	stderr = before;
	return text;
}

static void is_printed(const char *device, const char *bus_and_reason)
{
	char *line = printed(device), expected[256];

	snprintf(expected, sizeof(expected), "cannot open the bus %s: its permissions do not let "
		 "this user open it; see ipcctl doctor\n", bus_and_reason);
	ck_assert_str_eq(line, expected);
	free(line);
}

START_TEST(error_lists_the_tried_buses)
{
	begin();
	is_printed("/some/where", "/some/where");
	setenv("IPCBUS_BUS", "/some/where/else", 1);
	is_printed(NULL, "/some/where/else, which IPCBUS_BUS names");
	unsetenv("IPCBUS_BUS");
	/* The kernel's bus, or a daemon for all users, would take precedence. */
	if (access("/dev/ipcbus", F_OK)) {
		listen_at(bus);
		is_printed(NULL, bus);
		unlink(bus);
		if (access("/run/ipcbus/bus", F_OK))
			is_printed(NULL, "/dev/ipcbus, and no ipcbusd was found");
	}
	end();
}
END_TEST

START_TEST(the_hint_names_the_bus_of_the_program)
{
	static const char named[] = "cannot open the bus /some/where, which IPCBUS_BUS names: there is no "
				    "bus; start it: ipcbusd --bus /some/where";
	char text[IPC_ERROR_TEXT_MAX];

	setenv("IPCBUS_BUS", "/some/where", 1);
	ck_assert_str_eq(ipc_open_error_text(text, sizeof(text), NULL, -ENOENT), named);
	unsetenv("IPCBUS_BUS");
	ck_assert_str_eq(ipc_open_error_text(text, sizeof(text), "/x", -ECONNREFUSED),
			 "cannot open the bus /x: no daemon runs the bus: it has ended; start it: "
			 "ipcbusd --bus /x");
	ipc_open_error_text(text, sizeof(text), "/dev/ipcbus", -ENOENT);
	ck_assert_ptr_nonnull(strstr(text, "; start ipcbusd, or load the driver: modprobe ipcbus"));
}
END_TEST

/* Not the meaning for a call: an object, a receiver or a message. */
START_TEST(texts_are_about_opening)
{
	static const char *const of_calls[] = {
		"object", "receiver", "message", "the call", "this side", "the server", "such name",
	};
	char text[IPC_ERROR_TEXT_MAX], *meaning;

	for (int code = 1; code < 134; code++) {
		/* The system's text. */
		if (code == ENAMETOOLONG || code == EBADMSG || code == ENOMSG || code == EMSGSIZE ||
		    !strerrorname_np(code))
			continue;
		ipc_open_error_text(text, sizeof(text), "/x", -code);
		meaning = strchr(text, ':');
		for (size_t i = 0; i < sizeof(of_calls) / sizeof(of_calls[0]); i++)
			ck_assert_msg(!strstr(meaning, of_calls[i]), "%s", text);
	}
	ipc_open_error_text(text, sizeof(text), "/x", -ENOSPC);
	ck_assert_ptr_nonnull(strstr(text, "ipcbusd, or the system, has reached a limit"));
	ipc_open_error_text(text, sizeof(text), "/x", -EIO);
	ck_assert_str_eq(text, "cannot open the bus /x: Input/output error; see ipcctl doctor");
}
END_TEST

START_TEST(a_connection_knows_the_features_of_its_bus)
{
	uint64_t features = 0;
	struct ipc *ipc;
	uint32_t version = 0;

	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_features(ipc, &version, &features), 0);
	ck_assert_uint_eq(version, IPCBUS_VERSION);
	ck_assert_uint_eq(features, IPCBUS_FEATURE_LABEL);
	ck_assert_int_eq(ipc_get_features(NULL, &version, &features), -EINVAL);
	ck_assert_int_eq(ipc_get_features(ipc, NULL, &features), -EINVAL);
	ck_assert_int_eq(ipc_get_features(ipc, &version, NULL), -EINVAL);
	ipc_unref(ipc);
}
END_TEST

int main(void)
{
	return RUN_TESTS("bus", named_bus_is_used, device_precedes_daemons, only_the_path_is_needed,
			 error_lists_the_tried_buses, the_hint_names_the_bus_of_the_program,
			 texts_are_about_opening,
			 a_connection_knows_the_features_of_its_bus);
}
