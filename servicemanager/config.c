// SPDX-License-Identifier: MIT
/*
 * Configuration files: see config.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "log.h"

struct file {
	char *path;
	const char *name; /* the last component of the path */
};

struct config {
	struct file list[CONFIG_FILES_MAX];
	size_t count;
};

static int add_file(struct config *config, const char *directory, const char *name)
{
	struct file *file = &config->list[config->count];
	size_t size = strlen(name);

	if (*name == '.' || size <= 5 || strcmp(name + size - 5, ".conf"))
		return 0;
	for (size_t i = 0; i < config->count; i++)
		if (!strcmp(config->list[i].name, name))
			return 0;
	if (config->count == CONFIG_FILES_MAX) {
		log_line("cannot read %s: more than %d files", directory, CONFIG_FILES_MAX);
		return -EINVAL;
	}
	if (asprintf(&file->path, "%s/%s", directory, name) < 0)
		return -ENOMEM;

	file->name = strrchr(file->path, '/') + 1;
	config->count++;
	return 0;
}

static int add_directory(struct config *config, const char *directory)
{
	const struct dirent *entry;
	DIR *dir = opendir(directory);
	int r = 0;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir) {
		r = -errno;
		log_line("cannot read %s: %s", directory, strerror(-r));
		return r;
	}

	while (r == 0 && (entry = readdir(dir)))
		r = add_file(config, directory, entry->d_name);
	closedir(dir);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* The caller frees *ret_text. */
static int read_open(int fd, char **ret_text, size_t *ret_size)
{
	struct stat status;
	ssize_t size;
	char *text;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (status.st_size > CONFIG_SIZE_MAX)
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

int config_load_file(const char *path, config_taker *taker, void *userdata)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	size_t size = 0;
	int r = -errno;

	if (fd >= 0) {
		r = read_open(fd, &text, &size);
		close(fd);
	}
	if (r < 0) {
		log_line("cannot read %s: %s", path, strerror(-r));
		return r;
	}

	r = taker(userdata, path, text, size);
	free(text);
	return r;
}

static int take_files(struct config *config, config_taker *taker, void *userdata)
{
	int result = 0;

	qsort(config->list, config->count, sizeof(*config->list), by_name);
	for (size_t i = 0; i < config->count && result != -ENOMEM; i++) {
		int r = config_load_file(config->list[i].path, taker, userdata);

		if (r < 0)
			result = r;
	}
	return result;
}

int config_load(const char *const *directories, config_taker *taker, void *userdata)
{
	struct config config = { .count = 0 };
	int result = 0;

	for (size_t i = 0; directories[i] && result == 0; i++)
		result = add_directory(&config, directories[i]);
	if (result == 0)
		result = take_files(&config, taker, userdata);

	for (size_t i = 0; i < config.count; i++)
		free(config.list[i].path);
	return result < 0 ? result : (int)config.count;
}
