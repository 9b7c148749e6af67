// SPDX-License-Identifier: MIT
/*
 * Attacks on ipcctl, run by root: services with texts and replies that try to affect root's
 * terminal, shell or time. The command runs on its own terminal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

/* --- Root ----------------------------------------------------------------------------------- */

#define OUTPUT_MAX (1 << 20)
/* A query takes at most a second. The rest is for a machine ten times slower than usual. */
#define LIMIT_MS   40000

static char output[OUTPUT_MAX + 1];

/*
 * Returns the offset of the first unprintable byte: a control character, a character that changes
 * text direction or is invisible, or invalid UTF-8. -1: none. The terminal turns newlines into two
 * characters, and ipcctl top may begin by clearing the screen.
 */
static long unprintable(const unsigned char *text, size_t size)
{
	static const char clear[] = "\033[H\033[2J";
	size_t i = size >= sizeof(clear) && !memcmp(text, clear, sizeof(clear) - 1) ?
			   sizeof(clear) - 1 : 0;

	while (i < size) {
		uint32_t c = text[i], n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

		if (c >= 0x80 && (c < 0xc2 || c > 0xf4 || i + n > size))
			return i;
		c &= n == 1 ? 0x7f : 0x7f >> n;
		for (uint32_t k = 1; k < n; k++) {
			if ((text[i + k] & 0xc0) != 0x80)
				return i;
			c = c << 6 | (text[i + k] & 0x3f);
		}
		if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || (c >= 0x7f && c < 0xa0) ||
		    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
		    (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x061c)
			return i;
		i += n;
	}
	return -1;
}

/* Reads the output until the terminal is closed. Returns the size, or -1 after a timeout. */
static long read_output(int terminal)
{
	uint64_t end = clock_ms() + LIMIT_MS;
	size_t size = 0;

	for (;;) {
		struct pollfd p = { terminal, POLLIN, 0 };
		ssize_t n;

		if (clock_ms() >= end || poll(&p, 1, end - clock_ms()) == 0)
			return -1;
		n = read(terminal, output + size, OUTPUT_MAX - size);
		if (n <= 0)
			break;
		size += n;
		/* The beginning of endless output suffices. */
		if (size == OUTPUT_MAX)
			size = OUTPUT_MAX / 2;
	}
	output[size] = '\0';
	return size;
}

/* Runs "ipcctl ARGUMENTS", a line for the shell, on a terminal. */
static void ctl(const char *arguments)
{
	int terminal, status = 0;
	char line[256];
	long size, at;
	pid_t pid;

	snprintf(line, sizeof(line), "exec tools/ipcctl %s", arguments);
	pid = forkpty(&terminal, NULL, NULL, NULL);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("NO_COLOR", "1", 1);
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(127);
	}
	if (pid < 0) {
		broken("a terminal");
		return;
	}
	size = read_output(terminal);
	if (size < 0) {
		succeeded("ipcctl %s did not end within %d ms", arguments, LIMIT_MS);
		kill(pid, SIGKILL);
	}
	waitpid(pid, &status, 0);
	close(terminal);
	if (size < 0)
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 20)
		succeeded("ipcctl %s ended with status %#x", arguments, status);
	at = unprintable((unsigned char *)output, size);
	if (at >= 0)
		succeeded("ipcctl %s printed byte %#x at %ld", arguments,
			  (unsigned char)output[at], at);
}

/* The output must show the honest service, despite the attack. */
static void ctl_shows(const char *what, const char *arguments)
{
	ctl(arguments);
	if (!strstr(output, what))
		succeeded("ipcctl %s does not show %s", arguments, what);
}

/* All verbs that query or show Mallory's service, with a second for each query. */
static void look_with_all_verbs(void)
{
	ctl_shows(SERVICE, "list");
	ctl_shows(SERVICE, "list --json");
	ctl_shows("service", "stats");
	ctl("top --timeout 1 --count 1 --interval 0.1");
	ctl("graph --timeout 1");
	ctl("trace --timeout 1 --time 0.1 --output /dev/null");
	ctl("ping --timeout 1 --count 1 " HIS);
	ctl("describe --timeout 1 " HIS);
	ctl("describe --timeout 1 --methods " HIS);
	ctl("call --timeout 1 " HIS " Say '{\"text\":\"x\"}'");
	ctl("dump --timeout 1 " HIS);
	ctl_shows("all well", "dump --timeout 1 " SERVICE);
}

static void look_at_traffic(void)
{
	ctl("monitor --timeout 1 --count 100");
	ctl("monitor --timeout 1 --count 100 --json");
	ctl("top --timeout 1 --count 1 --interval 0.2");
}

/* --- Mallory's services ----------------------------------------------------------------------- */

/* The service's reply for each code; a size of 0: its own error. */
static struct {
	const uint8_t *data;
	size_t size;
} replies[4];
static char error[400];
static size_t error_size;

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	uint32_t code = request->method - IPC_NUMBER_BUILTIN;
	struct ipc_raw_message reply = { 0 };

	(void)userdata;
	if (code > 2)
		code = 3;
	reply.data = replies[code].data;
	reply.size = replies[code].size;
	if (!reply.size)
		return ipc_raw_fail(call, EREMOTEIO, error, error_size);
	return ipc_raw_reply(call, &reply);
}

static struct ipc_raw_ops ops = { .flags = IPC_RAW_ACCEPT_FDS, .serve = serve };

static void serve_his(void)
{
	struct ipc *ipc = connect_bus();
	struct ipc_object *object;

	must(ipc_raw_object_new(ipc, &ops, NULL, &object) == 0 &&
	     ipc_register_name(ipc, HIS, object, NULL) == 0, "Mallory's service");
	begun();
	ipc_run(ipc);
}

static void stopped(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_object *object;
	char name[64];

	snprintf(name, sizeof(name), index ? HIS ".%u" : HIS, index);
	must(ipc_raw_object_new(ipc, &ops, NULL, &object) == 0 &&
	     ipc_register_name(ipc, name, object, NULL) == 0, "Mallory's service");
	begun();
	raise(SIGSTOP);
}

/* Colors, a window title, C1 control characters, invalid UTF-8, right-to-left text. */
#define EVIL "\033[31m\033]0;x\a\x9b" "1m\xc2\x9b\xff\xe2\x80\xae$(touch /tmp/hostile)\n\r`id`"

static void evil_process(unsigned int index)
{
	(void)index;
	prctl(PR_SET_NAME, "\033[7m\xff\xc2\x9b\xe2\x80\xae\n$x");
	serve_his();
}

static void evil_error(unsigned int index)
{
	(void)index;
	error[0] = 0x0a;
	error[1] = sizeof(EVIL) - 1;
	strcpy(error + 2, EVIL);
	error[sizeof(EVIL) + 1] = 0x12;
	error[sizeof(EVIL) + 2] = sizeof(EVIL) - 1;
	strcpy(error + sizeof(EVIL) + 3, EVIL);
	error_size = 2 * sizeof(EVIL) + 2;
	serve_his();
}

static uint8_t *put_field(uint8_t *at, const uint8_t *end, unsigned int field, const void *data,
			  size_t size)
{
	(void)end;
	at -= size;
	memcpy(at, data, size);
	return wrap(at, at + size, field);
}

/* Describes itself with that interface of that descriptor set. */
static void describe_as(const char *interface, const void *set, size_t size)
{
	size_t all = size + strlen(interface) + 32;
	uint8_t *data = malloc(all), *end = data + all, *at;

	must(data, "memory");
	at = put_field(end, end, 2, set, size);
	at = put_field(at, end, 1, interface, strlen(interface));
	replies[1].data = at;
	replies[1].size = end - at;
	serve_his();
}

/* A message nested 20,000 times, in a file "x". */
static void deep_description(unsigned int index)
{
	static uint8_t data[200000];
	uint8_t *end = data + sizeof(data), *at = end;

	(void)index;
	for (int i = 0; i < 20000; i++) {
		at = wrap(at, end, 3);
		memcpy(at -= 3, "\x0a\x01m", 3);
	}
	at = wrap(at, end, 4);
	memcpy(at -= 3, "\x0a\x01x", 3);
	at = wrap(at, end, 1);
	describe_as("x.S", at, end - at);
}

/* Two services, the second without a name, with methods named like shell commands. */
static void evil_description(unsigned int index)
{
	static const char method[] = "\x12\x17\x0a\x15$(touch /tmp/hostile)";
	uint8_t data[200], *end = data + sizeof(data), *at = end;

	(void)index;
	at = wrap(at, at, 6);
	memcpy(at -= sizeof(method) - 1, method, sizeof(method) - 1);
	memcpy(at -= 3, "\x0a\x01S", 3);
	{
		uint8_t prefix[2] = { 0x32, sizeof(method) - 1 + 3 };

		memcpy(at -= 2, prefix, 2);
	}
	memcpy(at -= 3, "\x12\x01x", 3);
	memcpy(at -= 3, "\x0a\x01x", 3);
	at = wrap(at, end, 1);
	describe_as("x.S", at, end - at);
}

static void evil_interface(unsigned int index)
{
	(void)index;
	describe_as(EVIL, "", 0);
}

static void noisy_description(unsigned int index)
{
	static uint8_t data[5 << 20];

	(void)index;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = random_below(32);
	describe_as("x.S", data, sizeof(data));
}

/* --- Dumps --------------------------------------------------------------------------------- */

/* Keeps the file, and writes to it until that fails. It must not be the terminal, and must be
 * empty: a file of memory is zero. */
static int serve_dump(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)userdata;
	for (size_t i = 0; request->method == IPC_NUMBER_DUMP && i < request->n_entries; i++) {
		int fd = request->entries[i].fd;
		char c;

		if (isatty(fd))
			succeeded("a service got root's terminal");
		fcntl(fd, F_SETFL, O_NONBLOCK);
		if (read(fd, &c, 1) == 1 && c)
			succeeded("a service reads where root writes");
		fcntl(fd, F_SETFL, 0);
		signal(SIGPIPE, SIG_IGN);
		while (write(fd, EVIL EVIL EVIL, 3 * sizeof(EVIL) - 3) > 0)
			;
	}
	ipc_call_ref(call);
	return 0;
}

static void endless_dump(unsigned int index)
{
	(void)index;
	ops.serve = serve_dump;
	serve_his();
}

static void look_at_dump(void)
{
	ctl("dump --timeout 1 " HIS);
	ctl("dump --timeout 1 " HIS " | head -n 1");
	ctl("dump --timeout 1 " HIS " | cat");
}

/* --- Traffic --------------------------------------------------------------------------------- */

static void evil_traffic(unsigned int index)
{
	struct ipc *ipc = connect_bus();
	struct ipc_proxy *proxy = find(ipc, SERVICE);
	uint8_t data[300];

	(void)index;
	prctl(PR_SET_NAME, "\033[7m\xff\xe2\x80\xae");
	data[0] = 0x0a;
	data[1] = sizeof(EVIL) - 1;
	memcpy(data + 2, EVIL, sizeof(EVIL) - 1);
	for (uint32_t i = 0;; i++) {
		call_bytes(proxy, i % 2 ? code_of(&server_interface, "Say") : random_below(1 << 17),
			   data, i % 3 ? sizeof(EVIL) + 1 : random_below(sizeof(data)));
		begun();
	}
}

const struct attack ctl_attacks[] = {
	{ "services that do not reply", .run = stopped, .look = look_with_all_verbs, .processes = 8 },
	{ "escape sequences in the name of a process", .run = evil_process, .look = look_with_all_verbs },
	{ "escape sequences in errors", .run = evil_error, .look = look_with_all_verbs },
	{ "a description of 20,000 levels", .run = deep_description, .look = look_with_all_verbs },
	{ "a description with commands for a shell", .run = evil_description, .look = look_with_all_verbs },
	{ "an interface with escape sequences", .run = evil_interface, .look = look_with_all_verbs },
	{ "5 MiB of noise as a description", .run = noisy_description, .look = look_with_all_verbs },
	{ "a dump without end", .run = endless_dump, .look = look_at_dump },
	{ "traffic of escape sequences", .run = evil_traffic, .look = look_at_traffic },
	{ 0 },
};
