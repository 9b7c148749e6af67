// SPDX-License-Identifier: MIT
/*
 * ipcctl graph: who talks to whom, as DOT or SVG: processes, and between them what
 * was seen to be called within some seconds, or which objects they hold.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "draw.h"
#include "ipcctl.h"
#include "monitor.h"
#include "names.h"
#include "out.h"
#include "state.h"
#include "stop.h"
#include "traffic.h"
#include "verbs.h"

static unsigned int seconds_ms;
static bool svg;

static const struct option options[] = {
	{ "time", required_argument, NULL, 't' },
	{ "svg", no_argument, NULL, 's' },
	{ NULL, 0, NULL, 0 },
};

static int option(int key, const char *value)
{
	if (key == 't')
		return parse_seconds("--time", value, &seconds_ms);
	svg = true;
	return 0;
}

/* --- Edges ---------------------------------------------------------------------- */

/* An edge: from and to are processes' names, service what is there. */
static json_t *edge_new(struct names *names, uint32_t from, uint32_t to, uint32_t node)
{
	char a[96], b[96], service[160];

	names_process(names, from, a, sizeof(a));
	names_process(names, to, b, sizeof(b));
	names_target(names, to, node, service, sizeof(service));
	return json_pack("{s:s, s:s, s:s}", "from", a, "to", b, "service", service);
}

static int add_edge(json_t *edges, json_t *edge)
{
	return json_array_append_new(edges, edge);
}

static json_int_t pid_of(const json_t *state, json_int_t number)
{
	json_t *proc;
	size_t i;

	json_array_foreach(state_all(state, "proc"), i, proc)
		if (state_number(proc, "proc") == number)
			return state_number(proc, "pid");
	return 0;
}

/* Handles: the state says whose, and of what. Ours are of no interest. */
static int edges_of_state(struct names *names, const json_t *state, json_t *edges)
{
	json_t *handle;
	size_t i;

	json_array_foreach(state_all(state, "handle"), i, handle) {
		json_int_t holder = pid_of(state, state_number(handle, "proc"));

		if (holder && holder != getpid() &&
		    add_edge(edges, edge_new(names, holder, state_number(handle, "pid"),
					     state_number(handle, "node"))) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int edges_of_traffic(struct names *names, const struct traffic *traffic, json_t *edges)
{
	for (size_t i = 0; i < traffic->n; i++) {
		const struct pair *pair = &traffic->pairs[i];
		json_t *edge = edge_new(names, pair->from, pair->to, pair->node);

		if (!edge)
			return -ENOMEM;
		json_object_set_new(edge, "calls", json_integer(pair->calls));
		json_object_set_new(edge, "oneways", json_integer(pair->oneways));
		json_object_set_new(edge, "failures",
				    json_integer(pair->errors + pair->failures));
		json_object_set_new(edge, "p50_us",
				    json_real(latency_share(&pair->latency, 0.5) / 1000.0));
		if (add_edge(edges, edge) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int look_at_traffic(struct names *names, json_t *edges)
{
	struct traffic *traffic = traffic_new(names);
	struct monitor *monitor = NULL;
	int status;

	if (!traffic)
		return fail_memory();
	status = monitor_open(&monitor, IPC_MONITOR_MESSAGES | IPC_MONITOR_FAILURES, 0, 0,
			      traffic_on_record, traffic);
	stop_on_signals();
	if (!status)
		status = monitor_run(monitor, clock_ns() + (uint64_t)seconds_ms * 1000000);
	if (!status && edges_of_traffic(names, traffic, edges) < 0)
		status = fail_memory();
	monitor_close(monitor);
	traffic_free(traffic);
	return status;
}

static int look_at_handles(struct names *names, json_t *edges)
{
	json_t *state;
	int status = state_read("state", &state);

	if (status)
		return status;
	if (edges_of_state(names, state, edges) < 0)
		status = fail_memory();
	json_decref(state);
	return status;
}

/* --- The verb ------------------------------------------------------------------- */

static int put(json_t *edges)
{
	int status = STATUS_OK;

	if (ctl.json)
		return out_json(edges);
	if (svg)
		status = draw_svg(edges);
	else
		draw_dot(stdout, edges);
	json_decref(edges);
	if (fflush(stdout) < 0)
		return fail_with(STATUS_FAILED, NULL, "cannot write to standard output");
	return status;
}

static int run(int argc, char **argv)
{
	struct names *names = names_new();
	json_t *edges = json_array();
	int status;

	(void)argc;
	(void)argv;
	if (!names || !edges)
		status = fail_memory();
	else if (seconds_ms)
		status = look_at_traffic(names, edges);
	else
		status = look_at_handles(names, edges);
	names_free(names);
	if (!status)
		return put(edges);
	json_decref(edges);
	return status;
}

const struct verb verb_graph = {
	.name = "graph",
	.arguments = "",
	.summary = "who talks to whom, as DOT, SVG or JSON",
	.help = "Draws the processes on the bus and who holds whose objects or, with --time, who called\n"
		"whom in those seconds, how often, how long it took at the median, and in red where\n"
		"something failed. DOT is for graphviz; --svg has it make a picture.\n"
		"\n"
		"      --time S         watch the traffic for S seconds\n"
		"      --svg            SVG, by graphviz's dot\n",
	.options = options,
	.option = option,
	.run = run,
};
