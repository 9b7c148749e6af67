// SPDX-License-Identifier: MIT
/*
 * Shared memory: inputs that ipc_memory_take() and ipc_memory_map() refuse. Valid memory is tested
 * in test-frame.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/memfd.h"
#include "test-run.h"

#include <ipc/memory.h>

static int file_of(size_t size, int seals)
{
	int fd = memory_file(size);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

START_TEST(memory_that_is_none)
{
	int32_t fd = -1;
	struct ipc_memory *memory;
	char path[32];
	int writable;

	ck_assert_int_eq(ipc_memory_new(0, 0, &memory), -EINVAL);
	ck_assert_int_eq(ipc_memory_new(1, 2, &memory), -EINVAL);
	ck_assert_int_eq(ipc_memory_take(NULL, 0, &memory), -EINVAL);
	ck_assert_int_eq(ipc_memory_take(&fd, 0, NULL), -EINVAL);
	ck_assert_int_eq(ipc_memory_take(&fd, 0, &memory), -ENOENT);
	ck_assert_int_eq(ipc_memory_take(&fd, 2, &memory), -EINVAL);
	/* The size is not sealed, or is 0. */
	fd = file_of(4096, 0);
	ck_assert_int_eq(ipc_memory_take(&fd, 0, &memory), -EBADMSG);
	close(fd);
	fd = file_of(0, F_SEAL_SHRINK | F_SEAL_GROW);
	ck_assert_int_eq(ipc_memory_take(&fd, 0, &memory), -EBADMSG);
	close(fd);
	/* 0 is a valid fd. */
	writable = file_of(4096, F_SEAL_SHRINK | F_SEAL_GROW);
	fd = dup2(writable, STDIN_FILENO);
	ck_assert_int_eq(fd, 0);
	close(writable);
	ck_assert_int_eq(ipc_memory_take(&fd, 0, &memory), 0);
	ipc_memory_unref(memory);
	ck_assert_int_eq(open("/dev/null", O_RDONLY), 0);
	/* The sender still has a writable fd. The file is refused, and closed. */
	writable = file_of(4096, F_SEAL_SHRINK | F_SEAL_GROW);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", writable);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	close(writable);
	ck_assert_int_eq(ipc_memory_take(&fd, IPC_MEMORY_WRITE, &memory), -EPERM);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(ipc_memory_get_fd(NULL), -EINVAL);
	ck_assert_int_eq(ipc_memory_is_sealed(NULL), 0);
	ck_assert_int_eq(ipc_memory_seal(NULL), -EINVAL);
	ck_assert_ptr_null(ipc_memory_unref(NULL));
	ck_assert_ptr_null(ipc_memory_ref(NULL));
}
END_TEST

START_TEST(files_are_mapped)
{
	struct ipc_memory *own, *memory = NULL;
	int fd;

	ck_assert_int_eq(ipc_memory_new(4096, IPC_MEMORY_WRITE, &own), 0);
	fd = dup(ipc_memory_get_fd(own));
	ck_assert_int_eq(ipc_memory_map(fd, IPC_MEMORY_WRITE, &memory), 0);
	((char *)ipc_memory_data(memory))[4095] = 7;
	ck_assert_int_eq(((char *)ipc_memory_data(own))[4095], 7);
	/* The memory owns the fd. */
	ck_assert_int_eq(ipc_memory_get_fd(memory), fd);
	ipc_memory_unref(memory);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);

	/* Takes ownership even if it fails. */
	fd = dup(ipc_memory_get_fd(own));
	ck_assert_int_eq(ipc_memory_map(fd, ~0U, &memory), -EINVAL);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	fd = file_of(4096, F_SEAL_SHRINK);
	ck_assert_int_eq(ipc_memory_map(fd, 0, &memory), -EBADMSG);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	fd = file_of(4096, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE);
	ck_assert_int_eq(ipc_memory_map(fd, IPC_MEMORY_WRITE, &memory), -EPERM);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert_int_eq(ipc_memory_map(-1, 0, &memory), -EINVAL);
	ipc_memory_unref(own);
}
END_TEST

int main(void)
{
	return RUN_TESTS("memory", memory_that_is_none, files_are_mapped);
}
