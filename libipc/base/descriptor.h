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

/*
 * For main(): returns the exit status. If it is 0, but the standard output cannot be written,
 * prints that and returns 1.
 */
static inline int descriptor_flush_output(const char *program, int status)
{
	if (status || (fflush(stdout) == 0 && !ferror(stdout)))
		return status;
	fprintf(stderr, "%s: cannot write to standard output\n", program);
	return 1;
}

#endif /* IPC_DESCRIPTOR_H */
