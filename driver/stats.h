/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of all objects that can leak: how many exist now, and how many were created. Counters
 * are per CPU, so counting costs a single instruction. Reading adds them up.
 */
#ifndef IPCBUS_STATS_H
#define IPCBUS_STATS_H

#include <linux/irqflags.h>
#include <linux/percpu.h>

enum ipcbus_stat {
	IPCBUS_STAT_PROCS,
	IPCBUS_STAT_THREADS,
	IPCBUS_STAT_NODES,
	IPCBUS_STAT_HANDLES,
	IPCBUS_STAT_WATCHES,
	IPCBUS_STAT_TRANSACTIONS,
	IPCBUS_STAT_BUFFERS,
	IPCBUS_STAT_FILES,
	IPCBUS_STAT_PAGES,
	IPCBUS_STAT_BUSES,
	IPCBUS_STAT_USERS,
	IPCBUS_STAT_QUOTAS,
	/* Events that are counted, not objects. Oneways that were queued and never delivered. */
	IPCBUS_STAT_DISCARDED,
	/* Records for which a monitor had no space. */
	IPCBUS_STAT_RECORDS_LOST,
	/* Messages that failed; messages that waited too long for a thread. */
	IPCBUS_STAT_FAILURES,
	IPCBUS_STAT_STARVED,
	IPCBUS_STAT_COUNT,
};

struct ipcbus_stats {
	unsigned long added[IPCBUS_STAT_COUNT];
	unsigned long removed[IPCBUS_STAT_COUNT];
};

DECLARE_PER_CPU(struct ipcbus_stats, ipcbus_stats);

static inline void ipcbus_stat_add(enum ipcbus_stat stat)
{
	this_cpu_inc(ipcbus_stats.added[stat]);
}

static inline void ipcbus_stat_remove(enum ipcbus_stat stat)
{
	this_cpu_inc(ipcbus_stats.removed[stat]);
}

/* Counts an event, which has no lifetime. */
static inline void ipcbus_stat_count(enum ipcbus_stat stat)
{
	ipcbus_stat_add(stat);
	ipcbus_stat_remove(stat);
}

const char *ipcbus_stat_name(enum ipcbus_stat stat);
unsigned long ipcbus_stat_live(enum ipcbus_stat stat);
unsigned long ipcbus_stat_total(enum ipcbus_stat stat);

#endif
