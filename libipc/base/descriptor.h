/* SPDX-License-Identifier: MIT */
/*
 * The numbers of the library's file descriptors. A program may run with its standard streams
 * closed. A descriptor that got the number of such a stream would receive what the program
 * prints. The project's own programs use this header, too.
 */
#ifndef IPC_DESCRIPTOR_H
#define IPC_DESCRIPTOR_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Moves a new descriptor above the standard streams. Takes ownership of fd, and returns its new
 * number. Returns -1 with errno if fd is negative, or if it cannot be moved: then fd is closed.
 */
static inline int descriptor_move(int fd)
{
	int moved, saved;

	if (__builtin_expect(fd < 0 || fd > STDERR_FILENO, 1))
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	saved = errno;
	close(fd);
	errno = saved;
	return moved;
}

/*
 * For main(): opens /dev/null in place of each standard stream that is closed, so that no other
 * file gets its number. With O_RDWR reading and writing succeed. With O_RDONLY a program that
 * writes its output still learns that it has none.
 */
static inline void descriptor_fill_streams(int mode)
{
	int fd;

	do
		fd = open("/dev/null", mode);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Flushes the standard output. Returns 0 or -errno, also of an earlier failure to write. */
static inline int descriptor_flush(void)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return errno ? -errno : -EIO;
}

/*
 * For main(): returns the exit status. If it is 0, but the standard output cannot be written,
 * prints that and returns 1.
 */
static inline int descriptor_flush_output(const char *program, int status)
{
	int r = status ? 0 : descriptor_flush();

	if (r < 0)
		fprintf(stderr, "%s: cannot write to standard output: %s\n", program, strerror(-r));
	return r < 0 ? 1 : status;
}

#endif /* IPC_DESCRIPTOR_H */
