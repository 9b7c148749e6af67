// SPDX-License-Identifier: MIT
/*
 * ipcctl top: prints at intervals the busiest pairs of sender and object, with the latency of
 * calls. The data are the records of a monitor.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "deadline.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "monitor.h"
#include "names.h"
#include "output.h"
#include "streams.h"
#include "traffic.h"
#include "verbs.h"

#define MAX_ROWS 20

static unsigned int interval_ms = 1000;
static unsigned long count;

static const struct verb_option options[] = {
	{ "interval", "S", "length of an interval in seconds (default: 1)", .ms = &interval_ms },
	{ "count", "N", "end after N intervals", .number = &count, .min = 1, .max = MAX_COUNT },
	{ 0 },
};

static struct names *names;
static struct streams *streams;
static struct traffic *traffic;

/* --- Rows ----------------------------------------------------------------------- */

static double us_of(const struct pair *pair, double quantile)
{
	return latency_quantile(&pair->latency, quantile) / 1000.0;
}

static json_t *row_of(const struct pair *pair, double seconds)
{
	char from[96], to[96], target[160];

	names_process(names, pair->key.from_pid, from, sizeof(from));
	names_process(names, pair->key.to_pid, to, sizeof(to));
	names_target(names, pair->key.owner, pair->key.to_pid, pair->key.node, target,
		     sizeof(target));
	return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:I, s:f, s:f, s:f, s:f}", "from", from, "to",
			 to, "target", target, "calls_s", pair->calls / seconds, "oneways_s",
			 pair->oneways / seconds, "kb_s", pair->bytes / seconds / 1000, "failed",
			 (json_int_t)pair->failed, "p50_us", us_of(pair, 0.5), "p90_us",
			 us_of(pair, 0.9), "p99_us", us_of(pair, 0.99), "max_us",
			 pair->latency.max / 1000.0);
}

static int by_calls(const void *a, const void *b)
{
	const struct pair *const *x = a, *const *y = b;
	uint64_t m = (*x)->calls + (*x)->oneways, n = (*y)->calls + (*y)->oneways;

	return m > n ? -1 : m < n;
}

/* Returns the busiest pairs, sorted by the number of messages. */
static json_t *busiest_rows(double seconds)
{
	json_t *rows = json_array();

	qsort(traffic->pairs, traffic->n, sizeof(*traffic->pairs), by_calls);
	for (size_t i = 0; i < traffic->n && i < MAX_ROWS; i++)
		rows = value_append(rows, row_of(traffic->pairs[i], seconds));
	return rows;
}

static int put(double seconds)
{
	static const struct column columns[] = {
		{ "FROM", "from", COLOR_NONE, false },
		{ "TO", "to", COLOR_NONE, false },
		{ "TARGET", "target", COLOR_BOLD, false },
		{ "CALLS/S", "calls_s", COLOR_NONE, true },
		{ "ONEWAYS/S", "oneways_s", COLOR_NONE, true },
		{ "KB/S", "kb_s", COLOR_NONE, true },
		{ "P50 us", "p50_us", COLOR_NONE, true },
		{ "P90", "p90_us", COLOR_NONE, true },
		{ "P99", "p99_us", COLOR_NONE, true },
		{ "MAX", "max_us", COLOR_NONE, true },
		{ "FAILED", "failed", COLOR_NONE, true },
	};
	json_t *rows = busiest_rows(seconds);
	int status;

	if (ctl.json)
		return out_line(json_pack("{s:f, s:I, s:o}", "seconds", seconds, "lost",
					  (json_int_t)traffic->lost, "pairs", rows));
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	if (traffic->lost)
		printf("%s%" PRIu64 " records were lost; the counts are too low%s\n",
		       out_color(COLOR_YELLOW), traffic->lost, out_plain());
	status = out_table(columns, sizeof(columns) / sizeof(*columns), rows);
	putchar('\n');
	return status ? status : out_flush();
}

/* --- Intervals ------------------------------------------------------------------ */

static int on_record(const struct ipc_record *record, void *userdata)
{
	const struct stream *stream = streams_find(streams, record);
	struct ipc_record message = *record;

	(void)userdata;
	/* A message of a stream counts for the service at which the stream was opened. */
	if (stream && names_service(names, stream->owner, stream->node)) {
		message.owner = stream->owner;
		message.node = stream->node;
	}
	/* Look up the names now: the processes may end before they are printed. */
	names_note(names, record->from_pid);
	names_note(names, record->to_pid);
	return traffic_add(traffic, &message) < 0 ? fail_memory() : STATUS_OK;
}

static int one_interval(struct monitor *monitor)
{
	uint64_t begin = clock_ns();
	int status;

	traffic_clear(traffic);
	status = monitor_run(monitor, begin + (uint64_t)interval_ms * 1000000);
	return status ? status : put((clock_ns() - begin) / 1e9);
}

static int run_monitor(void)
{
	struct monitor *monitor = NULL;
	int status;

	status = monitor_open(&monitor, IPC_MONITOR_MESSAGES | IPC_MONITOR_FAILURES, 0, 0,
			      on_record, NULL);
	signals_catch();
	while (!status && !signal_arrived()) {
		status = one_interval(monitor);
		if (!status && count && --count == 0) {
			count_ended();
			break;
		}
	}
	monitor_close(monitor);
	return status;
}

static int run(int argc, char **argv)
{
	int status;

	(void)argc;
	(void)argv;
	names = names_new(/* describe= */ false);
	streams = streams_new();
	traffic = names && streams ? traffic_new() : NULL;
	status = traffic ? run_monitor() : fail_memory();
	names_free(names);
	streams_free(streams);
	traffic_free(traffic);
	return status;
}

const struct verb verb_top = {
	.name = "top",
	.arguments = "",
	.summary = "print the busiest senders and objects at intervals",
	.description =
		"Prints at intervals the busiest pairs of sender and object: calls and oneways a\n"
		"second, the latency of calls in us (median, 90 %, 99 %, maximum; to 9 %), and FAILED:\n"
		"error replies, and failures (the bus did not deliver a message, or ended a call).\n"
		"Messages of a stream count as oneways to its service, in both directions. A terminal is\n"
		"cleared before each interval. Ctrl-C ends it. Needs the same permissions as ipcctl\n"
		"monitor. For threads, queues and buffers see ipcctl stats.\n",
	.example = "  sudo ipcctl top --interval 5\n",
	.timeout = NO_TIMEOUT,
	.statuses = ON_BUS,
	.options = options,
	.run = run,
};
