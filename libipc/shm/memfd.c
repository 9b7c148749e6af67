// SPDX-License-Identifier: MIT
/*
 * Files of memory: see memfd.h. Their size is sealed, so that no access can fail because another
 * process made them shorter.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "memfd.h"

#define SEAL_SIZE	(F_SEAL_SHRINK | F_SEAL_GROW)
#define SEAL_TRIES	4

/* Returns whether a file may have the size. Beyond RLIMIT_FSIZE, ftruncate() and write() raise
 * SIGXFSZ, which ends the program. */
static bool may_have_size(size_t size)
{
	struct rlimit limit;

	return size <= PTRDIFF_MAX &&
	       (getrlimit(RLIMIT_FSIZE, &limit) < 0 || size <= limit.rlim_cur);
}

int memory_file(size_t size)
{
	int fd, r;

	if (!may_have_size(size))
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

/*
 * While a page has a reference beside the file's, the kernel refuses the seal. It waits some 150
 * ms for the references to go. On a busy machine that may be too short for a large file.
 */
int memory_seal_write(int fd, int seals)
{
	int r;

	for (int i = 0;; i++) {
		r = memory_seal(fd, F_SEAL_WRITE | seals);
		if (r != -EBUSY || i == SEAL_TRIES)
			return r;
		usleep(1000U << i);
	}
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
 * Huge pages are refused: SEEK_HOLE does not find their holes, and the number of blocks proves
 * nothing, because some may lie behind the end. Such a hole, and each page of a private copy that
 * is written, takes a huge page, and SIGBUS ends the program if none is free.
 */
bool memory_has_holes(int fd, size_t size)
{
	struct statfs fs;
	off_t hole;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
		return true;
	hole = lseek(fd, 0, SEEK_HOLE);
	return hole < 0 || (size_t)hole < size;
}
