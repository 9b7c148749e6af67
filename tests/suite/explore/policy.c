// SPDX-License-Identifier: MIT
/*
 * Random, exhaustive and repeated choices; see policy.h. By default a thread runs until it cannot
 * continue, and then the first runnable thread runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

#define MAX_STEPS 20000
#define MAX_CHANGES 3

bool policy_trace;

static int chosen(const struct shim_choice *choice, int id)
{
	const struct shim_point *point = choice->point;

	if (policy_trace)
		shim_say("%5lu %-8s %s %s%s%s:%d%s%s\n", choice->step,
			 choice->running < 0 ? "-" : shim_fiber_name(choice->running), point->what,
			 point->name, point->name[0] ? " " : "", point->file ? point->file : "",
			 point->line, id == choice->running ? "" : "  -> ",
			 id == choice->running ? "" : shim_fiber_name(id));
	return id;
}

/* --- Random --------------------------------------------------------------- */

static struct {
	bool even;
	unsigned long change[MAX_CHANGES];
	int changes;
	u32 priority[SHIM_MAX_FIBERS];
} dice;

static int by_priority(const struct shim_choice *choice)
{
	int best = choice->ids[0];

	for (int i = 0; i < dice.changes; i++)
		if (choice->step == dice.change[i] && choice->running >= 0)
			dice.priority[choice->running] = i;
	for (int i = 1; i < choice->n; i++)
		if (dice.priority[choice->ids[i]] > dice.priority[best])
			best = choice->ids[i];
	return best;
}

static int choose_random(void *unused, const struct shim_choice *choice)
{
	(void)unused;
	if (dice.even)
		return chosen(choice, choice->ids[shim_random() % choice->n]);
	return chosen(choice, by_priority(choice));
}

const struct shim_policy *policy_random(u64 seed, unsigned long length)
{
	static const struct shim_policy policy = { .choose = choose_random, .fine = true };

	shim_seed(seed);
	shim_rcu_late = seed % 8 == 7;
	dice.even = seed % 4 == 0;
	dice.changes = 1 + shim_random() % MAX_CHANGES;
	for (int i = 0; i < MAX_CHANGES; i++)
		dice.change[i] = shim_random() % (length + 1);
	for (int i = 0; i < SHIM_MAX_FIBERS; i++)
		dice.priority[i] = MAX_CHANGES + shim_random() % 1000;
	return &policy;
}

/* --- Exhaustive ----------------------------------------------------------- */

struct step {
	signed char n;
	signed char ids[SHIM_MAX_FIBERS];
	signed char pick;		/* index into ids; 0 is the default choice */
	signed char preempts;		/* whether any choice other than ids[0] is a preemption */
};

static struct {
	int preemptions;
	int used;
	unsigned long known;		/* number of predetermined steps */
	unsigned long length;
	struct step step[MAX_STEPS];
} search;

/* The thread of the default choice comes first. */
static void note_choice(struct step *step, const struct shim_choice *choice)
{
	*step = (struct step){ .preempts = choice->running >= 0 };
	if (choice->running >= 0)
		step->ids[step->n++] = choice->running;
	for (int i = 0; i < choice->n; i++)
		if (choice->ids[i] != choice->running)
			step->ids[step->n++] = choice->ids[i];
}

static int choose_searching(void *unused, const struct shim_choice *choice)
{
	struct step *step = &search.step[choice->step];

	(void)unused;
	BUG_ON(choice->step >= MAX_STEPS);
	if (choice->step >= search.known)
		note_choice(step, choice);
	else
		BUG_ON(step->n != choice->n);
	search.length = choice->step + 1;
	return chosen(choice, step->ids[step->pick]);
}

void policy_search_begin(int preemptions)
{
	search.preemptions = preemptions;
	search.known = 0;
	search.used = 0;
}

const struct shim_policy *policy_search(void)
{
	static const struct shim_policy policy = { .choose = choose_searching };

	shim_seed(1);
	shim_rcu_late = false;
	return &policy;
}

/* Changes the last step that has another choice left. */
bool policy_search_next(void)
{
	for (unsigned long i = search.length; i--; ) {
		struct step *step = &search.step[i];
		int cost = step->preempts && !step->pick;

		if (step->pick + 1 < step->n && search.used + cost <= search.preemptions) {
			step->pick++;
			search.used += cost;
			search.known = i + 1;
			return true;
		}
		search.used -= step->preempts && step->pick;
	}
	return false;
}

void policy_search_text(char *text, size_t size)
{
	size_t used = 0;

	text[0] = 0;
	for (unsigned long i = 0; i < search.known && used < size; i++)
		if (search.step[i].pick)
			used += snprintf(text + used, size - used, "%s%lu:%d", used ? "," : "", i,
					 search.step[i].ids[(int)search.step[i].pick]);
	if (!used)
		snprintf(text, size, "none");
}

/* --- Repeated ------------------------------------------------------------- */

static int choose_again(void *data, const struct shim_choice *choice)
{
	const char *at = data;
	unsigned long step;
	int id, n;

	for (; sscanf(at, "%lu:%d%n", &step, &id, &n) == 2; at += at[n] == ',' ? n + 1 : n)
		if (step == choice->step)
			return chosen(choice, id);
	return chosen(choice, choice->running >= 0 ? choice->running : choice->ids[0]);
}

const struct shim_policy *policy_replay(const char *text)
{
	static struct shim_policy policy = { .choose = choose_again };

	shim_seed(1);
	shim_rcu_late = false;
	policy.data = (void *)text;
	return &policy;
}
