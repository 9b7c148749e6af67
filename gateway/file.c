// SPDX-License-Identifier: MIT
/*
 * Small files: see file.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "file.h"

#define FILE_MAX ((size_t)1 << 20)

static int read_all(int fd, char *text, size_t *ret_size)
{
	size_t size = 0;
	ssize_t n;

	do {
		n = read(fd, text + size, FILE_MAX - size);
		if (n < 0 && errno != EINTR)
			return -errno;
		size += n > 0 ? (size_t)n : 0;
	} while (n != 0 && size < FILE_MAX);
	text[size] = 0;
	*ret_size = size;
	return size == FILE_MAX ? -EFBIG : 0;
}

int file_read(const char *path, char **ret_text, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = malloc(FILE_MAX + 1);
	int r = fd < 0 ? -errno : text ? read_all(fd, text, ret_size) : -ENOMEM;

	if (fd >= 0)
		close(fd);
	if (r < 0)
		free(text);
	else
		*ret_text = text;
	return r;
}
