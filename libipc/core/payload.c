// SPDX-License-Identifier: MIT
/* Payloads that travel as files: see payload.h. A received file is not trusted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conn/frame.h"
#include "payload.h"
#include "shm/memfd.h"

static int parse_header(const struct ipc *ipc, const struct ipcbus_event *event, size_t *ret_size)
{
	struct frame_header header;

	if (event->data_size != sizeof(header))
		return -EBADMSG;
	memcpy(&header, device_at(&ipc->device, event->offset), sizeof(header));
	if (header.magic != FRAME_MAGIC || header.in_file != 1 || !header.message_size)
		return -EBADMSG;
	if (header.message_size > atomic_load_explicit(&ipc->message_max, memory_order_relaxed))
		return -EMSGSIZE;
	*ret_size = header.message_size;
	return 0;
}

/* Reading must neither fail, nor see a change, nor allocate memory: filling a hole would charge the
 * reader for the memory. The mapping is private, so the program may write to it. */
static int map_file(int fd, size_t size, void **ret_data)
{
	size_t file_size;
	void *data;
	int r;

	r = memory_check(fd, F_SEAL_WRITE, &file_size);
	if (r < 0)
		return r;
	/* The search for holes takes time for each page, so a larger file must be refused first. */
	if (size != file_size || memory_has_holes(fd, size))
		return -EBADMSG;
	data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	/* After mlockall(MCL_FUTURE) the kernel copies a writable private mapping at once, to
	 * memory of the reader. So the mapping becomes writable only after munlock(). */
	if (munlock(data, size) < 0 || mprotect(data, size, PROT_READ | PROT_WRITE) < 0) {
		r = -errno;
		munmap(data, size);
		return r;
	}
	*ret_data = data;
	return 0;
}

int payload_open(struct ipc *ipc, struct ipcbus_event *event, struct mapping *ret_mapping)
{
	struct mapping mapping = { NULL, 0 };
	struct ipc_raw_entry entry;
	int r, taken;

	event->object_count--;
	taken = entry_take(&entry, ipc, &event_objects(ipc, event)[event->object_count]);
	r = taken < 0 ? taken : parse_header(ipc, event, &mapping.size);
	if (r == 0)
		r = map_file(entry.fd, mapping.size, &mapping.data);
	if (taken == 0)
		entry_release(&entry);
	if (r < 0) {
		event_refuse(ipc, event);
		event->object_count = 0;
		return r;
	}
	event->offset = (uintptr_t)mapping.data - (uintptr_t)ipc->device.region;
	event->data_size = mapping.size;
	*ret_mapping = mapping;
	return 0;
}

void payload_close(struct mapping *mapping)
{
	if (mapping->data)
		munmap(mapping->data, mapping->size);
	mapping->data = NULL;
}
