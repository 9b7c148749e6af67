// SPDX-License-Identifier: MIT
/*
 * Runs all attacks of this folder, in sequence, and judges each. Prints TAP and, as the last line,
 * "hostile: N attacks, N succeeded". An argument selects attacks with this text in their names.
 * IPCBUS_HOSTILE_SECONDS: for this time, runs three random attacks at once. Their processes die at
 * random moments.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board.h"

#define PROCESSES_MAX 8

/* Time for the witness during the attack, and afterwards. */
#define DURING_MS 250
#define AFTER_MS  100

static const struct attack *const all[] = {
	service_attacks,       stream_attacks,	client_attacks,
	stream_client_attacks, manager_attacks, ctl_attacks,
};

/* A victim may grow by this: its region of 16 MiB, and its largest unpacked message. */
#define PEAK_MIB 24

/* For both kinds of calls, measured before the first attack. */
static struct service_times usual;
static unsigned int attacks, won, failed;

struct attackers {
	const struct attack *attack;
	unsigned int n;
	pid_t pids[PROCESSES_MAX];
};

static const struct attack *attack;
static unsigned int attacker;

static void act(void)
{
	attack->run(attacker);
	begun();
}

static struct attackers start_attackers(const struct attack *of)
{
	struct attackers a = { .attack = of, .n = of->run ? of->processes ? of->processes : 1 : 0 };

	attack = of;
	for (attacker = 0; attacker < a.n; attacker++)
		a.pids[attacker] = start_process(MALLORY, act);
	return a;
}

static void end_attackers(const struct attackers *a)
{
	for (unsigned int i = 0; i < a->n; i++)
		end_process(a->pids[i]);
}

/* --- Judging ---------------------------------------------------------------------------- */

/* One timer tick is allowed, because other processes use the processors too. */
static bool is_slow(const struct service_times *times, double factor, double worst_ms)
{
	for (int by = 0; by < SERVED_BY; by++)
		if (times->median_us[by] > factor * usual.median_us[by] + 4000)
			return true;
	return times->worst_ms > worst_ms;
}

/* This machine may be slow for some seconds. A real attack makes it slow again. */
static struct service_times judge_times(const char *when, unsigned int ms, double factor,
					double worst_ms)
{
	struct service_times times = witness(ms);

	for (int i = 0; i < 60 && !times.failed && is_slow(&times, factor, worst_ms); i++)
		times = witness(ms);
	if (times.failed)
		succeeded("%s, %u of %u calls of other users failed", when, times.failed, times.calls);
	if (is_slow(&times, factor, worst_ms))
		succeeded("%s, service and servicemanager took %.1f and %.1f ms, at worst %.0f ms; "
			  "usually %.1f and %.1f ms", when, times.median_us[0] / 1000,
			  times.median_us[1] / 1000, times.worst_ms, usual.median_us[0] / 1000,
			  usual.median_us[1] / 1000);
	return times;
}

static bool held_too_much(const struct holdings *before, const struct holdings *after)
{
	return after->memory_kib > before->memory_kib + 4096 || after->files > before->files + 2 ||
	       after->threads > before->threads;
}

/* Resources of dead attackers are freed within a moment. */
static void judge_holdings(const char *who, pid_t pid, const struct holdings *before,
			   unsigned int peak_mib)
{
	struct holdings after = holdings_of(pid);

	if (after.peak_kib > before->peak_kib + peak_mib * 1024)
		succeeded("%s grew by %zu MiB", who, (after.peak_kib - before->peak_kib) / 1024);
	for (int i = 0; i < 100 && held_too_much(before, &after); i++) {
		pause_ms(20);
		after = holdings_of(pid);
	}
	if (held_too_much(before, &after))
		succeeded("%s has %zu KiB, %u files and %u threads; it had %zu, %u and %u", who,
			  after.memory_kib, after.files, after.threads, before->memory_kib,
			  before->files, before->threads);
}

static void report(const struct attack *of, const struct service_times *during)
{
	attacks++;
	if (board->broken) {
		failed++;
		printf("not ok %u - %s\n# cannot be carried out: %s\n", attacks, of->name,
		       board->what);
	} else if (board->succeeded) {
		won++;
		printf("not ok %u - %s\n# succeeded: %s\n", attacks, of->name, board->how);
	} else {
		printf("ok %u - %s\n# meanwhile: %u calls, median %.2f and %.2f ms, worst %.1f ms\n",
		       attacks, of->name, during->calls, during->median_us[0] / 1000,
		       during->median_us[1] / 1000, during->worst_ms);
	}
	fflush(stdout);
}

/* Both victims must live and serve as before. If not, they are restarted. */
static void judge_after(const struct holdings before[2], unsigned int peak_mib)
{
	if (!scene_lives()) {
		succeeded("the %s died", holdings_of(scene.service).threads ? "service manager" :
									      "service");
		scene_end();
		if (scene_begin() < 0)
			exit(2);
		return;
	}
	judge_times("afterwards", AFTER_MS, 3, 500);
	judge_holdings("the service", scene.service, &before[0], peak_mib);
	judge_holdings("the service manager", scene.manager, &before[1], peak_mib);
}

static void clear_board(void)
{
	board->begun = board->succeeded = board->broken = 0;
}

static void carry_out(const struct attack *of)
{
	struct holdings before[2] = { holdings_of(scene.service), holdings_of(scene.manager) };
	struct service_times during;
	struct attackers a;

	before[0].peak_kib = holdings_of(scene.service).peak_kib;
	before[1].peak_kib = holdings_of(scene.manager).peak_kib;
	clear_board();
	a = start_attackers(of);
	for (int i = 0; i < 20000 && (unsigned int)board->begun < a.n && !board->broken; i++)
		pause_ms(1);
	if ((unsigned int)board->begun < a.n)
		broken("the attackers do not get to work");
	during = judge_times("meanwhile", DURING_MS, of->factor ? of->factor : 10 + 10 * a.n, 1000);
	if (of->look)
		of->look();
	end_attackers(&a);
	judge_after(before, PEAK_MIB);
	report(of, &during);
}

/* --- Selection --------------------------------------------------------------------------- */

static void carry_out_all(const char *named)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (const struct attack *of = all[i]; of->name; of++)
			if (!named || strstr(of->name, named))
				carry_out(of);
	printf("1..%u\n", attacks);
}

static const struct attack *any_attack(void)
{
	const struct attack *of;

	do {
		const struct attack *some = all[random_below(sizeof(all) / sizeof(all[0]))];
		unsigned int n = 0;

		while (some[n].name)
			n++;
		of = &some[random_below(n)];
	} while (!of->run);
	return of;
}

/* An attacker may fail because of another attack. Only the remaining effects count. */
static void brawl(unsigned int seconds)
{
	static struct attack mixed = { .name = "three at once" };
	uint64_t end = clock_ms() + seconds * 1000ULL;
	static char name[256];

	mixed.name = name;
	while (clock_ms() < end) {
		struct holdings before[2] = { holdings_of(scene.service),
					      holdings_of(scene.manager) };
		struct service_times none = { 0 };
		struct attackers a[3];

		clear_board();
		*name = '\0';
		for (int i = 0; i < 3; i++) {
			a[i] = start_attackers(any_attack());
			snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s%s",
				 i ? ", " : "", a[i].attack->name);
			pause_ms(random_below(100));
		}
		pause_ms(random_below(500));
		for (int i = 0; i < 3; i++) {
			end_attackers(&a[i]);
			pause_ms(random_below(20));
		}
		clear_board();
		judge_after(before, 2 * PEAK_MIB);
		report(&mixed, &none);
	}
	printf("1..%u\n", attacks);
}

int main(int argc, char **argv)
{
	const char *seconds = getenv("IPCBUS_HOSTILE_SECONDS");

	if (board_make() < 0 || scene_begin() < 0)
		return 2;
	/* A service's first stream opens lasting files. */
	look_at_streams();
	if (board->succeeded || board->broken) {
		fprintf(stderr, "before the first attack: %s\n",
			board->broken ? board->what : board->how);
		return 2;
	}
	usual = witness(500);
	printf("# usual: %u calls, median %.2f and %.2f ms, worst %.1f ms\n", usual.calls,
	       usual.median_us[0] / 1000, usual.median_us[1] / 1000, usual.worst_ms);
	if (seconds)
		brawl(atoi(seconds));
	else
		carry_out_all(argc > 1 ? argv[1] : NULL);
	scene_end();
	if (failed)
		printf("hostile: %u attacks, %u succeeded, %u not carried out\n", attacks, won,
		       failed);
	else
		printf("hostile: %u attacks, %u succeeded\n", attacks, won);
	return won || failed || !attacks || usual.failed || !usual.calls;
}
