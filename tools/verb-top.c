// SPDX-License-Identifier: MIT
/*
 * ipcctl top: prints at intervals the calls and their latency, from the records of a
 * monitor, and queues and buffers, from the driver's state.
 */
#define _GNU_SOURCE
#include <inttypes.h>
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
static const char *sort = "calls";
static bool with_idle;

static const struct verb_option options[] = {
	{ "interval", "S", "length of an interval in seconds (default: 1)", .ms = &interval_ms },
	{ "count", "N", "end after N intervals", .number = &count, .min = 1, .max = MAX_COUNT },
	{ "sort", "COLUMN",
	  "calls (default), oneways, latency (99 %), failed, busy, queue,\n"
	  "                       bytes, held, pid or process",
	  .text = &sort },
	{ "idle", NULL, "print idle processes, too", .flag = &with_idle },
	{ 0 },
};

/* --- Order ---------------------------------------------------------------------- */

/* Numbers from the largest down, but pids and texts from the smallest up. */
static const struct order {
	const char *name;
	const char *key;
	bool upward;
} orders[] = {
	{ "calls", "calls_s", false },	{ "oneways", "oneways_s", false },
	{ "latency", "p99_us", false }, { "failed", "failed", false },
	{ "busy", "busy", false },	{ "queue", "queued", false },
	{ "bytes", "used", false },	{ "held", "held", false },
	{ "pid", "pid", true },		{ "process", "process", true },
};

#define N_ORDERS (sizeof(orders) / sizeof(*orders))

static size_t order;

static int choose_order(void)
{
	for (order = 0; order < N_ORDERS; order++)
		if (!strcmp(orders[order].name, sort))
			return STATUS_OK;
	return fail_with(STATUS_USAGE, "see ipcctl top --help", "no such column: %s", sort);
}

static int compare(const json_t *a, const json_t *b, const struct order *by)
{
	const json_t *x = json_object_get(a, by->key), *y = json_object_get(b, by->key);
	double m = json_number_value(x), n = json_number_value(y);
	int r;

	if (json_is_string(x) && json_is_string(y))
		r = strcmp(json_string_value(x), json_string_value(y));
	else
		r = m < n ? -1 : m > n;
	return by->upward ? r : -r;
}

static int by_order(const void *a, const void *b)
{
	static const struct order pid = { "pid", "pid", true };
	int r = compare(*(json_t *const *)a, *(json_t *const *)b, &orders[order]);

	return r ? r : compare(*(json_t *const *)a, *(json_t *const *)b, &pid);
}

static bool is_idle(const json_t *row)
{
	static const char *const keys[] = { "calls_s", "oneways_s", "failed",
					    "busy",    "queued",    "held" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (json_number_value(json_object_get(row, keys[i])) > 0)
			return false;
	return true;
}

/* Those that are printed, in their order. *ret_hidden: number of the others. */
static json_t *sorted(const json_t *procs, bool all, size_t *ret_hidden)
{
	json_t *rows = json_array(), *row;
	size_t i;

	json_array_foreach(procs, i, row)
		if (all || !is_idle(row))
			rows = value_append(rows, json_incref(row));
	*ret_hidden = json_array_size(procs) - json_array_size(rows);
	return value_sorted(rows, by_order);
}

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

static int put_procs(const json_t *rows)
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

	return out_rows(stdout, proc_columns, sizeof(proc_columns) / sizeof(*proc_columns), rows);
}

static int put_pairs(const json_t *rows)
{
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

	return out_rows(stdout, pair_columns, sizeof(pair_columns) / sizeof(*pair_columns), rows);
}

static int put_text(const json_t *procs, const json_t *pairs, uint64_t lost)
{
	size_t hidden;
	json_t *rows = sorted(procs, with_idle, &hidden);
	int status;

	if (!rows)
		return fail_memory();
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	if (lost)
		printf("%s%" PRIu64 " records were lost; the numbers are too low%s\n",
		       out_color(COLOR_YELLOW), lost, out_plain());
	status = put_procs(rows);
	json_decref(rows);
	if (hidden)
		printf("%s%zu idle %s hidden; --idle shows them%s\n", out_color(COLOR_DIM), hidden,
		       hidden == 1 ? "process is" : "processes are", out_plain());
	putchar('\n');
	if (!status)
		status = put_pairs(pairs);
	putchar('\n');
	return status ? status : out_flush();
}

static int put(struct names *names, const struct traffic *traffic, const json_t *state,
	       double seconds)
{
	json_t *procs = procs_of(traffic, state, seconds);
	json_t *pairs = pairs_of(names, traffic, seconds);
	int status;

	if (!procs || !pairs)
		status = fail_memory();
	else if (ctl.json)
		status = out_line(json_pack("{s:f, s:I, s:O, s:O}", "seconds", seconds, "lost",
					    (json_int_t)traffic->lost, "procs", procs, "pairs", pairs));
	else
		status = put_text(procs, pairs, traffic->lost);
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

static int run_monitor(struct names *names, struct traffic *traffic)
{
	struct monitor *monitor = NULL;
	int status;

	status = monitor_open(&monitor, IPC_MONITOR_MESSAGES | IPC_MONITOR_FAILURES, 0, 0,
			      traffic_on_record, traffic);
	stop_on_signals();
	while (!status && !stop_requested()) {
		status = one_interval(monitor, traffic, names);
		if (count && --count == 0)
			break;
	}
	monitor_close(monitor);
	return status;
}

static int run(int argc, char **argv)
{
	struct traffic *traffic;
	struct names *names;
	int status;

	(void)argc;
	(void)argv;
	status = choose_order();
	if (status)
		return status;
	names = names_new(/* describe= */ false);
	traffic = names ? traffic_new(names) : NULL;
	status = traffic ? run_monitor(names, traffic) : fail_memory();
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
		"the busiest pairs of sender and service. Processes without any traffic, queue and\n"
		"held buffers are hidden, but not in JSON. A terminal is cleared before each interval.\n"
		"Ctrl-C ends it. Needs what ipcctl monitor needs, and to read the bus's state as ipcctl\n"
		"stats does.\n",
	.example = "  sudo ipcctl top --interval 5\n",
	.statuses = ON_BUS,
	.options = options,
	.run = run,
};
