// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sums of the counters. If another CPU is counting at the same time, a sum may be off by a few.
 */
#include <linux/cpumask.h>
#include <linux/percpu.h>

#include "stats.h"

DEFINE_PER_CPU(struct ipcbus_stats, ipcbus_stats);

static const char *const names[IPCBUS_STAT_COUNT] = {
	[IPCBUS_STAT_PROCS] = "procs",	   [IPCBUS_STAT_THREADS] = "threads",
	[IPCBUS_STAT_NODES] = "nodes",	   [IPCBUS_STAT_HANDLES] = "handles",
	[IPCBUS_STAT_WATCHES] = "watches", [IPCBUS_STAT_TRANSACTIONS] = "transactions",
	[IPCBUS_STAT_BUFFERS] = "buffers", [IPCBUS_STAT_FILES] = "files",
	[IPCBUS_STAT_PAGES] = "pages",	   [IPCBUS_STAT_BUSES] = "buses",
	[IPCBUS_STAT_USERS] = "users",	   [IPCBUS_STAT_QUOTAS] = "quotas",
	[IPCBUS_STAT_DISCARDED] = "discarded", [IPCBUS_STAT_RECORDS_LOST] = "records_lost",
	[IPCBUS_STAT_FAILURES] = "failures", [IPCBUS_STAT_STARVED] = "starved",
};

const char *ipcbus_stat_name(enum ipcbus_stat stat)
{
	return names[stat];
}

unsigned long ipcbus_stat_total(enum ipcbus_stat stat)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(ipcbus_stats, cpu).added[stat]);
	return sum;
}

unsigned long ipcbus_stat_live(enum ipcbus_stat stat)
{
	unsigned long removed = 0;
	int cpu;

	/* Add up removals first, so that the difference is never negative. */
	for_each_possible_cpu(cpu)
		removed += READ_ONCE(per_cpu(ipcbus_stats, cpu).removed[stat]);
	return ipcbus_stat_total(stat) - removed;
}
