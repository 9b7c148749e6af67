// SPDX-License-Identifier: MIT
/*
 * Configuration files: see config.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "trust.h"

/* --- Files -------------------------------------------------------------------------- */

struct file {
	char *path;
	const char *name; /* the last component of the path */
};

struct config {
	struct file list[CONFIG_FILES_MAX];
	size_t count;
};

static int add_file(struct config *config, const char *folder, const char *name)
{
	struct file *file = &config->list[config->count];
	size_t size = strlen(name);

	if (*name == '.' || size <= 5 || strcmp(name + size - 5, ".conf"))
		return 0;
	for (size_t i = 0; i < config->count; i++)
		if (!strcmp(config->list[i].name, name))
			return 0;
	if (config->count == CONFIG_FILES_MAX) {
		log_line("cannot read %s: more than %d files", folder, CONFIG_FILES_MAX);
		return -EINVAL;
	}
	if (asprintf(&file->path, "%s/%s", folder, name) < 0)
		return -ENOMEM;

	file->name = strrchr(file->path, '/') + 1;
	config->count++;
	return 0;
}

static int add_folder(struct config *config, const char *folder)
{
	const struct dirent *entry;
	DIR *dir = opendir(folder);
	int r = 0;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir) {
		r = -errno;
		log_line("cannot read %s: %s", folder, strerror(-r));
		return r;
	}

	trust_check(folder, 0);
	while (r == 0 && (entry = readdir(dir)))
		r = add_file(config, folder, entry->d_name);
	closedir(dir);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* The caller must free *ret_text. */
static int read_open(int fd, char **ret_text, size_t *ret_size)
{
	struct stat status;
	ssize_t size;
	char *text;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
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

static int load_file(const char *path, config_taker *taker, void *userdata)
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
		log_line("cannot read %s: %s", path,
			 r == -EINVAL ? "not a regular file" : strerror(-r));
		return r;
	}

	r = taker(userdata, path, text, size);
	free(text);
	return r;
}

int config_load_file(const char *path, config_taker *taker, void *userdata)
{
	trust_check(path, 0);
	return load_file(path, taker, userdata);
}

static int take_files(struct config *config, config_taker *taker, void *userdata)
{
	int result = 0;

	qsort(config->list, config->count, sizeof(*config->list), by_name);
	for (size_t i = 0; i < config->count; i++)
		trust_check(config->list[i].path,
			    (size_t)(config->list[i].name - config->list[i].path));
	for (size_t i = 0; i < config->count && result != -ENOMEM; i++) {
		int r = load_file(config->list[i].path, taker, userdata);

		if (r < 0)
			result = r;
	}
	return result;
}

int config_load(const char *const *folders, config_taker *taker, void *userdata)
{
	struct config config = { .count = 0 };
	int result = 0;

	for (size_t i = 0; folders[i] && result == 0; i++)
		result = add_folder(&config, folders[i]);
	if (result == 0)
		result = take_files(&config, taker, userdata);

	for (size_t i = 0; i < config.count; i++)
		free(config.list[i].path);
	return result < 0 ? result : (int)config.count;
}

/* --- Lines -------------------------------------------------------------------------- */

int config_complain(struct config_line *line, const char *format, ...)
{
	va_list args;

	if (!line->problem)
		return -EINVAL;
	line->problem->line = line->number;
	va_start(args, format);
	vsnprintf(line->problem->text, sizeof(line->problem->text), format, args);
	va_end(args);
	return -EINVAL;
}

bool config_take_number(const char **text, uint64_t max, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	if (**text < '0' || **text > '9')
		return false;

	errno = 0;
	value = strtoull(*text, &end, 10);
	if (errno || value > max)
		return false;

	*text = end;
	*ret = value;
	return true;
}

/* Copies the first line of the text without its newline. */
static int copy_line(struct config_line *line, const char *text, size_t size)
{
	if (size > CONFIG_LINE_MAX)
		return config_complain(line, "the line is longer than %d characters",
				       CONFIG_LINE_MAX);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ' && text[i] != '\t')
			return config_complain(line, "there is a control character in the line");

	memcpy(line->text, text, size);
	line->text[size] = '\0';
	strcpy(line->cut, line->text);
	return 0;
}

/* Terminates the word that begins at p. Sets *ret_next to the next character. */
static int end_word(struct config_line *line, char *p, char **ret_next)
{
	char *end = *p == '"' ? strchr(p + 1, '"') : p + strcspn(p, " \t#\"");

	if (!end)
		return config_complain(line, "a quote is not closed");
	if (*p != '"' && *end == '"')
		return config_complain(line, "a quote must be at the beginning of a word");
	if (*p == '"' && end[1] && !strchr(" \t#", end[1]))
		return config_complain(line, "a closing quote must be followed by a blank");

	/* A comment begins here, or the line ends. */
	*ret_next = end + (*p == '"');
	if (**ret_next == '#')
		**ret_next = '\0';
	else if (**ret_next)
		(*ret_next)++;
	*end = '\0';
	return 0;
}

static int split(struct config_line *line)
{
	char *p = line->cut;
	int r = 0;

	line->n_words = 0;
	while (r == 0) {
		p += strspn(p, " \t");
		if (!*p || *p == '#')
			return 0;
		if (line->n_words == CONFIG_WORDS_MAX)
			return config_complain(line, "more than %d words", CONFIG_WORDS_MAX);
		line->words[line->n_words++] = *p == '"' ? p + 1 : p;
		r = end_word(line, p, &p);
	}

	return r;
}

int config_parse(struct config_line *line, const char *text, size_t size,
		 int (*parse)(void *userdata), void *userdata)
{
	int r = 0;

	while (r == 0 && size) {
		const char *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) : size;

		line->number++;
		r = copy_line(line, text, length);
		if (r == 0)
			r = split(line);
		if (r == 0 && line->n_words)
			r = parse(userdata);
		length += end ? 1 : 0;
		text += length;
		size -= length;
	}

	return r;
}
