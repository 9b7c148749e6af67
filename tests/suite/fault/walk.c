// SPDX-License-Identifier: MIT
/*
 * The walk; see walk.h. FAIL_SEED=N selects other pairs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "content.h"
#include "tap.h"
#include "walk.h"

#define MOST_POINTS 1000
#define PAIRS 24

static const char *const kind_name[POINTS] = {
	[POINT_ALLOC] = "allocation",
	[POINT_PAGE] = "page",
	[POINT_COPY] = "user copy",
	[POINT_FD] = "new fd",
	[POINT_ANY] = "point",
};

static const struct plan *running;
static unsigned int last_stage;

/* --- A run -------------------------------------------------------------------- */

void tap_context(void)
{
	if (!running || !running->n)
		printf("#   no failure was injected\n");
	for (unsigned int i = 0; running && i < running->n; i++) {
		printf("#   failing: %s %u", kind_name[running->fail[i].kind],
		       running->fail[i].nth);
		if (running->fail[i].gap)
			printf(" and again %u later", running->fail[i].gap);
		printf("\n");
	}
}

static bool run(const struct scenario *sc, const struct plan *plan)
{
	struct state s = { .sc = sc, .plan = plan, .fd = -1 };
	bool failed;
	int r;

	running = plan;
	env_begin();
	sc->prepare(&s);
	files_note(&s.files);
	env_arm(sc->actor, plan);
	r = sc->act(&s);
	failed = env_disarm(sc->actor, plan);
	if (!failed)
		ck_assert_msg(r >= 0, "%s, although no failure was injected", errname(r));
	sc->finish(&s, r);
	env_end();
	return failed;
}

static unsigned int walk_kind(const struct scenario *sc, enum point kind)
{
	struct plan plan = { .n = 1, .fail[0] = { .kind = kind, .nth = 1 } };

	if (!env_has(kind))
		return 0;
	last_stage = 0;
	while (run(sc, &plan))
		ck_assert_msg(++plan.fail[0].nth < MOST_POINTS, "there is no end of it");
	return plan.fail[0].nth - 1;
}

static uint32_t random_below(uint32_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state % n;
}

/*
 * Uses only known kinds. The second step may exist only on the path after the first failure. It is
 * thus chosen from a few more steps than the path without failure has.
 */
static void choose_pair(struct plan *plan, const unsigned int *points, uint32_t *state)
{
	enum point a, b;

	do
		a = random_below(state, POINT_ANY);
	while (!points[a]);
	b = random_below(state, POINT_ANY);
	*plan = (struct plan){ .n = 1 };
	plan->fail[0].kind = a;
	plan->fail[0].nth = 1 + random_below(state, points[a]);
	if (a == b) {
		plan->fail[0].gap = 1 + random_below(state, 4);
		return;
	}
	plan->n = 2;
	plan->fail[1].kind = b;
	plan->fail[1].nth = 1 + random_below(state, points[b] + 2);
}

static unsigned int walk_pairs(const struct scenario *sc, const unsigned int *points)
{
	const char *seed = getenv("FAIL_SEED");
	uint32_t state = (seed ? strtoul(seed, NULL, 0) : 1) * 2654435761U + tap_number();
	struct plan plan;

	for (int i = 0; i < POINT_ANY; i++) {
		if (!points[i])
			continue;
		for (unsigned int n = 0; n < PAIRS; n++) {
			choose_pair(&plan, points, &state);
			run(sc, &plan);
		}
		return PAIRS;
	}
	return 0;
}

/* --- All runs of a scenario -------------------------------------------------- */

static void walk(const void *arg)
{
	const struct plan none = { .n = 0 };
	unsigned int points[POINTS], sum = 0, pairs;
	const struct scenario *sc = arg;

	env_init();
	run(sc, &none);
	for (int i = 0; i < POINTS; i++)
		sum += points[i] = walk_kind(sc, i);
	pairs = walk_pairs(sc, points);
	tap_ok("%u points, %u pairs", sum, pairs);
}

void walk_all(const struct scenario *scenarios, size_t n)
{
	char name[128];

	for (size_t i = 0; i < n; i++) {
		const struct scenario *sc = &scenarios[i];

		snprintf(name, sizeof(name), "%s%s%s", sc->name, sc->content ? ": " : "",
			 sc->content ? content_name(sc->content) : "");
		if (env_lacks(sc->name))
			record_skip(name, env_lacks(sc->name));
		else
			tap_run(name, walk, sc);
	}
}

/* --- Possible results ----------------------------------------------------------------- */

bool is_single(const struct state *s)
{
	return s->plan->n == 1 && !s->plan->fail[0].gap && s->plan->fail[0].kind != POINT_ANY;
}

bool is_copy(const struct state *s, unsigned int nth)
{
	return is_single(s) && s->plan->fail[0].kind == POINT_COPY &&
	       s->plan->fail[0].nth == nth;
}

bool may_fail_with(const struct state *s, int r)
{
	static const int error[POINTS] = {
		[POINT_ALLOC] = -ENOMEM,
		[POINT_PAGE] = -ENOMEM,
		[POINT_COPY] = -EFAULT,
		[POINT_FD] = -EMFILE,
	};

	for (unsigned int i = 0; i < s->plan->n; i++)
		if (s->plan->fail[i].kind == POINT_ANY ? r == -ENOMEM || r == -EFAULT :
							 r == error[s->plan->fail[i].kind])
			return true;
	return false;
}

bool is_silent(const struct state *s)
{
	return s->x.event.kind == 0xa5a5a5a5;
}

/* A later step never fails in an earlier stage. */
void check_order(unsigned int stage)
{
	if (running->n != 1 || running->fail[0].gap || running->fail[0].kind == POINT_ANY)
		return;
	ck_assert_msg(stage >= last_stage, "stage %u, after %u", stage, last_stage);
	last_stage = stage;
}

static void check_stage(const struct state *s)
{
	static const unsigned int allowed[POINTS] = {
		[POINT_ALLOC] = 1U << IPCBUS_STAGE_TARGET | 1U << IPCBUS_STAGE_BUFFER |
				    1U << IPCBUS_STAGE_OBJECT,
		[POINT_PAGE] = 1U << IPCBUS_STAGE_BUFFER,
		[POINT_COPY] = 1U << IPCBUS_STAGE_RELEASE | 1U << IPCBUS_STAGE_COPY |
				   1U << IPCBUS_STAGE_OBJECT,
	};
	const struct ipcbus_send *send = &s->x.send;
	const struct ipcbus_event *ev = &s->x.event;
	unsigned int most = 0;

	if (is_single(s))
		ck_assert_msg(allowed[s->plan->fail[0].kind] & 1U << ev->stage, "stage %u", ev->stage);
	if (ev->stage == IPCBUS_STAGE_RELEASE)
		most = s->x.release_count;
	if (ev->stage == IPCBUS_STAGE_COPY)
		most = send->data_size && !send->iov_count ? 1 : send->iov_count;
	if (ev->stage == IPCBUS_STAGE_OBJECT)
		most = send->object_count;
	if (ev->stage == IPCBUS_STAGE_TARGET || ev->stage == IPCBUS_STAGE_BUFFER)
		most = 1;
	ck_assert_msg(ev->index < most, "index %u of %u at stage %u", ev->index, most, ev->stage);
	check_order(ev->stage);
}

int exchange(struct state *s, const struct raw *who)
{
	int r = raw_exchange(who, &s->x);

	if (r < 0 && !is_silent(s))
		check_stage(s);
	return r;
}

bool event_came(struct state *s, const struct raw *who, int r, struct ipcbus_event *ret)
{
	bool lost;

	assert_may(s, r);
	*ret = s->x.event;
	if (r == 0)
		return true;
	assert_ok(raw_next(who, IPCBUS_SERVE | IPCBUS_NONBLOCK, ret));
	lost = r == -EFAULT && ret->kind == IPCBUS_EVENT_NONE;
	/* The first copy reads the structure, the last one returns the event. */
	if (is_single(s))
		ck_assert_msg(lost == (r == -EFAULT && !is_copy(s, 1)), "event %u after %s",
			      ret->kind, errname(r));
	if (lost) {
		files_close_new(&s->files);
		content_done(s);
	}
	return !lost;
}

void check_effect(const struct state *s, int r, bool happened)
{
	assert_may(s, r);
	if (r == 0)
		ck_assert_msg(happened, "it returned 0 without an effect");
	else if (r != -EFAULT || !is_silent(s))
		ck_assert_msg(!happened, "it failed with %s, and happened", errname(r));
	else if (is_single(s))
		/* The first copy reads the structure, the last one returns the event. */
		ck_assert_msg(happened == !is_copy(s, 1), "user copy %u failed, %s",
			      s->plan->fail[0].nth, happened ? "and happened" : "without a word");
}

/* --- Counting ---------------------------------------------------------------- */

static const char *const count_name[COUNTS] = {
	[NODES] = "nodes", [HANDLES] = "handles", [WATCHES] = "watches",
	[TRANSACTIONS] = "transactions", [BUFFERS] = "buffers", [FILES] = "files",
};

void note_counts(struct state *s)
{
	for (int i = 0; i < COUNTS; i++)
		s->counts[i] = live(count_name[i]);
}

void wait_for_files(long files)
{
	for (int i = 0; i < 2000 && live("files") != files; i++)
		env_moment();
	ck_assert_int_eq(live("files"), files);
}

void expect_undone(const struct state *s, long more_handles)
{
	wait_for_files(s->counts[FILES]);
	for (int i = 0; i < COUNTS; i++) {
		long now = live(count_name[i]), most = s->counts[i];

		if (i == HANDLES)
			most += more_handles;
		ck_assert_msg(now >= s->counts[i] && now <= most, "%ld %s, were %ld", now,
			      count_name[i], s->counts[i]);
	}
	files_expect(&s->files);
}
