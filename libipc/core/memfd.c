// SPDX-License-Identifier: MIT
/*
 * Files of memory: see memfd.h. Their size is sealed, so that nobody's access can fail because
 * another process made them shorter.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deadline.h"
#include "descriptor.h"
#include "memfd.h"

#define SEAL_SIZE	(F_SEAL_SHRINK | F_SEAL_GROW)

int memory_file(size_t size)
{
	int fd, r;

	if (size > INT64_MAX)
		return -EFBIG;
	fd = descriptor_move(memfd_create("ipc", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0)
		return fd;

	r = -errno;
	close(fd);
	return r;
}

int memory_seal(int fd, int seals)
{
	return fcntl(fd, F_ADD_SEALS, SEAL_SIZE | seals) < 0 ? -errno : 0;
}

int memory_check(int fd, int seals, size_t *ret_size)
{
	int have = fcntl(fd, F_GET_SEALS);
	struct stat st;

	/* Not a file of memory at all: EINVAL. */
	if (have < 0 || (have & (SEAL_SIZE | seals)) != (SEAL_SIZE | seals) || fstat(fd, &st) < 0)
		return -EBADMSG;

	*ret_size = (size_t)st.st_size;
	return 0;
}

/*
 * The blocks alone prove nothing, because some may lie behind the end. SEEK_HOLE alone neither,
 * because huge pages do not have it.
 */
bool memory_has_holes(int fd, size_t size)
{
	struct stat st;
	off_t hole;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_blocks < size / 512)
		return true;
	hole = lseek(fd, 0, SEEK_HOLE);
	return hole < 0 || (size_t)hole < size;
}
