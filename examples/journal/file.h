/* SPDX-License-Identifier: MIT */
/*
 * The file of the journal, mapped by the server and the reader.
 *
 * A line is written behind the end. Then a single store moves the end behind the line. If the
 * server is killed in between, the line does not count. The pages belong to the kernel and outlive
 * the process. To survive a power failure, the server would also have to call msync().
 */
#ifndef JOURNAL_FILE_H
#define JOURNAL_FILE_H

#include <stdatomic.h>
#include <stdint.h>

#define FILE_MAGIC	0x6c6e72756f6a0001 /* "journl", version 1 */
#define FILE_SIZE	((uint64_t)64 << 20)

struct file {
	uint64_t magic;
	_Atomic uint64_t end;	/* size of all complete records, in bytes */
	uint8_t records[];
};

struct record {
	uint32_t size;		/* of the text, in bytes */
	uint32_t writer;
	uint64_t number;
	char text[];
};

/* Maps the file until the process ends. If writable is not 0, creates it if necessary. Returns NULL
 * and sets errno on error: EBADMSG if it is not a journal. */
struct file *file_open(const char *path, int writable);
/* Returns the record after `record`, or the first if it is NULL. Returns NULL at the end. */
const struct record *file_next(const struct file *file, const struct record *record);
/* Appends a record. Must not be called concurrently: a journal has a single server thread. Returns
 * 0, or -ENOSPC. */
int file_append(struct file *file, uint32_t writer, uint64_t number, const char *text);

#endif /* JOURNAL_FILE_H */
