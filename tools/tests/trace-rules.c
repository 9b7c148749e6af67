// SPDX-License-Identifier: MIT
/*
 * The rules of the Chrome trace format. Slices ("X") of one thread lie within each
 * other or apart; asynchronous ones ("b", "e") come in pairs; an arrow has one
 * beginning ("s") and one end ("f", bound to the slice around it), not earlier, and
 * each lies on a slice of its thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace-rules.h"

static char fault[512];

/* Times are microseconds with a fraction: compared to the nanosecond. */
#define NEAR 0.0015

static const char *text(const json_t *event, const char *key)
{
	const char *value = json_string_value(json_object_get(event, key));

	return value ? value : "";
}

static double at(const json_t *event)
{
	return json_number_value(json_object_get(event, "ts"));
}

static double end_of(const json_t *event)
{
	return at(event) + json_number_value(json_object_get(event, "dur"));
}

static int same_thread(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "pid"), json_object_get(b, "pid")) &&
	       json_equal(json_object_get(a, "tid"), json_object_get(b, "tid"));
}

static void blame(const json_t *event, const char *what)
{
	char *all;

	if (fault[0])
		return;
	all = json_dumps(event, JSON_COMPACT);
	snprintf(fault, sizeof(fault), "%s: %.400s", what, all ? all : "");
	free(all);
}

static void check_fields(const json_t *event)
{
	static const char *const known[] = { "X", "M", "b", "e", "s", "f", NULL };
	const char *phase = text(event, "ph");
	int i = 0;

	while (known[i] && strcmp(known[i], phase))
		i++;
	if (!known[i])
		blame(event, "unknown phase");
	if (!*text(event, "name"))
		blame(event, "no name");
	if (!json_is_integer(json_object_get(event, "pid")) ||
	    !json_is_integer(json_object_get(event, "tid")))
		blame(event, "pid and tid are numbers");
	if (*phase == 'M')
		return;
	if (!json_is_number(json_object_get(event, "ts")) || at(event) < 0)
		blame(event, "no time");
	if (*phase == 'X' && !(json_number_value(json_object_get(event, "dur")) > 0))
		blame(event, "no duration");
	if (*phase != 'X' && (!*text(event, "id") || !*text(event, "cat")))
		blame(event, "no id or category");
}

/* --- Slices --------------------------------------------------------------------- */

static void check_nesting(const json_t *events, const json_t *a)
{
	const json_t *b;
	size_t i;

	json_array_foreach(events, i, b) {
		if (a == b || *text(b, "ph") != 'X' || !same_thread(a, b))
			continue;
		if (at(a) <= at(b) && at(b) + NEAR < end_of(a) && end_of(b) > end_of(a) + NEAR &&
		    at(a) + NEAR < at(b))
			blame(b, "overlaps another slice of its thread");
	}
}

static int is_on_a_slice(const json_t *events, const json_t *end)
{
	const json_t *b;
	size_t i;

	json_array_foreach(events, i, b) if (*text(b, "ph") == 'X' && same_thread(end, b) &&
					     at(b) <= at(end) + NEAR &&
					     at(end) <= end_of(b) + NEAR) return 1;
	return 0;
}

/* --- Pairs ---------------------------------------------------------------------- */

/* The one event of that phase that belongs to this one. */
static const json_t *partner(const json_t *events, const json_t *event, char phase)
{
	const json_t *b, *found = NULL;
	size_t i;

	json_array_foreach(events, i, b) {
		if (*text(b, "ph") != phase || strcmp(text(b, "id"), text(event, "id")) ||
		    strcmp(text(b, "cat"), text(event, "cat")) ||
		    strcmp(text(b, "name"), text(event, "name")))
			continue;
		if (found)
			blame(b, "two of the same id");
		found = b;
	}
	return found;
}

static void check_arrow(const json_t *events, const json_t *begin)
{
	const json_t *end = partner(events, begin, 'f');

	if (!end)
		blame(begin, "an arrow without an end");
	else if (at(end) + NEAR < at(begin))
		blame(end, "an arrow that goes back in time");
	else if (strcmp(text(end, "bp"), "e"))
		blame(end, "an arrow's end that is bound to the next slice");
	else if (!is_on_a_slice(events, begin) || !is_on_a_slice(events, end))
		blame(begin, "an arrow from or to nowhere");
}

static void check_pairs(const json_t *events, const json_t *event)
{
	switch (*text(event, "ph")) {
	case 'X':
		check_nesting(events, event);
		break;
	case 's':
		check_arrow(events, event);
		break;
	case 'f':
		if (!partner(events, event, 's'))
			blame(event, "an arrow without a beginning");
		break;
	case 'b':
		if (!partner(events, event, 'e') || at(partner(events, event, 'e')) < at(event))
			blame(event, "it does not end after its beginning");
		break;
	case 'e':
		if (!partner(events, event, 'b'))
			blame(event, "it has no beginning");
		break;
	default:
		break;
	}
}

const char *trace_fault(const json_t *trace)
{
	const json_t *events = json_object_get(trace, "traceEvents");
	json_t *event;
	size_t i;

	fault[0] = '\0';
	if (!json_is_array(events))
		return "there are no traceEvents";
	json_array_foreach(events, i, event) check_fields(event);
	/* Comparing all with all takes long when there are many: the first will do. */
	json_array_foreach(events, i, event) if (i < 2000) check_pairs(events, event);
	return fault;
}

size_t trace_arrows(const json_t *trace)
{
	json_t *event;
	size_t i, n = 0;

	json_array_foreach(json_object_get(trace, "traceEvents"), i, event) n +=
		*text(event, "ph") == 's';
	return n;
}
