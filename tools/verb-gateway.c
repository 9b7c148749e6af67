// SPDX-License-Identifier: MIT
/*
 * ipcctl gateway: what gateways count. Each has it as OpenMetrics text on a Unix socket, which
 * ipc-gateway(8) describes. The text is another program's: it is bounded, and may be anything.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "ipcctl.h"
#include "out.h"
#include "text.h"
#include "value.h"
#include "verbs.h"

/* Where gateways of the system have their sockets. */
#define SOCKETS "/run/ipc-gateway/*/metrics"
#define TEXT_MAX ((size_t)4 << 20)
#define PREFIX "ipc_gateway_"

/* --- The socket --------------------------------------------------------------------------- */

static int wait_ready(int fd, short event, uint64_t until)
{
	struct pollfd poll_fd = { .fd = fd, .events = event };
	uint64_t now;
	int n;

	do {
		now = clock_ns();
		n = now < until ? poll(&poll_fd, 1, (int)((until - now) / 1000000) + 1) : 0;
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : n ? -errno : -ETIMEDOUT;
}

static int ask(int fd, uint64_t until, FILE *to)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	char piece[4096];
	size_t size = 0;
	ssize_t n;
	int r;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
		return -EPIPE;
	while ((r = wait_ready(fd, POLLIN, until)) == 0 &&
	       (n = recv(fd, piece, sizeof(piece), 0)) != 0) {
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n > 0)
			fwrite(piece, 1, (size_t)n, to);
		size += n > 0 ? (size_t)n : 0;
		if (size > TEXT_MAX)
			return -EMSGSIZE;
	}
	return r;
}

/* The reply to the request, which the caller frees. */
static int fetch(const char *path, char **ret_text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint64_t until = clock_ns() + bus_limit_usec() * 1000;
	size_t size;
	FILE *file;
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	file = r == 0 ? open_memstream(ret_text, &size) : NULL;
	if (file) {
		r = ask(fd, until, file);
		if (fclose(file))
			r = -ENOMEM;
		if (r < 0) {
			free(*ret_text);
			*ret_text = NULL;
		}
	} else if (r == 0) {
		r = -ENOMEM;
	}
	close(fd);
	return r;
}

/* --- The text ----------------------------------------------------------------------------- */

#define LABELS_MAX 4

/**
 * struct sample - a line of the text, taken apart
 * @name: without "ipc_gateway_"
 * @keys: of its labels
 * @values: of them
 */
struct sample {
	const char *name;
	const char *keys[LABELS_MAX];
	const char *values[LABELS_MAX];
	size_t n;
	json_int_t number;
};

/* Takes name="value" out of the text, in place. Where it goes on; NULL: it is malformed. */
static char *take_label(char *at, struct sample *sample)
{
	char *to, *equals = strchr(at, '=');

	if (!equals || equals[1] != '"' || sample->n == LABELS_MAX)
		return NULL;
	*equals = 0;
	sample->keys[sample->n] = at;
	sample->values[sample->n++] = to = at = equals + 2;
	for (; *at && *at != '"'; at++) {
		if (*at == '\\' && at[1])
			at++;
		*to++ = *at;
	}
	if (!*at)
		return NULL;
	*to = 0;
	return at + 1;
}

static bool take_sample(char *line, struct sample *sample)
{
	char *at = line + strcspn(line, "{ "), *end;
	bool labels = *at == '{';

	memset(sample, 0, sizeof(*sample));
	if (strncmp(line, PREFIX, strlen(PREFIX)) || !*at)
		return false;
	sample->name = line + strlen(PREFIX);
	*at++ = 0;
	while (labels && *at && *at != '}') {
		at = take_label(at, sample);
		if (!at)
			return false;
		at += *at == ',';
	}
	if (labels && *at++ != '}')
		return false;
	sample->number = strtoll(at, &end, 10);
	return end != at && !*end;
}

static const char *label(const struct sample *sample, const char *key)
{
	for (size_t i = 0; i < sample->n; i++)
		if (!strcmp(sample->keys[i], key))
			return sample->values[i];
	return "";
}

/* --- JSON of it --------------------------------------------------------------------------- */

/**
 * struct sheet - what a gateway has said
 * @gateway: what is printed
 * @rows: by direction and name, those of its services
 */
struct sheet {
	json_t *gateway;
	json_t *rows;
};

/* The row of a service, which is new if there is none. NULL: no memory. */
static json_t *row_of(struct sheet *sheet, const char *direction, const char *name)
{
	json_t *row, *services = json_object_get(sheet->gateway, "services");
	char *key;

	if (asprintf(&key, "%s\n%s", direction, name) < 0)
		return NULL;
	row = json_object_get(sheet->rows, key);
	if (!row) {
		row = json_pack("{s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:{}}", "name",
				text_json(name), "direction", text_json(direction), "calls", 0,
				"failed", 0, "open", 0, "streams", 0, "received", 0, "sent", 0,
				"statuses");
		if (json_array_append_new(services, row) < 0 ||
		    json_object_set(sheet->rows, key, row) < 0)
			row = NULL;
	}
	free(key);
	return row;
}

static int add(json_t *object, const char *key, json_int_t number)
{
	json_int_t sum;

	if (__builtin_add_overflow(value_number(object, key), number, &sum))
		return -EBADMSG;
	return json_object_set_new(object, key, json_integer(sum)) < 0 ? -ENOMEM : 0;
}

static int put_call(json_t *row, const struct sample *sample)
{
	json_t *status = text_json(label(sample, "status"));
	const char *name = status ? json_string_value(status) : NULL;
	int r = name ? add(row, "calls", sample->number) : -ENOMEM;

	if (r == 0)
		r = add(json_object_get(row, "statuses"), name, sample->number);
	if (r == 0 && strcmp(name, "OK"))
		r = add(row, "failed", sample->number);
	json_decref(status);
	return r;
}

/* A number of a service. */
static int put_number(struct sheet *sheet, const struct sample *sample, const char *key)
{
	json_t *direction = text_json(label(sample, "direction"));
	json_t *name = text_json(label(sample, "name"));
	json_t *row = NULL;
	int r = -ENOMEM;

	if (direction && name)
		row = row_of(sheet, json_string_value(direction), json_string_value(name));
	if (row && key)
		r = add(row, key, sample->number);
	else if (row)
		r = put_call(row, sample);
	json_decref(direction);
	json_decref(name);
	return r;
}

/* A number by one label. */
static int put_by(json_t *gateway, const char *key, const struct sample *sample, const char *by)
{
	json_t *name = text_json(label(sample, by));
	int r = name ? add(json_object_get(gateway, key), json_string_value(name), sample->number) :
		       -ENOMEM;

	json_decref(name);
	return r;
}

static int put_sample(struct sheet *sheet, const struct sample *sample)
{
	static const struct {
		const char *name;
		const char *key;
	} numbers[] = {
		{ "calls_total", NULL },
		{ "open_calls", "open" },
		{ "open_streams", "streams" },
		{ "received_bytes_total", "received" },
		{ "sent_bytes_total", "sent" },
	};
	json_t *gateway = sheet->gateway;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!strcmp(sample->name, numbers[i].name))
			return put_number(sheet, sample, numbers[i].key);
	if (!strcmp(sample->name, "refusals_total"))
		return put_by(gateway, "refusals", sample, "reason");
	if (!strcmp(sample->name, "certificate_expiry_seconds"))
		return put_by(gateway, "certificates", sample, "option");
	if (!strcmp(sample->name, "connections") || !strcmp(sample->name, "links"))
		return add(gateway, sample->name, sample->number);
	if (!strcmp(sample->name, "build_info"))
		return json_object_set_new(gateway, "version",
					   text_json(label(sample, "version"))) < 0 ?
			       -ENOMEM : 0;
	return 0; /* of a later version */
}

/* Takes the text apart, in place. */
static int parse(char *text, struct sheet *sheet)
{
	struct sample sample;
	bool whole = false;
	char *line, *at;
	int r = 0;

	if (strncmp(text, "HTTP/1.0 200 ", 13))
		return -EBADMSG;
	at = strstr(text, "\r\n\r\n");
	at = at ? at + 4 : NULL;
	while (r == 0 && (line = strsep(&at, "\n"))) {
		whole |= !strcmp(line, "# EOF");
		if (!*line || *line == '#')
			continue;
		r = take_sample(line, &sample) ? put_sample(sheet, &sample) : -EBADMSG;
	}
	return r == 0 && !whole ? -EBADMSG : r;
}

static int look(const char *path, json_t **ret_gateway)
{
	struct sheet sheet;
	char *text = NULL;
	int r = fetch(path, &text);

	if (!text)
		return r < 0 ? r : -ENOMEM;
	sheet.rows = json_object();
	sheet.gateway = json_pack("{s:o, s:i, s:i, s:{}, s:{}, s:[]}", "socket", text_json(path),
				  "connections", 0, "links", 0, "refusals", "certificates",
				  "services");
	r = sheet.gateway && sheet.rows ? parse(text, &sheet) : -ENOMEM;
	free(text);
	json_decref(sheet.rows);
	if (r < 0)
		json_decref(sheet.gateway);
	else
		*ret_gateway = sheet.gateway;
	return r;
}

/* --- Printing ----------------------------------------------------------------------------- */

static void put_refusals(const json_t *refusals)
{
	const char *before = "refused:", *key;
	json_t *value;

	json_object_foreach((json_t *)refusals, key, value)
		if (json_integer_value(value)) {
			printf("%s %s %" JSON_INTEGER_FORMAT, before, key,
			       json_integer_value(value));
			before = ",";
		}
	if (*before == ',')
		putchar('\n');
}

static void put_certificates(const json_t *certificates)
{
	const char *key;
	char text[32];
	json_t *value;
	struct tm tm;
	time_t end;

	json_object_foreach((json_t *)certificates, key, value) {
		end = (time_t)json_integer_value(value);
		if (!gmtime_r(&end, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
			continue;
		printf("%s%s %s %s UTC%s\n", end < time(NULL) ? out_color(COLOR_RED) : "", key,
		       end < time(NULL) ? "ended" : "ends", text,
		       end < time(NULL) ? out_plain() : "");
	}
}

static int put(const json_t *gateways)
{
	static const struct column columns[] = {
		{ "NAME", "name", COLOR_BOLD, false },
		{ "DIRECTION", "direction", COLOR_NONE, false },
		{ "CALLS", "calls", COLOR_NONE, true },
		{ "FAILED", "failed", COLOR_NONE, true },
		{ "OPEN", "open", COLOR_NONE, true },
		{ "STREAMS", "streams", COLOR_NONE, true },
		{ "RECEIVED", "received", COLOR_NONE, true },
		{ "SENT", "sent", COLOR_NONE, true },
	};
	json_t *gateway;
	int status = STATUS_OK;
	size_t i;

	json_array_foreach(gateways, i, gateway) {
		printf("%s%s: %" JSON_INTEGER_FORMAT " connections, %" JSON_INTEGER_FORMAT
		       " links\n",
		       i ? "\n" : "", value_text(gateway, "socket"),
		       value_number(gateway, "connections"), value_number(gateway, "links"));
		put_refusals(json_object_get(gateway, "refusals"));
		put_certificates(json_object_get(gateway, "certificates"));
		status = status ?: out_rows(stdout, columns, sizeof(columns) / sizeof(*columns),
					    json_object_get(gateway, "services"));
	}
	return status;
}

static int failed(const char *path, int r)
{
	if (r == -ECONNREFUSED)
		return fail_with(STATUS_GONE, "systemctl status 'ipc-gateway@*'",
				 "%s: no gateway listens there any more", path);
	if (r == -ETIMEDOUT)
		return fail_with(STATUS_TIMEOUT, "it may be stopped",
				 "%s: the gateway did not reply", path);
	if (r == -EBADMSG || r == -EMSGSIZE)
		return fail_with(STATUS_FAILED, "give the socket of --metrics",
				 "%s: what replies is no gateway", path);
	return fail_with(fail_status(r), r == -EACCES ? fail_root_hint() : NULL, "%s: %s", path, strerror(-r));
}

static int run(int argc, char **argv)
{
	json_t *gateways = json_array(), *gateway;
	int status = gateways ? STATUS_OK : fail_memory(), first = STATUS_OK, r;
	glob_t found = { 0 };

	if (!status && !argc && glob(SOCKETS, 0, NULL, &found) != 0)
		status = fail_with(STATUS_NOT_FOUND,
				   "start one with --metrics PATH, and give that path",
				   "no gateway has a socket %s", SOCKETS);
	if (!argc) {
		argc = (int)found.gl_pathc;
		argv = found.gl_pathv;
	}
	/* One that does not reply, or replies with nonsense, does not hide the others. */
	for (int i = 0; !status && i < argc; i++) {
		r = look(argv[i], &gateway);
		if (r < 0) {
			r = failed(argv[i], r);
			first = first ?: r;
		} else if (json_array_append_new(gateways, gateway) < 0) {
			status = fail_memory();
		}
	}
	globfree(&found);
	if (!status && (!first || json_array_size(gateways)))
		status = ctl.json ? out_json(json_incref(gateways)) : put(gateways);
	json_decref(gateways);
	return status ?: first;
}

const struct verb verb_gateway = {
	.name = "gateway",
	.arguments = "[FILE]...",
	.summary = "what gateways to other machines carry",
	.description =
		"Asks running gateways, see ipc-gateway(8), what they have carried since they started:\n"
		"for each name calls, those that failed, open calls, those of them with streams, and bytes\n"
		"from and to the network; what was refused, and when certificates end. --json has the calls\n"
		"by status. FILE is the socket of a gateway's option --metrics. Without it, those of the\n"
		"system's gateways are asked: " SOCKETS ".\n",
	.example = "  sudo ipcctl gateway\n"
		   "  ipcctl gateway /run/user/1000/gateway-metrics\n",
	.statuses = MAY_END(NOT_FOUND) | MAY_END(DENIED) | MAY_END(TIMEOUT) | MAY_END(GONE),
	.max = 16,
	.run = run,
};
