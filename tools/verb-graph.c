// SPDX-License-Identifier: MIT
/*
 * ipcctl graph: draws the processes on a bus, and between them the objects they hold or the
 * calls of some seconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "draw.h"
#include "ipcctl.h"
#include "monitor.h"
#include "names.h"
#include "out.h"
#include "state.h"
#include "stop.h"
#include "traffic.h"
#include "value.h"
#include "verbs.h"

static unsigned int seconds_ms;
static bool svg;

static const struct verb_option options[] = {
	{ "time", "S", "draw the traffic of S seconds", .ms = &seconds_ms },
	{ "svg", NULL, "print SVG (needs graphviz)", .flag = &svg },
	{ 0 },
};

/* --- Edges ---------------------------------------------------------------------- */

/* An edge between two processes; service: the object at its end. */
static json_t *edge_new(struct names *names, uint32_t from, uint32_t to, uint32_t node)
{
	char a[96], b[96], service[160];

	names_process(names, from, a, sizeof(a));
	names_process(names, to, b, sizeof(b));
	names_target(names, to, node, service, sizeof(service));
	return json_pack("{s:s, s:s, s:s}", "from", a, "to", b, "service", service);
}

/* An edge for each handle but our own. */
static json_t *edges_of_state(struct names *names, const json_t *state)
{
	json_t *procs = value_index(json_object_get(state, "proc"), "proc");
	json_t *edges = json_array(), *handle;
	size_t i;

	json_array_foreach(json_object_get(state, "handle"), i, handle) {
		json_int_t holder =
			value_number(value_indexed(procs, value_number(handle, "proc")), "pid");

		if (edges && holder && holder != getpid())
			edges = value_append(edges,
					     edge_new(names, holder, value_number(handle, "pid"),
						      value_number(handle, "node")));
	}
	json_decref(procs);
	return edges;
}

static json_t *edges_of_traffic(struct names *names, const struct traffic *traffic)
{
	json_t *edges = json_array();

	for (size_t i = 0; edges && i < traffic->n; i++) {
		const struct pair *pair = &traffic->pairs[i];
		json_t *edge = edge_new(names, pair->from, pair->to, pair->node);

		edge = value_set(edge, "calls", json_integer(pair->calls));
		edge = value_set(edge, "oneways", json_integer(pair->oneways));
		edge = value_set(edge, "failures", json_integer(pair->errors + pair->failures));
		edge = value_set(edge, "p50_us",
				 json_real(latency_quantile(&pair->latency, 0.5) / 1000.0));
		edges = value_append(edges, edge);
	}
	return edges;
}

static int get_traffic_edges(struct names *names, json_t **ret_edges)
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
	if (!status)
		*ret_edges = edges_of_traffic(names, traffic);
	monitor_close(monitor);
	traffic_free(traffic);
	return status;
}

static int get_handle_edges(struct names *names, json_t **ret_edges)
{
	json_t *state;
	int status = state_read("state", &state);

	if (status)
		return status;
	*ret_edges = edges_of_state(names, state);
	json_decref(state);
	return STATUS_OK;
}

/* --- The verb ------------------------------------------------------------------- */

static int put(json_t *edges)
{
	int status = STATUS_OK;

	if (ctl.json || !edges)
		return out_json(edges);
	if (svg)
		status = draw_svg(edges);
	else
		draw_dot(stdout, edges);
	json_decref(edges);
	return status ? status : out_flush();
}

static int run(int argc, char **argv)
{
	struct names *names = names_new(/* describe= */ false);
	json_t *edges = NULL;
	int status;

	(void)argc;
	(void)argv;
	if (!names)
		return fail_memory();
	status = seconds_ms ? get_traffic_edges(names, &edges) : get_handle_edges(names, &edges);
	names_free(names);
	return status ? status : put(edges);
}

const struct verb verb_graph = {
	.name = "graph",
	.arguments = "",
	.summary = "draw the processes and their connections as DOT or SVG",
	.description =
		"Prints a graph of the processes on the bus. An edge is an object that a process holds,\n"
		"from the holder to the owner. With --time, an edge is traffic within that time: number\n"
		"of calls and oneways, median latency, and red if a message failed. The format is DOT,\n"
		"for graphviz. Needs root, or the owner of a mounted bus or of an ipcbusd; with --time,\n"
		"the same as ipcctl monitor.\n",
	.example = "  sudo ipcctl graph --time 5 --svg >bus.svg\n",
	.statuses = ON_BUS,
	.options = options,
	.run = run,
};
