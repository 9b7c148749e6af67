// SPDX-License-Identifier: MIT
/*
 * The dumps of many services: see dumps.h. A service gets a pipe, from which nothing is parsed, so
 * one that writes without end or says nothing costs its own dump only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/raw.h>
#include <ipc/rpc.h>

#include "bus.h"
#include "dumps.h"
#include "ipcctl.h"
#include "text.h"
#include "value.h"

/* So many services are asked at once. */
#define MAX_OPEN 32
/* Bytes of a dump that are kept. */
#define MAX_DUMP ((size_t)1 << 20)

/**
 * struct dump - a service that was asked
 * @all: all of them
 * @row: its row
 * @proxy: its object, or NULL
 * @pipe: what it writes can be read here; -1: all was read
 * @over: it has replied, or will not
 * @status: how it ended, an enum status
 * @text: what it wrote; @size bytes of @space
 * @cut: it wrote more
 * @note: what went wrong; or NULL
 */
struct dump {
	struct dumps *all;
	const json_t *row;
	struct ipc_proxy *proxy;
	int pipe;
	bool over;
	int status;
	char *text;
	size_t size, space;
	bool cut;
	char *note;
};

/**
 * struct dumps - all of them
 * @open: those that were asked: the dump of row i is at i % MAX_OPEN
 * @first: the row of the first that was not put
 * @next: the row that is asked next
 * @silent: processes that did not reply, by pid as text
 * @lost: the service manager did not reply
 */
struct dumps {
	struct ipc *ipc;
	struct dump open[MAX_OPEN];
	size_t first, next;
	json_t *silent;
	bool lost;
};

/* --- What went wrong --------------------------------------------------------------------- */

static void note(struct dump *dump, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void note(struct dump *dump, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	dump->status = status;
	/* Without memory the status says it. */
	if (vasprintf(&dump->note, format, args) < 0)
		dump->note = NULL;
	va_end(args);
}

static const char *pid_of(const struct dump *dump, char *key, size_t size)
{
	snprintf(key, size, "%lld", (long long)value_number(dump->row, "pid"));
	return key;
}

static void note_failure(struct dump *dump, int r, const struct ipc_error *error)
{
	const char *name = value_text(dump->row, "name");
	unsigned int ms = bus_limit_usec() / 1000;
	const char *hint = fail_hint(r);
	char key[24], text[IPC_ERROR_TEXT_MAX];

	if (r == -EOPNOTSUPP || (r == -EPERM && error && error->origin == IPC_ORIGIN_BUS)) {
		note(dump, STATUS_NOT_FOUND, "service %s has no dump", name);
	} else if (r == -ETIMEDOUT) {
		note(dump, STATUS_TIMEOUT, "service %s did not reply within %u.%03u s", name,
		     ms / 1000, ms % 1000);
		json_object_set_new(dump->all->silent, pid_of(dump, key, sizeof(key)), json_true());
	} else {
		note(dump, fail_status(r), "%s: %s%s%s", name,
		     ipc_error_text(text, sizeof(text), r, error), hint ? "; " : "", hint ?: "");
	}
}

/* --- Asking -------------------------------------------------------------------------- */

static void on_reply(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
		     void *userdata)
{
	struct dump *dump = userdata;

	(void)reply;
	dump->over = true;
	if (result < 0)
		note_failure(dump, result, error);
}

/* The request: file descriptors travel beside it, under the number in their field. */
static int send_request(struct dump *dump, int fd)
{
	const struct ipc_options options = { .timeout_usec = bus_limit_usec() };
	struct ipc_raw_entry file = { .tag = 1, .type = IPC_RAW_FD, .fd = fd };
	struct ipc_raw_message request = { .code = IPC_CODE_DUMP, .entries = &file,
					   .n_entries = 1 };
	Ipc__DumpRequest message = IPC__DUMP_REQUEST__INIT;
	Ipc__Fd field = IPC__FD__INIT;
	uint8_t data[64];

	field.fd = (int32_t)file.tag;
	message.fd = &field;
	request.data = data;
	request.size = ipc__dump_request__pack(&message, data);
	return ipc_raw_call_async(dump->proxy, &request, &options, on_reply, dump,
				  /* ret_slot= */ NULL);
}

static int ask(struct dump *dump)
{
	int ends[2], r = 0;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* The service may block; this end does not. */
	if (fcntl(ends[1], F_SETFL, 0) < 0)
		r = -errno;
	dump->pipe = ends[0];
	if (r == 0)
		r = send_request(dump, ends[1]);
	close(ends[1]);
	/* The bus refuses the file, because the object accepts none. */
	return r == -EPERM ? -EOPNOTSUPP : r;
}

static void begin(struct dumps *all, const json_t *rows)
{
	struct dump *dump = &all->open[all->next % MAX_OPEN];
	char key[24];
	int r;

	*dump = (struct dump){
		.all = all, .row = json_array_get(rows, all->next++), .pipe = -1
	};
	if (json_object_get(all->silent, pid_of(dump, key, sizeof(key)))) {
		note(dump, STATUS_TIMEOUT,
		     "service %s was not asked: its process %s did not reply before",
		     value_text(dump->row, "name"), key);
		dump->over = true;
		return;
	}
	r = all->lost ? -ENOTCONN : ipc_get_name(all->ipc, value_text(dump->row, "name"), &dump->proxy);
	if (r == -ETIMEDOUT) {
		all->lost = true;
		r = -ENOTCONN;
	}
	if (r == 0)
		r = ask(dump);
	if (r < 0) {
		note_failure(dump, r, /* error= */ NULL);
		dump->over = true;
	}
}

/* --- Reading --------------------------------------------------------------------------- */

/* What has no place is read all the same, because the service waits for that. */
static void keep(struct dump *dump, const char *bytes, size_t size)
{
	size_t space = dump->space ? 2 * dump->space : 4096;
	char *text;

	if (size > MAX_DUMP - dump->size) {
		size = MAX_DUMP - dump->size;
		dump->cut = true;
	}
	while (space < dump->size + size)
		space *= 2;
	if (dump->size + size > dump->space) {
		text = realloc(dump->text, space);
		if (!text) {
			dump->cut = true;
			return;
		}
		dump->text = text;
		dump->space = space;
	}
	if (size)
		memcpy(dump->text + dump->size, bytes, size);
	dump->size += size;
}

static void close_pipe(struct dump *dump)
{
	if (dump->pipe >= 0)
		close(dump->pipe);
	dump->pipe = -1;
}

/* What is in the pipe now; at most left bytes. Others may keep its other end and write for ever. */
static void read_pipe(struct dump *dump, ssize_t left)
{
	char buffer[16384];
	ssize_t n;

	while (dump->pipe >= 0 && left > 0) {
		n = read(dump->pipe, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close_pipe(dump);
			return;
		}
		keep(dump, buffer, (size_t)n);
		left -= n;
	}
}

/* Until something happened: a reply, a time that is over, or bytes in a pipe. */
static int attend(struct dumps *all)
{
	struct pollfd fds[1 + MAX_OPEN] = { { .fd = ipc_get_fd(all->ipc), .events = POLLIN } };
	struct dump *dumps[1 + MAX_OPEN];
	nfds_t n = 1;
	int r;

	r = ipc_process(all->ipc);
	if (r)
		return r < 0 ? r : 0;
	for (size_t i = all->first; i < all->next; i++) {
		struct dump *dump = &all->open[i % MAX_OPEN];

		if (dump->over || dump->pipe < 0)
			continue;
		fds[n] = (struct pollfd){ .fd = dump->pipe, .events = POLLIN };
		dumps[n++] = dump;
	}
	if (poll(fds, n, 1000) < 0)
		return errno == EINTR ? 0 : -errno;
	for (nfds_t i = 1; i < n; i++)
		if (fds[i].revents)
			read_pipe(dumps[i], sizeof(char[65536]));
	return 0;
}

/* --- Putting --------------------------------------------------------------------------- */

static void clean_lines(char *line)
{
	for (char *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next = '\0';
		text_clean_line(line);
		if (next)
			*next++ = '\n';
	}
}

static void done(struct dump *dump)
{
	ipc_proxy_unref(dump->proxy);
	close_pipe(dump);
	free(dump->text);
	free(dump->note);
}

/* It is over. */
static int put_one(struct dump *dump, dumps_put put, void *userdata)
{
	char *text;
	int status;

	if (dump->pipe >= 0)
		read_pipe(dump, fcntl(dump->pipe, F_GETPIPE_SZ));
	for (size_t i = 0; i < dump->size; i++)
		if (!dump->text[i])
			dump->text[i] = '?';
	if (asprintf(&text, "%.*s%s%s%s%s", (int)dump->size, dump->text ?: "",
		     dump->cut ? "\nipcctl: the rest is left out\n" : "",
		     dump->note ? "ipcctl: " : "", dump->note ?: "", dump->note ? "\n" : "") < 0)
		return fail_memory();
	clean_lines(text);
	status = put(value_text(dump->row, "name"), dump->status, text, userdata);
	free(text);
	return status;
}

int dumps_take(struct ipc *ipc, const json_t *rows, dumps_put put, void *userdata)
{
	struct dumps *all = calloc(1, sizeof(*all));
	size_t n = json_array_size(rows);
	int status = STATUS_OK, r = 0;

	if (!all)
		return fail_memory();
	all->ipc = ipc;
	all->silent = json_object();
	ipc_set_timeout(ipc, bus_limit_usec());
	while (!status && all->first < n) {
		struct dump *dump = &all->open[all->first % MAX_OPEN];

		while (all->next < n && all->next < all->first + MAX_OPEN)
			begin(all, rows);
		while (r >= 0 && !dump->over)
			r = attend(all);
		status = r < 0 ? fail_errno(r, "ask services") : put_one(dump, put, userdata);
		if (!status) {
			done(dump);
			all->first++;
		}
	}
	/* Replies may still arrive until the connection is closed, and proxies end before that. */
	for (size_t i = all->first; i < all->next; i++) {
		ipc_proxy_unref(all->open[i % MAX_OPEN].proxy);
		all->open[i % MAX_OPEN].proxy = NULL;
	}
	ipc_unref(ipc);
	for (; all->first < all->next; all->first++)
		done(&all->open[all->first % MAX_OPEN]);
	json_decref(all->silent);
	free(all);
	return status;
}
