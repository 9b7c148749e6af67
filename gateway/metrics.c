// SPDX-License-Identifier: MIT
/*
 * Metrics: see metrics.h. One reader is served at a time, and has two seconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "log.h"
#include "metrics.h"
#include "status.h"

#define READER_MSEC 2000
#define REQUEST_MAX 4096
#define EXPIRIES_MAX 8
#define LABEL_MAX 256

struct row {
	const char *direction;
	char *name;
	struct net_counts counts;
};

struct metrics_sheet {
	struct row *rows;
	size_t n_rows;
	unsigned int links;
	struct {
		const char *option;
		int64_t seconds;
	} expiries[EXPIRIES_MAX];
	size_t n_expiries;
	bool failed; /* no memory */
};

struct metrics {
	struct sockaddr_un address;
	void (*collect)(struct metrics_sheet *sheet, void *userdata);
	void *userdata;
	pthread_t thread;
	int listening;
	int over; /* an eventfd */
};

static uint64_t refusals[N_REFUSALS]; /* atomic */

void metrics_refused(enum metrics_refusal why)
{
	__atomic_add_fetch(&refusals[why], 1, __ATOMIC_RELAXED);
}

/* --- Collecting --------------------------------------------------------------------------- */

static uint64_t load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

void metrics_add(struct metrics_sheet *sheet, const char *direction, const char *name,
		 const struct net_counts *counts)
{
	struct row *rows = reallocarray(sheet->rows, sheet->n_rows + 1, sizeof(*rows));
	char *copy = strdup(name);
	struct row *row;

	sheet->rows = rows ?: sheet->rows;
	if (!rows || !copy) {
		sheet->failed = true;
		free(copy);
		return;
	}
	row = &rows[sheet->n_rows++];
	row->direction = direction;
	row->name = copy;
	for (size_t i = 0; i < NET_CODES; i++)
		row->counts.ended[i] = load(&counts->ended[i]);
	row->counts.received = load(&counts->received);
	row->counts.sent = load(&counts->sent);
	row->counts.open = load(&counts->open);
	row->counts.streams = load(&counts->streams);
}

void metrics_set_links(struct metrics_sheet *sheet, unsigned int links)
{
	sheet->links = links;
}

void metrics_add_expiry(struct metrics_sheet *sheet, const char *option, int64_t seconds)
{
	if (sheet->n_expiries < EXPIRIES_MAX) {
		sheet->expiries[sheet->n_expiries].option = option;
		sheet->expiries[sheet->n_expiries++].seconds = seconds;
	}
}

static void sheet_done(struct metrics_sheet *sheet)
{
	for (size_t i = 0; i < sheet->n_rows; i++)
		free(sheet->rows[i].name);
	free(sheet->rows);
}

/* --- Printing ----------------------------------------------------------------------------- */

static void print_family(FILE *file, const char *name, const char *type, const char *unit,
			 const char *what)
{
	fprintf(file, "# TYPE ipc_gateway_%s %s\n", name, type);
	if (unit)
		fprintf(file, "# UNIT ipc_gateway_%s %s\n", name, unit);
	fprintf(file, "# HELP ipc_gateway_%s %s\n", name, what);
}

static void print_labels(FILE *file, const struct row *row)
{
	char name[LABEL_MAX];

	fprintf(file, "direction=\"%s\",name=\"", row->direction);
	for (const char *c = ipc_printable(name, sizeof(name), row->name); *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', file);
		fputc(*c, file);
	}
	fputc('"', file);
}

static void print_calls(FILE *file, const struct metrics_sheet *sheet)
{
	print_family(file, "calls", "counter", NULL, "Calls that have ended, by their status.");
	for (size_t i = 0; i < sheet->n_rows; i++)
		for (int code = 0; code < NET_CODES; code++) {
			/* Each service has OK from the beginning, the others when they happen. */
			if (code && !sheet->rows[i].counts.ended[code])
				continue;
			fputs("ipc_gateway_calls_total{", file);
			print_labels(file, &sheet->rows[i]);
			fprintf(file, ",status=\"%s\"} %" PRIu64 "\n", status_name(code),
				sheet->rows[i].counts.ended[code]);
		}
}

/* One number of each service. */
static void print_numbers(FILE *file, const struct metrics_sheet *sheet, const char *sample,
			  size_t offset)
{
	for (size_t i = 0; i < sheet->n_rows; i++) {
		const struct row *row = &sheet->rows[i];

		fprintf(file, "ipc_gateway_%s{", sample);
		print_labels(file, row);
		fprintf(file, "} %" PRIu64 "\n",
			*(const uint64_t *)((const char *)&row->counts + offset));
	}
}

static void print_refusals(FILE *file)
{
	static const char *const reasons[N_REFUSALS] = {
		[REFUSED_CALLS] = "calls",   [REFUSED_SERVICE] = "service",
		[REFUSED_METHOD] = "method", [REFUSED_MESSAGE] = "message",
		[REFUSED_POLICY] = "policy", [REFUSED_NAME] = "name",
		[REFUSED_LINKS] = "links",   [REFUSED_GUARD] = "access",
		[REFUSED_PEER] = "peer",     [REFUSED_CONNECTIONS] = "connections",
	};

	print_family(file, "refusals", "counter", NULL, "What the gateway refused, by the reason.");
	for (size_t i = 0; i < N_REFUSALS; i++)
		fprintf(file, "ipc_gateway_refusals_total{reason=\"%s\"} %" PRIu64 "\n", reasons[i],
			load(&refusals[i]));
}

static void print(FILE *file, const struct metrics_sheet *sheet)
{
	print_family(file, "build", "info", NULL, "The version of the gateway.");
	fprintf(file, "ipc_gateway_build_info{version=\"%s\"} 1\n", IPC_VERSION);
	print_family(file, "links", "gauge", NULL, "Links with other gateways.");
	fprintf(file, "ipc_gateway_links %u\n", sheet->links);
	print_calls(file, sheet);
	print_family(file, "open_calls", "gauge", NULL, "Calls that are open, streams included.");
	print_numbers(file, sheet, "open_calls", offsetof(struct net_counts, open));
	print_family(file, "open_streams", "gauge", NULL, "Calls with streams that are open.");
	print_numbers(file, sheet, "open_streams", offsetof(struct net_counts, streams));
	print_family(file, "received_bytes", "counter", "bytes",
		     "Messages that arrived from the network.");
	print_numbers(file, sheet, "received_bytes_total", offsetof(struct net_counts, received));
	print_family(file, "sent_bytes", "counter", "bytes", "Messages that left to the network.");
	print_numbers(file, sheet, "sent_bytes_total", offsetof(struct net_counts, sent));
	print_refusals(file);
	print_family(file, "certificate_expiry_seconds", "gauge", "seconds",
		     "When the first certificate of a file ends, in seconds since 1970.");
	for (size_t i = 0; i < sheet->n_expiries; i++)
		fprintf(file, "ipc_gateway_certificate_expiry_seconds{option=\"%s\"} %" PRId64 "\n",
			sheet->expiries[i].option, sheet->expiries[i].seconds);
	fputs("# EOF\n", file);
}

/* The caller frees the text. NULL: no memory. */
static char *text_of(struct metrics *metrics, size_t *ret_size)
{
	struct metrics_sheet sheet = { 0 };
	char *text = NULL;
	FILE *file = open_memstream(&text, ret_size);

	if (!file)
		return NULL;
	metrics->collect(&sheet, metrics->userdata);
	print(file, &sheet);
	if (fclose(file) || sheet.failed) {
		free(text);
		text = NULL;
	}
	sheet_done(&sheet);
	return text;
}

/* --- Readers ------------------------------------------------------------------------------ */

static int64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the reader is ready for the event. False: it is not in time. */
static bool ready(int fd, short event, int64_t until)
{
	struct pollfd poll_fd = { .fd = fd, .events = event };
	int64_t left;
	int n;

	do {
		left = until - now_msec();
		n = left > 0 ? poll(&poll_fd, 1, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Reads the head of a request, which ends in an empty line. False: it does not come. */
static bool read_request(int fd, char *request, int64_t until)
{
	size_t size = 0;
	ssize_t n;

	while (ready(fd, POLLIN, until)) {
		n = recv(fd, request + size, REQUEST_MAX - 1 - size, MSG_DONTWAIT);
		if (n <= 0)
			return false;
		size += (size_t)n;
		request[size] = 0;
		if (strstr(request, "\r\n\r\n") || strstr(request, "\n\n"))
			return true;
		if (size == REQUEST_MAX - 1)
			return false;
	}
	return false;
}

static void send_all(int fd, const char *data, size_t size, int64_t until)
{
	ssize_t n;

	while (size && ready(fd, POLLOUT, until)) {
		n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return;
		data += n < 0 ? 0 : n;
		size -= n < 0 ? 0 : (size_t)n;
	}
}

static void serve(struct metrics *metrics, int fd)
{
	int64_t until = now_msec() + READER_MSEC;
	const char *status = "200 OK";
	char request[REQUEST_MAX], head[256];
	char *text = NULL;
	size_t size = 0;

	if (!read_request(fd, request, until))
		return;
	if (strncmp(request, "GET /metrics ", 13)) {
		status = strncmp(request, "GET ", 4) ? "405 Method Not Allowed" : "404 Not Found";
	} else {
		text = text_of(metrics, &size);
		status = text ? status : "503 Service Unavailable";
	}
	snprintf(head, sizeof(head),
		 "HTTP/1.0 %s\r\n"
		 "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"
		 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		 status, text ? size : 0);
	send_all(fd, head, strlen(head), until);
	if (text)
		send_all(fd, text, size, until);
	free(text);
}

static void *run(void *userdata)
{
	struct metrics *metrics = userdata;
	struct pollfd fds[] = {
		{ .fd = metrics->listening, .events = POLLIN },
		{ .fd = metrics->over, .events = POLLIN },
	};
	int fd;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents)
			return NULL;
		/* Not accept4(), by which clients are counted. */
		fd = accept(metrics->listening, NULL, NULL);
		/* Without file descriptors it does not spin. */
		if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			poll(&fds[1], 1, READER_MSEC);
		if (fd < 0)
			continue;
		serve(metrics, fd);
		close(fd);
	}
}

/* --- Setting up --------------------------------------------------------------------------- */

/* Removes the socket of a gateway that was killed. */
static int clear(const struct sockaddr_un *address)
{
	struct stat status;
	int fd, r;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EADDRINUSE;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
			    errno == ECONNREFUSED ?
		    0 :
		    -EADDRINUSE;
	close(fd);
	if (r == 0 && unlink(address->sun_path) < 0)
		r = -errno;
	return r;
}

/* Nobody can connect before listen(), so nobody does before the permissions are set. */
static int listen_at(struct metrics *metrics)
{
	const struct sockaddr_un *address = &metrics->address;
	int r = clear(address);

	if (r < 0)
		return r;
	metrics->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	metrics->over = eventfd(0, EFD_CLOEXEC);
	if (metrics->listening < 0 || metrics->over < 0)
		return -errno;
	if (bind(metrics->listening, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chmod(address->sun_path, 0600) < 0 || listen(metrics->listening, 16) < 0) {
		r = -errno;
		unlink(address->sun_path);
	}
	return r;
}

static void metrics_close(struct metrics *metrics)
{
	if (metrics->listening >= 0)
		close(metrics->listening);
	if (metrics->over >= 0)
		close(metrics->over);
	free(metrics);
}

int metrics_new(struct metrics **ret_metrics, const char *path,
		void (*collect)(struct metrics_sheet *sheet, void *userdata), void *userdata)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	int r = -ENAMETOOLONG;

	if (!metrics)
		return -ENOMEM;
	metrics->listening = metrics->over = -1;
	metrics->collect = collect;
	metrics->userdata = userdata;
	metrics->address.sun_family = AF_UNIX;
	if (strlen(path) < sizeof(metrics->address.sun_path)) {
		strcpy(metrics->address.sun_path, path);
		r = listen_at(metrics);
	}
	if (r == 0) {
		r = -pthread_create(&metrics->thread, NULL, run, metrics);
		if (r < 0)
			unlink(path);
	}
	if (r < 0) {
		log_line("cannot serve metrics at %s: %s", path, strerror(-r));
		metrics_close(metrics);
		return r;
	}
	*ret_metrics = metrics;
	return 0;
}

struct metrics *metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return NULL;
	eventfd_write(metrics->over, 1);
	pthread_join(metrics->thread, NULL);
	unlink(metrics->address.sun_path);
	metrics_close(metrics);
	return NULL;
}
