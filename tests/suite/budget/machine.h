/* SPDX-License-Identifier: MIT */
/*
 * What the machine says: the limits of its driver, and the memory of its kernel. And a
 * memory cgroup of it.
 */
#ifndef BUDGET_MACHINE_H
#define BUDGET_MACHINE_H

#include <stdbool.h>

#define KIB 1024L
#define MIB (1024 * KIB)

/* Of one user, in bytes or numbers. */
struct limits {
	long procs, nodes, handles, watches, calls, files, threads, memory, buses, objects;
};

struct limits limits_read(void);

/* Bytes that the kernel itself holds: objects, tables, and pages of regions. What is not
 * used includes what each CPU keeps for itself, so that says less. */
long kernel_holds(void);

/* What it holds when all has gone that goes after a while: by RCU, for one. */
long kernel_holds_after(long at_most);

#define GROUP "/tmp/cgroup/budget"
#define GROUP_MAX (64 * MIB)

/* Makes the memory cgroup, of at most GROUP_MAX; false if this kernel has none. */
bool group_make(void);

void write_text(const char *path, const char *text);

#endif /* BUDGET_MACHINE_H */
