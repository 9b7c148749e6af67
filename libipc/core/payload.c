// SPDX-License-Identifier: MIT
/* Payloads that travel as files: see payload.h. A received file is not trusted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/deadline.h"
#include "frame.h"
#include "shm/memfd.h"
#include "payload.h"

/* A smaller payload does not become a file. */
#define FILE_MIN	((size_t)4096)
/* Bytes of a write. The deadline is checked after each write. */
#define WRITE_AT_ONCE	((size_t)16 << 20)

/* Signals do not interrupt a write to a file of memory. */
static int write_all(int fd, const uint8_t *data, size_t size, uint64_t deadline)
{
	while (size) {
		ssize_t n = write(fd, data, size < WRITE_AT_ONCE ? size : WRITE_AT_ONCE);

		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
		if (deadline && time_now() >= deadline)
			return -ETIMEDOUT;
	}
	return 0;
}

static int write_payload(int fd, const struct ipcbus_send *send, uint64_t deadline)
{
	const struct ipcbus_iovec *parts = (const void *)(uintptr_t)send->data;
	int r = 0;

	if (!(send->flags & IPCBUS_SEND_IOV))
		return write_all(fd, (const void *)(uintptr_t)send->data, send->data_size,
				 deadline);
	for (uint32_t i = 0; r == 0 && i < send->iov_count; i++)
		r = write_all(fd, (const void *)(uintptr_t)parts[i].base, parts[i].size, deadline);
	return r;
}

int payload_make(const struct ipcbus_send *send, uint64_t deadline)
{
	int fd, r;

	if (send->data_size < FILE_MIN || send->data_size > IPC_MESSAGE_MAX ||
	    send->kind == IPCBUS_SEND_ERROR || send->object_count >= IPCBUS_MAX_OBJECTS)
		return -EMSGSIZE;
	fd = memory_file(send->data_size);
	if (fd < 0)
		return fd;
	r = write_payload(fd, send, deadline);
	if (r == 0)
		r = memory_seal_write(fd, F_SEAL_SEAL);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int payload_send(struct thread *t, struct ipcbus_exchange *x, int fd)
{
	const struct ipcbus_send send = x->send;
	const struct frame_header header = {
		.magic = FRAME_MAGIC,
		.message_size = (uint32_t)send.data_size,
		.in_file = 1,
	};
	struct ipcbus_object objects[IPCBUS_MAX_OBJECTS];
	int r;

	if (send.object_count)
		memcpy(objects, (const void *)(uintptr_t)send.objects,
		       send.object_count * sizeof(objects[0]));
	objects[send.object_count] = (struct ipcbus_object){
		.type = IPCBUS_OBJECT_FD,
		.value = (uint64_t)fd,
		.tag = PAYLOAD_TAG,
	};
	x->send.flags &= ~IPCBUS_SEND_IOV;
	x->send.iov_count = 0;
	x->send.data = (uintptr_t)&header;
	x->send.data_size = sizeof(header);
	x->send.objects = (uintptr_t)objects;
	x->send.object_count = send.object_count + 1;
	r = thread_try(t, x);
	x->send = send;
	return r == -EPERM ? -EMSGSIZE : r;
}

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
