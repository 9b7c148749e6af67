// SPDX-License-Identifier: MIT
/*
 * See file.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file.h"

struct file *file_open(const char *path, int writable)
{
	int fd = open(path, (writable ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0644);
	struct file *file = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (!writable || ftruncate(fd, FILE_SIZE) == 0)
		file = mmap(NULL, FILE_SIZE, writable ? PROT_READ | PROT_WRITE : PROT_READ,
			    MAP_SHARED, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return NULL;

	if (writable && !file->magic)
		file->magic = FILE_MAGIC;
	if (file->magic != FILE_MAGIC || file->end > FILE_SIZE - sizeof(*file)) {
		munmap(file, FILE_SIZE);
		errno = EBADMSG;
		return NULL;
	}
	return file;
}

static uint64_t record_size(uint32_t text_size)
{
	return (sizeof(struct record) + (uint64_t)text_size + 7) & ~UINT64_C(7);
}

const struct record *file_next(const struct file *file, const struct record *record)
{
	const uint8_t *at = record ? (const uint8_t *)record + record_size(record->size) :
				     file->records;

	return at < file->records + file->end ? (const struct record *)at : NULL;
}

int file_append(struct file *file, uint32_t writer, uint64_t number, const char *text)
{
	uint64_t end = file->end;
	size_t size = strlen(text);
	struct record *record;

	if (size > UINT32_MAX || record_size((uint32_t)size) > FILE_SIZE - sizeof(*file) - end)
		return -ENOSPC;
	record = (struct record *)(file->records + end);
	record->size = (uint32_t)size;
	record->writer = writer;
	record->number = number;
	memcpy(record->text, text, size);
	/* Release order: the record must be complete before the end moves. */
	atomic_store_explicit(&file->end, end + record_size((uint32_t)size), memory_order_release);
	return 0;
}
