/* SPDX-License-Identifier: MIT */
/*
 * Sealed files of memory, which processes share. The sender of such a file is not trusted: check
 * the file before it is mapped.
 */
#ifndef IPC_MEMFD_H
#define IPC_MEMFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes a file of that size without seals. Returns its fd, which the caller must close, or
 * -errno: -EFBIG if RLIMIT_FSIZE forbids the size. */
int memory_file(size_t size);
/* Seals the size of the file, and adds the seals (F_SEAL_*). */
int memory_seal(int fd, int seals);
/* Also seals against writing. Retries for at most a second while the kernel holds pages of the
 * file. -EBUSY: it still does, or the file is mapped for writing. */
int memory_seal_write(int fd, int seals);
/* Checks a received fd, which may be any file. Fails with -EBADMSG unless it is a file of memory
 * with a sealed size and these seals. */
int memory_check(int fd, int seals, size_t *ret_size);
/* Whether some of the first size bytes of such a file have no memory yet; true if it consists of
 * huge pages. If the file is sealed against writing, no process can punch holes later. Takes time
 * for each page of the file up to its first hole, also behind size. */
bool memory_has_holes(int fd, size_t size);

#endif /* IPC_MEMFD_H */
