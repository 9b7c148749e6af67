// SPDX-License-Identifier: GPL-2.0-only
/*
 * The payer of a client: the user whose account pays for the client. Otherwise a user with
 * subordinate uids would have a quota for each of them. The daemon needs no privileges, so it
 * cannot ask the kernel for the owner of a user namespace. The payer is the first of these:
 *
 * - the owner of the uid according to /etc/subuid
 * - if the process is in a user namespace with several uids: the owner of the lowest uid, or the
 *   lowest uid
 * - the uid itself
 *
 * Ranges of root have no owner: root decides how many uids its containers have.
 */
#include <inttypes.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "account.h"

static const char subuid_path[] = "/etc/subuid";

/* A line of subuid(5). */
struct range {
	uint32_t first;
	uint32_t count;
	uint32_t owner;
};

static struct range *ranges;
static size_t n_ranges;

/* --- /etc/subuid ------------------------------------------------------------------- */

/* Does not use NSS, which may ask another machine. A number that is no name is a uid. If the name
 * is unknown, the first uid of the range pays. */
static uint32_t owner_of(const char *name, uint32_t first)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry = NULL;
	char *end;
	unsigned long uid = strtoul(name, &end, 10);

	if (file) {
		while ((entry = fgetpwent(file)) && strcmp(entry->pw_name, name))
			;
		if (entry)
			first = entry->pw_uid;
		fclose(file);
	}
	return !entry && *name && !*end ? (uint32_t)uid : first;
}

static bool read_range(const char *line, struct range *range)
{
	char name[256];

	if (sscanf(line, "%255[^:]:%" SCNu32 ":%" SCNu32, name, &range->first, &range->count) != 3)
		return false;
	range->owner = owner_of(name, range->first);
	return true;
}

static void read_ranges(void)
{
	FILE *file = fopen(subuid_path, "re");
	struct range *more, range;
	char line[1024];

	n_ranges = 0;
	while (file && fgets(line, sizeof(line), file)) {
		if (!read_range(line, &range))
			continue;
		more = realloc(ranges, (n_ranges + 1) * sizeof(*ranges));
		if (!more)
			break;
		ranges = more;
		ranges[n_ranges++] = range;
	}
	if (file)
		fclose(file);
}

/* Reads the file again if it changed or was replaced. */
static void update_ranges(void)
{
	static struct stat before;
	struct stat now = { 0 };

	(void)!stat(subuid_path, &now);
	if (now.st_ino == before.st_ino && now.st_dev == before.st_dev &&
	    now.st_size == before.st_size && now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == before.st_mtim.tv_nsec)
		return;
	before = now;
	read_ranges();
}

/* Returns the owner of a subordinate uid, or the uid itself. */
static uint32_t owner_by_file(uint32_t uid)
{
	update_ranges();
	for (size_t i = 0; i < n_ranges; i++)
		if (uid >= ranges[i].first && uid - ranges[i].first < ranges[i].count &&
		    ranges[i].owner)
			return ranges[i].owner;
	return uid;
}

/* --- User namespaces ---------------------------------------------------------------- */

/* Returns the lowest uid that is mapped into the process's user namespace, as seen from the daemon.
 * If uid is not mapped there, or the lowest uid is root, returns uid: so it does for the daemon's
 * own namespace. */
static uint32_t lowest_beside(uint32_t uid, int pid)
{
	uint32_t inside, outside, count, lowest = UINT32_MAX;
	bool is_there = false;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	file = fopen(path, "re");
	if (!file)
		return uid;
	while (fscanf(file, "%" SCNu32 " %" SCNu32 " %" SCNu32, &inside, &outside, &count) == 3) {
		is_there |= uid >= outside && uid - outside < count;
		if (outside < lowest)
			lowest = outside;
	}
	fclose(file);
	return is_there && lowest ? lowest : uid;
}

/* Returns true if every uid is mapped into the daemon's user namespace. */
static bool all_are_mapped(void)
{
	uint32_t inside, outside, count;
	uint64_t mapped = 0;
	FILE *file = fopen("/proc/self/uid_map", "re");

	/* Without user namespaces there is no such file. */
	if (!file)
		return true;
	while (fscanf(file, "%" SCNu32 " %" SCNu32 " %" SCNu32, &inside, &outside, &count) == 3)
		mapped += count;
	fclose(file);
	return mapped >= UINT32_MAX;
}

bool uid_is_ambiguous(uint32_t uid)
{
	static uint64_t overflow = UINT64_MAX;	/* the ambiguous uid, or no uid */
	static bool known;
	FILE *file;

	if (!known && !all_are_mapped()) {
		overflow = 65534; /* the kernel's default */
		file = fopen("/proc/sys/kernel/overflowuid", "re");
		if (file) {
			(void)!fscanf(file, "%" SCNu64, &overflow);
			fclose(file);
		}
	}
	known = true;
	return uid == overflow;
}

uint32_t payer_of(uint32_t uid, int pid)
{
	uint32_t owner = uid ? owner_by_file(uid) : uid;

	return owner == uid && uid ? owner_by_file(lowest_beside(uid, pid)) : owner;
}
