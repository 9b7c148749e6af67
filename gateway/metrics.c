// SPDX-License-Identifier: MIT
/*
 * Metrics: see metrics.h. The thread serves one reader at a time. If a reader sends or receives no
 * data for some time, it is disconnected.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <ipc/ipc.h>

#include "log.h"
#include "metrics.h"
#include "status.h"

#define READER_SECONDS 2
#define REQUEST_MAX    4096
#define LABEL_MAX 256

struct metrics {
	struct sockaddr_un address;
	metrics_source *source;
	void *userdata;
	pthread_t thread;
	int fd;
};

/* --- Printing ----------------------------------------------------------------------------- */

static void print_labels(FILE *file, const char *direction, const char *name)
{
	char text[LABEL_MAX];

	fprintf(file, "direction=\"%s\",name=\"", direction);
	for (const char *c = ipc_printable(text, sizeof(text), name); *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', file);
		fputc(*c, file);
	}
	fputc('"', file);
}

static void print_calls(FILE *file, const char *direction, const char *name,
			const struct net_counts *counts)
{
	for (int code = 0; code < NET_CODES; code++) {
		uint64_t n = __atomic_load_n(&counts->ended[code], __ATOMIC_RELAXED);

		/* Always print OK. Print other statuses only if they have occurred. */
		if (code && !n)
			continue;
		fputs("ipc_gateway_calls_total{", file);
		print_labels(file, direction, name);
		fprintf(file, ",status=\"%s\"} %" PRIu64 "\n", status_name(code), n);
	}
}

static void print_open(FILE *file, const char *direction, const char *name,
		       const struct net_counts *counts)
{
	fputs("ipc_gateway_open_calls{", file);
	print_labels(file, direction, name);
	fprintf(file, "} %" PRIu64 "\n", __atomic_load_n(&counts->open, __ATOMIC_RELAXED));
}

static void print(const struct metrics *metrics, FILE *file)
{
	fputs("# TYPE ipc_gateway_calls counter\n"
	      "# HELP ipc_gateway_calls Calls that have ended, by their status.\n",
	      file);
	metrics->source(file, print_calls, metrics->userdata);
	fputs("# TYPE ipc_gateway_open_calls gauge\n"
	      "# HELP ipc_gateway_open_calls Calls that are open, streams included.\n",
	      file);
	metrics->source(file, print_open, metrics->userdata);
	fputs("# EOF\n", file);
}

/* --- Readers ------------------------------------------------------------------------------ */

/* Reads the head of a request, which ends in an empty line. */
static bool read_request(int fd, char *request)
{
	size_t size = 0;
	ssize_t n;

	do {
		n = read(fd, request + size, REQUEST_MAX - 1 - size);
		size += n > 0 ? (size_t)n : 0;
		request[size] = 0;
	} while (n > 0 && !strstr(request, "\r\n\r\n"));
	return n > 0;
}

/* Takes ownership of fd. */
static void serve(const struct metrics *metrics, int fd)
{
	const struct timeval limit = { .tv_sec = READER_SECONDS };
	char request[REQUEST_MAX];
	FILE *file;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	file = read_request(fd, request) ? fdopen(fd, "w") : NULL;
	if (!file) {
		close(fd);
		return;
	}
	if (strncmp(request, "GET /metrics ", 13)) {
		fputs("HTTP/1.0 404 Not Found\r\n\r\n", file);
	} else {
		fputs("HTTP/1.0 200 OK\r\n"
		      "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\r\n",
		      file);
		print(metrics, file);
	}
	fclose(file);
}

static void *run(void *userdata)
{
	const struct metrics *metrics = userdata;
	int fd;

	/* Until metrics_free() shuts the socket down. accept4() is for clients: see
	 * net-accept.c. */
	while ((fd = accept(metrics->fd, NULL, NULL)) >= 0 || errno != EINVAL) {
		if (fd >= 0)
			serve(metrics, fd);
		else
			sleep(1);
	}
	return NULL;
}

/* --- Setting up --------------------------------------------------------------------------- */

/* Listens at the path. Removes a socket there, which a killed gateway has left. Readers cannot
 * connect before listen(), when the permissions are already set. */
static int listen_at(const struct metrics *metrics)
{
	const struct sockaddr_un *address = &metrics->address;
	struct stat status;

	if (metrics->fd < 0)
		return -errno;
	if (lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode))
		unlink(address->sun_path);
	if (bind(metrics->fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    chmod(address->sun_path, 0600) < 0 || listen(metrics->fd, 16) < 0)
		return -errno;
	return 0;
}

int metrics_new(struct metrics **ret_metrics, const char *path, metrics_source *source,
		void *userdata)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	int r = -ENAMETOOLONG;

	if (!metrics)
		return -ENOMEM;
	metrics->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	metrics->source = source;
	metrics->userdata = userdata;
	metrics->address.sun_family = AF_UNIX;
	if (strlen(path) < sizeof(metrics->address.sun_path)) {
		strcpy(metrics->address.sun_path, path);
		r = listen_at(metrics);
	}
	if (r == 0)
		r = -pthread_create(&metrics->thread, NULL, run, metrics);
	if (r < 0) {
		log_line("cannot serve metrics at %s: %s", path, strerror(-r));
		if (metrics->fd >= 0)
			close(metrics->fd);
		free(metrics);
		return r;
	}
	*ret_metrics = metrics;
	return 0;
}

struct metrics *metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return NULL;
	shutdown(metrics->fd, SHUT_RDWR);
	pthread_join(metrics->thread, NULL);
	unlink(metrics->address.sun_path);
	close(metrics->fd);
	free(metrics);
	return NULL;
}
