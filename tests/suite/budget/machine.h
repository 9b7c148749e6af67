/* SPDX-License-Identifier: MIT */
/*
 * The machine's driver limits and kernel memory, and a memory cgroup.
 */
#ifndef BUDGET_MACHINE_H
#define BUDGET_MACHINE_H

#include <stdbool.h>

#define KIB 1024L
#define MIB (1024 * KIB)

/* Limits of a user, in bytes or numbers. */
struct limits {
	long procs, nodes, handles, watches, calls, files, threads, memory, buses, objects;
};

struct limits limits_read(void);

/*
 * Bytes that the kernel itself uses: objects, page tables, pages of regions. Free memory would be
 * less exact: it depends on per-CPU caches.
 */
long kernel_holds(void);

/* The same after deferred frees, such as by RCU. */
long kernel_holds_after(long at_most);

#define GROUP "/tmp/cgroup/budget"
#define GROUP_MAX (64 * MIB)

/* Creates the memory cgroup with a limit of GROUP_MAX. Returns false if this kernel has none. */
bool group_make(void);

void write_text(const char *path, const char *text);

#endif /* BUDGET_MACHINE_H */
