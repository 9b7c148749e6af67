// SPDX-License-Identifier: MIT
/*
 * Reserved names: see reservation.h. The file has a line "UID NAME" for each name that
 * somebody has or that is reserved. It is replaced as a whole, at most ten times a second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reservation.h"
#include "private.h"

/* A service is restarted, and servicemanager is settled, in less. */
#define RESERVED_USEC	10000000ULL
#define SAVE_USEC	100000ULL
#define EXPIRE_USEC	1000000ULL

uint64_t reservation_time(struct manager *manager)
{
	uint64_t until = now_usec() + RESERVED_USEC;

	if (!manager->expire_at)
		manager->expire_at = until;
	return until;
}

/* --- The file --------------------------------------------------------------------- */

/* What others could write does not count. */
static bool is_ours(FILE *file)
{
	struct stat status;

	return fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
	       (status.st_uid == 0 || status.st_uid == geteuid()) && !(status.st_mode & 022);
}

static void load_lines(struct manager *manager, FILE *file)
{
	uint64_t until = reservation_time(manager);
	char line[REGISTRY_NAME_MAX + 32];

	while (fgets(line, sizeof(line), file)) {
		char *name;
		unsigned long uid = strtoul(line, &name, 10);

		if (*name == ' ')
			name++;
		name[strcspn(name, "\n")] = '\0';
		if (uid < (uid_t)-1 && registry_name_is_valid(name))
			registry_reserve(manager->registry, name, (uid_t)uid, until);
	}
}

void reservations_load(struct manager *manager)
{
	FILE *file = manager->reservations ? fopen(manager->reservations, "re") : NULL;

	if (!manager->reservations || (!file && errno == ENOENT))
		return;
	if (file && is_ours(file))
		load_lines(manager, file);
	else
		log_line("cannot read %s: %s", manager->reservations,
			 file ? "it belongs to others" : strerror(errno));
	if (file)
		fclose(file);
}

static int save_lines(const struct manager *manager, const char *path)
{
	mode_t mask = umask(077);
	FILE *file = fopen(path, "we");
	size_t position = 0;
	const char *name;
	uid_t uid;

	umask(mask);
	if (!file)
		return -errno;

	while ((name = registry_next_held(manager->registry, &position, &uid)))
		fprintf(file, "%u %s\n", uid, name);
	if (fclose(file) == EOF || rename(path, manager->reservations) < 0)
		return -errno;
	return 0;
}

static void save(struct manager *manager, uint64_t now)
{
	char path[4096];
	int r = snprintf(path, sizeof(path), "%s.new", manager->reservations);

	r = r < (int)sizeof(path) ? save_lines(manager, path) : -ENAMETOOLONG;
	if (r < 0)
		log_line("cannot write %s: %s", path, strerror(-r));
	manager->saved_at = now;
	manager->save_at = 0;
}

void reservations_changed(struct manager *manager)
{
	uint64_t now = now_usec();

	if (!manager->reservations || manager->save_at)
		return;

	/* At once if it can be: the reply that follows is a promise. */
	manager->save_at = manager->saved_at + SAVE_USEC;
	if (now >= manager->save_at)
		save(manager, now);
}

/* --- What is due ------------------------------------------------------------------- */

int reservations_work(struct manager *manager)
{
	uint64_t now = now_usec();
	int timeout = -1;

	if (manager->expire_at && now >= manager->expire_at) {
		uint64_t next = registry_expire(manager->registry, now);

		/* Not for each name by itself. */
		manager->expire_at = next ? next + EXPIRE_USEC : 0;
		reservations_changed(manager);
	}
	if (manager->save_at && now >= manager->save_at)
		save(manager, now);
	if (manager->expire_at)
		timeout = timeout_until(manager->expire_at);
	if (manager->save_at)
		timeout = timeout_min(timeout, timeout_until(manager->save_at));
	return timeout;
}
