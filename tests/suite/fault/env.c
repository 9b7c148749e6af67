// SPDX-License-Identifier: MIT
/*
 * The bus, the bystanders and the driver's counters; see env.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env.h"

struct raw srv = { .fd = -1 }, cli = { .fd = -1 }, oth = { .fd = -1 };
uint64_t srv_node;

static struct raw near = { .fd = -1 }, far = { .fd = -1 };
static uint32_t far_handle;
static struct ipcbus_event far_call;

static struct {
	bool ready;
	char stats[8192];
	struct files files;
} before;

static void bus_open(void)
{
	env_open(&srv);
	env_open(&cli);
	env_open(&oth);
	srv_node = raw_node(&srv, IPCBUS_NODE_ACCEPT_FDS, SRV_COOKIE);
	assert_ok(raw_claim(&srv, srv_node));
}

static void bus_close(void)
{
	env_close(&oth);
	env_close(&cli);
	env_close(&srv);
}

/* --- Counters ----------------------------------------------------------------- */

static void read_stats(char *text, size_t size)
{
	assert_ok(dev_debug("stats", text, size));
}

/* Reads the driver's counters without the totals, which only grow. */
static void read_live(char *live, size_t size)
{
	char text[sizeof(before.stats)], *rest = text, *line;
	size_t used = 0;

	read_stats(text, sizeof(text));
	live[0] = 0;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			used += snprintf(live + used, size - used, "%.*s\n",
					 (int)(strrchr(line, ' ') - line), line);
	ck_assert_uint_lt(used, size);
}

static void counter(const char *name, long *ret_live, long *ret_total)
{
	char text[sizeof(before.stats)], *rest = text, *line, word[32];

	read_stats(text, sizeof(text));
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%31s %ld %ld", word, ret_live, ret_total) == 3 &&
		    !strcmp(word, name))
			return;
	ck_abort_msg("the driver counts no %s", name);
}

long live(const char *name)
{
	long live = 0, total = 0;

	counter(name, &live, &total);
	return live;
}

long total(const char *name)
{
	long live = 0, total = 0;

	counter(name, &live, &total);
	return total;
}

/* A worker closes files, and a real kernel frees memory after RCU readers, a moment later. */
static void expect_as_before(void)
{
	char now[sizeof(before.stats)];

	for (int i = 0; i < 2000; i++) {
		read_live(now, sizeof(now));
		if (!strcmp(now, before.stats))
			break;
		env_moment();
	}
	ck_assert_msg(!strcmp(now, before.stats), "left behind: now\n%swas\n%s", now, before.stats);
	env_expect_as_noted();
	files_expect(&before.files);
}

/* --- The bystanders ---------------------------------------------------------- */

static void bystanders_begin(void)
{
	raw_call(&near, far_handle, 7, "over their heads", 16);
	raw_take(&far, IPCBUS_EVENT_CALL, &far_call);
	raw_holds(&far, &far_call, "over their heads", 16);
	raw_release(&far, &far_call);
}

static void bystanders_end(void)
{
	struct ipcbus_event ev;

	raw_reply(&far, far_call.call, "so it is", 8);
	raw_take(&near, IPCBUS_EVENT_REPLY, &ev);
	raw_holds(&near, &ev, "so it is", 8);
	raw_release(&near, &ev);
	raw_none(&near);
	raw_none(&far);
}

/* --- The environment --------------------------------------------------------- */

void env_init(void)
{
	if (before.ready)
		return;
	before.ready = true;
	env_boot();
	bus_open();
	env_open(&near);
	env_open(&far);
	far_handle = give_handle(&near, &far, raw_node(&far, 0, 1));
	bus_close();
	/* State that the first calls leave in their threads is not a leak. */
	for (int i = 0; i < 3; i++) {
		bystanders_begin();
		bystanders_end();
	}
	env_note();
	read_live(before.stats, sizeof(before.stats));
	files_note(&before.files);
}

void env_begin(void)
{
	bystanders_begin();
	bus_open();
}

void env_end(void)
{
	bus_close();
	bystanders_end();
	expect_as_before();
}

/* --- Objects and events ------------------------------------------------------ */

uint32_t give_handle(const struct raw *to, const struct raw *from, uint64_t node)
{
	return raw_hand(&srv, to, from, node);
}

void next_past_idle(const struct raw *r, struct ipcbus_event *ev)
{
	do
		assert_ok(raw_next(r, IPCBUS_SERVE | IPCBUS_NONBLOCK, ev));
	while (ev->kind == IPCBUS_EVENT_IDLE);
}

void take_past_idle(const struct raw *r, uint32_t kind, struct ipcbus_event *ev)
{
	next_past_idle(r, ev);
	ck_assert_msg(ev->kind == kind, "event %u (error %s, stage %u), wanted %u", ev->kind,
		      errname(ev->error), ev->stage, kind);
}
