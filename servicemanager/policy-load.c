// SPDX-License-Identifier: MIT
/*
 * Finding and reading the policy's files: see policy-load.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy-load.h"

#define FILES_MAX	512
#define FILE_SIZE_MAX	(1 << 20)

static const char built_in[] =
#include "default-policy.inc"
	;

struct file {
	char *path;
	const char *name; /* its end */
};

struct files {
	struct file list[FILES_MAX];
	size_t count;
};

/* --- Users and groups -------------------------------------------------------------- */

static int number_from(const char *text, unsigned int *ret)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value >= UINT32_MAX)
		return -EINVAL;

	*ret = (unsigned int)value;
	return 0;
}

/* root is root, database or not. */
static int user_named(const char *name, uid_t *ret_uid)
{
	const struct passwd *entry = getpwnam(name);

	if (!entry && strcmp(name, "root"))
		return -ENOENT;

	*ret_uid = entry ? entry->pw_uid : 0;
	return 0;
}

static int group_named(const char *name, gid_t *ret_gid)
{
	const struct group *entry = getgrnam(name);

	if (!entry && strcmp(name, "root"))
		return -ENOENT;

	*ret_gid = entry ? entry->gr_gid : 0;
	return 0;
}

int policy_find_user(const char *text, uid_t *ret_uid)
{
	return number_from(text, ret_uid) == 0 ? 0 : user_named(text, ret_uid);
}

int policy_find_group(const char *text, gid_t *ret_gid)
{
	return number_from(text, ret_gid) == 0 ? 0 : group_named(text, ret_gid);
}

static const struct policy_names names = { .user = user_named, .group = group_named };

/* --- Files -------------------------------------------------------------------------- */

static void files_done(struct files *files)
{
	while (files->count)
		free(files->list[--files->count].path);
}

static bool has_file(const struct files *files, const char *name)
{
	for (size_t i = 0; i < files->count; i++)
		if (!strcmp(files->list[i].name, name))
			return true;

	return false;
}

static bool is_policy(const char *name)
{
	size_t size = strlen(name);

	return *name != '.' && size > 5 && !strcmp(name + size - 5, ".conf");
}

static int add_file(struct files *files, const char *directory, const char *name)
{
	struct file *file = &files->list[files->count];

	if (!is_policy(name) || has_file(files, name))
		return 0;
	if (files->count == FILES_MAX) {
		fprintf(stderr, "servicemanager: %s: more than %d files\n", directory, FILES_MAX);
		return -EINVAL;
	}
	if (asprintf(&file->path, "%s/%s", directory, name) < 0)
		return -ENOMEM;

	file->name = strrchr(file->path, '/') + 1;
	files->count++;
	return 0;
}

/* A directory that is not there has no files. */
static int add_directory(struct files *files, const char *directory)
{
	const struct dirent *entry;
	DIR *dir = opendir(directory);
	int r = 0;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir) {
		r = -errno;
		fprintf(stderr, "servicemanager: cannot read %s: %s\n", directory, strerror(-r));
		return r;
	}

	while (r == 0 && (entry = readdir(dir)))
		r = add_file(files, directory, entry->d_name);
	closedir(dir);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* *ret_text is to be freed. */
static int read_open(int fd, char **ret_text, size_t *ret_size)
{
	struct stat status;
	ssize_t size;
	char *text;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (status.st_size > FILE_SIZE_MAX)
		return -EFBIG;

	text = malloc((size_t)status.st_size + 1);
	if (!text)
		return -ENOMEM;
	size = read(fd, text, (size_t)status.st_size);
	if (size < 0) {
		int r = -errno;

		free(text);
		return r;
	}

	*ret_text = text;
	*ret_size = (size_t)size;
	return 0;
}

static int read_file(const char *path, char **ret_text, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return -errno;

	r = read_open(fd, ret_text, ret_size);
	close(fd);
	return r;
}

/* --- Reading ------------------------------------------------------------------------- */

static void print_problem(const char *file, const struct policy_problem *problem)
{
	fprintf(stderr, "servicemanager: %s:%u: %s\n", file, problem->line, problem->text);
}

static int load_text(struct policy *policy, const char *path, const char *text, size_t size)
{
	struct policy_problem problem;
	int r = policy_read(policy, path, text, size, &names, print_problem, &problem);

	if (r == -EINVAL)
		print_problem(path, &problem);
	return r;
}

static int load_file(struct policy *policy, const char *path)
{
	char *text = NULL;
	size_t size = 0;
	int r = read_file(path, &text, &size);

	if (r < 0) {
		fprintf(stderr, "servicemanager: cannot read %s: %s\n", path, strerror(-r));
		return r;
	}

	r = load_text(policy, path, text, size);
	free(text);
	return r;
}

/* What is wrong in one file does not keep what is wrong in others from being said. */
static int load_files(struct policy *policy, struct files *files)
{
	int result = 0;

	qsort(files->list, files->count, sizeof(*files->list), by_name);
	for (size_t i = 0; i < files->count && result != -ENOMEM; i++) {
		int r = load_file(policy, files->list[i].path);

		if (r < 0)
			result = r;
	}
	if (!files->count)
		result = load_text(policy, "(built in)", built_in, sizeof(built_in) - 1);
	return result;
}

int policy_load(const char *const *directories, struct policy **ret_policy)
{
	struct policy *policy = policy_new();
	struct files files = { .count = 0 };
	int r = policy ? 0 : -ENOMEM;

	for (size_t i = 0; directories[i] && r == 0; i++)
		r = add_directory(&files, directories[i]);
	if (r == 0)
		r = load_files(policy, &files);
	files_done(&files);
	if (r < 0) {
		policy_free(policy);
		return r;
	}

	*ret_policy = policy;
	return 0;
}
