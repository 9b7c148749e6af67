/* SPDX-License-Identifier: MIT */
/*
 * The file of the journal, mapped by the server and the reader.
 *
 * A line is written behind the end. Then one store moves the end behind the line. If the
 * server is killed in between, the line does not count. The pages belong to the kernel and
 * outlive the process. To survive a power failure, msync() would be needed, too.
 */
#ifndef JOURNAL_FILE_H
#define JOURNAL_FILE_H

#include <stdatomic.h>
#include <stdint.h>

#define FILE_MAGIC	0x6c6e72756f6a0001 /* "journl", version 1 */
#define FILE_SIZE	((uint64_t)64 << 20)

struct file {
	uint64_t magic;
	_Atomic uint64_t end;	/* bytes of records that count */
	uint8_t records[];
};

struct record {
	uint32_t size;		/* of the text */
	uint32_t writer;
	uint64_t number;
	char text[];
};

/* Maps the file; to write, it creates it if needed. NULL: see errno. */
struct file *file_open(const char *path, int writable);
/* The record after this one; of NULL the first. NULL: there is none. */
const struct record *file_next(const struct file *file, const struct record *record);
/* 0, or -ENOSPC. */
int file_append(struct file *file, uint32_t writer, uint64_t number, const char *text);

#endif /* JOURNAL_FILE_H */
