// SPDX-License-Identifier: MIT
/*
 * ipcctl top: prints at intervals the calls and their latency, from the records of a
 * monitor, and queues and buffers, from the driver's state.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "ipcctl.h"
#include "monitor.h"
#include "names.h"
#include "out.h"
#include "state.h"
#include "stats.h"
#include "stop.h"
#include "traffic.h"
#include "value.h"
#include "verbs.h"

#define MAX_ROWS 20

static unsigned int interval_ms = 1000;
static unsigned long count;

static const struct verb_option options[] = {
	{ "interval", "S", "length of an interval in seconds (default: 1)", .ms = &interval_ms },
	{ "count", "N", "end after N intervals", .number = &count, .min = 1, .max = MAX_COUNT },
	{ 0 },
};

/* --- One interval ------------------------------------------------------------------- */

static void set(json_t *object, const char *key, json_t *value)
{
	/* Without memory it is missing, and printed as "-". */
	json_object_set_new(object, key, value);
}

static void set_latency(json_t *row, const struct latency *latency)
{
	set(row, "p50_us", json_real(latency_quantile(latency, 0.5) / 1000.0));
	set(row, "p90_us", json_real(latency_quantile(latency, 0.9) / 1000.0));
	set(row, "p99_us", json_real(latency_quantile(latency, 0.99) / 1000.0));
	set(row, "max_us", json_real(latency->max / 1000.0));
}

/* Adds what a process received, summed over the senders. */
static void set_traffic(json_t *row, const struct traffic *traffic, double seconds)
{
	struct latency latency = { 0 };
	uint64_t calls = 0, oneways = 0, failed = 0;

	for (size_t i = 0; i < traffic->n; i++) {
		const struct pair *pair = &traffic->pairs[i];

		if (pair->to != value_number(row, "pid"))
			continue;
		calls += pair->calls;
		oneways += pair->oneways;
		failed += pair->errors + pair->failures;
		latency_join(&latency, &pair->latency);
	}
	set(row, "calls_s", json_real(calls / seconds));
	set(row, "oneways_s", json_real(oneways / seconds));
	set(row, "failed", json_integer(failed));
	set_latency(row, &latency);
}

static json_t *procs_of(const struct traffic *traffic, const json_t *state, double seconds)
{
	json_t *rows = stats_rows(state), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		set_traffic(row, traffic, seconds);
	return rows;
}

static int by_calls(const void *a, const void *b)
{
	const struct pair *const *x = a, *const *y = b;
	uint64_t m = (*x)->calls + (*x)->oneways, n = (*y)->calls + (*y)->oneways;

	return m > n ? -1 : m < n;
}

static json_t *pair_row(struct names *names, const struct pair *pair, double seconds)
{
	char from[96], to[96], service[160];
	json_t *row;

	names_process(names, pair->from, from, sizeof(from));
	names_process(names, pair->to, to, sizeof(to));
	names_target(names, pair->to, pair->node, service, sizeof(service));
	row = json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:I}", "from", from, "to", to, "service",
			service, "calls_s", pair->calls / seconds, "oneways_s",
			pair->oneways / seconds, "kb_s", pair->bytes / seconds / 1000, "failed",
			(json_int_t)pair->errors + (json_int_t)pair->failures);
	if (row)
		set_latency(row, &pair->latency);
	return row;
}

/* Sorted by the number of messages. */
static json_t *pairs_of(struct names *names, const struct traffic *traffic, double seconds)
{
	const struct pair **sorted = calloc(traffic->n + 1, sizeof(*sorted));
	json_t *rows = sorted ? json_array() : NULL;
	size_t n = 0;

	for (size_t i = 0; sorted && i < traffic->n; i++)
		if (traffic->pairs[i].calls || traffic->pairs[i].oneways ||
		    traffic->pairs[i].failures)
			sorted[n++] = &traffic->pairs[i];
	if (rows)
		qsort(sorted, n, sizeof(*sorted), by_calls);
	for (size_t i = 0; rows && i < n && i < MAX_ROWS; i++)
		rows = value_append(rows, pair_row(names, sorted[i], seconds));
	free(sorted);
	return rows;
}

/* --- Showing -------------------------------------------------------------------- */

static int put_text(const json_t *procs, const json_t *pairs, const struct traffic *traffic)
{
	static const struct column proc_columns[] = {
		{ "PID", "pid", COLOR_NONE, true },
		{ "PROCESS", "process", COLOR_BOLD, false },
		{ "CALLS/S", "calls_s", COLOR_NONE, true },
		{ "ONEWAYS/S", "oneways_s", COLOR_NONE, true },
		{ "P50 us", "p50_us", COLOR_NONE, true },
		{ "P90", "p90_us", COLOR_NONE, true },
		{ "P99", "p99_us", COLOR_NONE, true },
		{ "MAX", "max_us", COLOR_NONE, true },
		{ "FAILED", "failed", COLOR_NONE, true },
		{ "THREADS", "threads", COLOR_NONE, true },
		{ "BUSY", "busy", COLOR_NONE, true },
		{ "QUEUE", "queued", COLOR_NONE, true },
		{ "MS", "queued_ms", COLOR_DIM, true },
		{ "BUFFERS", "buffers", COLOR_NONE, true },
		{ "BYTES", "used", COLOR_NONE, true },
		{ "HELD", "held", COLOR_NONE, true },
		{ "MS", "held_ms", COLOR_DIM, true },
	};
	static const struct column pair_columns[] = {
		{ "FROM", "from", COLOR_NONE, false },
		{ "TO", "to", COLOR_NONE, false },
		{ "SERVICE", "service", COLOR_BOLD, false },
		{ "CALLS/S", "calls_s", COLOR_NONE, true },
		{ "ONEWAYS/S", "oneways_s", COLOR_NONE, true },
		{ "KB/S", "kb_s", COLOR_NONE, true },
		{ "P50 us", "p50_us", COLOR_NONE, true },
		{ "P99", "p99_us", COLOR_NONE, true },
		{ "FAILED", "failed", COLOR_NONE, true },
	};
	int status;

	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	if (traffic->lost)
		printf("%s%llu records were lost; the numbers are too low%s\n",
		       out_color(COLOR_YELLOW), (unsigned long long)traffic->lost, out_plain());
	status = out_rows(stdout, proc_columns,
			  sizeof(proc_columns) / sizeof(*proc_columns), procs);
	putchar('\n');
	if (!status)
		status = out_rows(stdout, pair_columns,
				  sizeof(pair_columns) / sizeof(*pair_columns), pairs);
	putchar('\n');
	return status ? status : out_flush();
}

static int put(struct names *names, const struct traffic *traffic, const json_t *state,
	       double seconds)
{
	json_t *procs = procs_of(traffic, state, seconds);
	json_t *pairs = pairs_of(names, traffic, seconds);
	int status;

	if (procs && pairs && ctl.json)
		return out_line(json_pack("{s:f, s:I, s:o, s:o}", "seconds", seconds, "lost",
					  (json_int_t)traffic->lost, "procs", procs, "pairs",
					  pairs));
	status = procs && pairs ? put_text(procs, pairs, traffic) : fail_memory();
	json_decref(procs);
	json_decref(pairs);
	return status;
}

static int one_interval(struct monitor *monitor, struct traffic *traffic, struct names *names)
{
	uint64_t begin = clock_ns();
	json_t *state;
	int status;

	traffic_begin(traffic);
	status = monitor_run(monitor, begin + (uint64_t)interval_ms * 1000000);
	if (!status)
		status = state_read("state", &state);
	if (status)
		return status;
	status = put(names, traffic, state, (clock_ns() - begin) / 1e9);
	json_decref(state);
	return status;
}

static int run(int argc, char **argv)
{
	struct names *names = names_new(/* describe= */ false);
	struct traffic *traffic = names ? traffic_new(names) : NULL;
	struct monitor *monitor = NULL;
	int status;

	(void)argc;
	(void)argv;
	if (traffic)
		status = monitor_open(&monitor, IPC_MONITOR_MESSAGES | IPC_MONITOR_FAILURES, 0, 0,
				      traffic_on_record, traffic);
	else
		status = fail_memory();
	stop_on_signals();
	while (!status && !stop_requested()) {
		status = one_interval(monitor, traffic, names);
		if (count && --count == 0)
			break;
	}
	monitor_close(monitor);
	names_free(names);
	traffic_free(traffic);
	return status;
}

const struct verb verb_top = {
	.name = "top",
	.arguments = "",
	.summary = "print calls, latency, queues and buffers at intervals",
	.description =
		"Prints, once an interval, a line for each process with what it received: calls and\n"
		"oneways a second, the latency of calls in us (median, 90 %, 99 %, maximum; to 9 %),\n"
		"failed calls; then threads, queue and buffers as ipcctl stats does. A second table has\n"
		"the busiest pairs of sender and service. Needs CAP_SYS_ADMIN in the user namespace in\n"
		"which the bus was mounted. Ctrl-C ends it.\n",
	.example = "  sudo ipcctl top --interval 5\n",
	.statuses = ON_BUS,
	.options = options,
	.run = run,
};
