// SPDX-License-Identifier: GPL-2.0-only
/*
 * The payer of a client: the user whose account pays for the client. Otherwise a user with
 * subordinate uids would have a quota for each of them. The payer is the first of these:
 *
 * - the owner of the uid according to /etc/subuid
 * - if the process is in a user namespace below the daemon's: the payer of that namespace
 * - the uid itself
 *
 * The daemon needs no privileges, so the kernel does not tell it the owner or the parent of a user
 * namespace. Users that have several uids there can make any number of namespaces below with any of
 * these uids. So all uids of a block of 65,536 have the same payer, unless a file in /etc names an
 * owner. systemd and container engines hand out such blocks.
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

/* Finds the user with that name, or with that uid if name is NULL. Does not use NSS, which may ask
 * another machine. */
static bool find_user(const char *name, uint32_t *uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry = NULL;

	while (file && (entry = fgetpwent(file)) &&
	       (name ? strcmp(entry->pw_name, name) : entry->pw_uid != *uid))
		;
	if (file)
		fclose(file);
	if (entry)
		*uid = entry->pw_uid;
	return entry;
}

/* Returns the uid of the owner of a range. A number that is no name is a uid. If the name is
 * unknown, the first uid of the range pays. */
static uint32_t owner_of(const char *name, uint32_t first)
{
	char *end;
	unsigned long uid = strtoul(name, &end, 10);

	return !find_user(name, &first) && *name && !*end ? (uint32_t)uid : first;
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

/* Holds a map with the kernel's maximum of 340 lines. */
#define MAP_SIZE 16384

/* Reads the map of a process's user namespace. Without user namespaces there is no such file, and
 * the text is empty. */
static bool read_map(const char *process, char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/uid_map", process);
	file = fopen(path, "re");
	text[file ? fread(text, 1, MAP_SIZE - 1, file) : 0] = 0;
	if (file)
		fclose(file);
	return file;
}

/* Returns the lowest uid of a map, as seen from the daemon. If the map is not written yet, returns
 * uid. */
static uint32_t lowest_of(char *map, uint32_t uid)
{
	uint32_t outside, lowest = UINT32_MAX;

	/* A line has the first uid inside, the first uid outside, and their number. */
	for (char *end; strtoul(map, &end, 10), end != map; map = end) {
		outside = (uint32_t)strtoul(end, &end, 10);
		strtoul(end, &end, 10);
		if (outside < lowest)
			lowest = outside;
	}
	return lowest == UINT32_MAX ? uid : lowest;
}

/* Returns the payer of a uid of an unknown namespace: the last uid of its block, which is no
 * user's. 65535 is invalid where uids have 16 bits. */
static uint32_t payer_of_block(uint32_t uid)
{
	uint32_t last = uid | 0xffff;

	return last < UINT32_MAX ? last : last - 1;
}

/* The map of the daemon's namespace looks the same to the daemon in all processes of the namespace.
 * Only root can make a map with uid 0. */
static uint32_t payer_in_namespace(uint32_t uid, int pid)
{
	static char own[MAP_SIZE], map[MAP_SIZE];
	uint32_t lowest, owner;
	char process[16];

	snprintf(process, sizeof(process), "%d", pid);
	if (!*own && !read_map("self", own))
		return uid;
	if (!read_map(process, map) || !strcmp(map, own))
		return uid;
	lowest = lowest_of(map, uid);
	if (!lowest)
		return uid;
	owner = owner_by_file(lowest);
	return owner != lowest || find_user(NULL, &lowest) ? owner : payer_of_block(lowest);
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

	return owner == uid && uid ? payer_in_namespace(uid, pid) : owner;
}
