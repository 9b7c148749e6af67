// SPDX-License-Identifier: MIT
/*
 * Records in a pcap file: see capture.h. A file that is read may contain anything.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture.h"
#include "deadline.h"
#include "ipcbus-monitor.h"
#include "ipcctl.h"

#define MAGIC_NS 0xa1b23c4dU
#define LINK_USER0 147
/* A payload has at most 1 MiB, an object table 2 KiB; the rest is for names. */
#define MAX_PACKET ((uint32_t)16 << 20)

struct file_head {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t zone;
	uint32_t sigfigs;
	uint32_t max;
	uint32_t link;
};

struct packet_head {
	uint32_t seconds;
	uint32_t ns;
	uint32_t kept;
	uint32_t size;
};

struct capture {
	FILE *file;
	const char *path;
	bool writes;
	int64_t offset;
	void *packet; /* read last */
	struct packet_head head;
	struct names *names;
	json_t *written; /* processes whose names are in the file, by pid as text */
};

static int64_t offset_now(void)
{
	struct timespec real;
	uint64_t mono = clock_ns();

	clock_gettime(CLOCK_REALTIME, &real);
	return (int64_t)real.tv_sec * 1000000000 + real.tv_nsec - (int64_t)mono;
}

int64_t capture_offset(const struct capture *capture)
{
	static int64_t now;

	if (capture)
		return capture->offset;
	if (!now)
		now = offset_now();
	return now;
}

static int start(struct capture **ret_capture, const char *path, const char *mode)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	if (!capture)
		return fail_memory();
	capture->path = path;
	capture->writes = *mode == 'w';
	capture->file = fopen(path, mode);
	if (!capture->file) {
		free(capture);
		return fail_with(STATUS_FAILED, NULL, "%s: %s", path, strerror(errno));
	}
	*ret_capture = capture;
	return STATUS_OK;
}

int capture_close(struct capture *capture)
{
	int status = STATUS_OK;

	if (!capture)
		return STATUS_OK;
	if (fclose(capture->file) && capture->writes)
		status = fail_with(STATUS_FAILED, "is the disk full?", "cannot write %s: %s",
				   capture->path, strerror(errno));
	json_decref(capture->written);
	free(capture->packet);
	free(capture);
	return status;
}

/* --- Writing -------------------------------------------------------------------- */

static int put_packet(struct capture *capture, uint64_t time, const void *first, size_t n,
		      const void *second, size_t m)
{
	uint64_t real = time + capture->offset;
	struct packet_head head = { real / 1000000000, real % 1000000000, n + m, n + m };

	if (fwrite(&head, sizeof(head), 1, capture->file) == 1 &&
	    fwrite(first, 1, n, capture->file) == n &&
	    (!m || fwrite(second, 1, m, capture->file) == m))
		return STATUS_OK;
	return fail_with(STATUS_FAILED, "is the disk full?", "cannot write %s: %s", capture->path,
			 strerror(errno));
}

/* Writes names as a record of kind 0, with the offset in `time`. Takes the reference. */
static int put_names(struct capture *capture, json_t *json)
{
	struct ipcbus_monitor_record head = { .size = sizeof(head), .time = capture->offset };
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int status;

	json_decref(json);
	if (!text)
		return fail_memory();
	head.data_size = head.data_kept = strlen(text);
	status = put_packet(capture, clock_ns(), &head, sizeof(head), text, strlen(text));
	free(text);
	return status;
}

/* Writes the name of a process once. */
static int put_process(struct capture *capture, uint32_t pid)
{
	const char *name = names_known(capture->names, pid);
	char key[16];

	snprintf(key, sizeof(key), "%" PRIu32, pid);
	if (!name || json_object_get(capture->written, key))
		return STATUS_OK;
	if (json_object_set_new(capture->written, key, json_true()) < 0)
		return fail_memory();
	return put_names(capture, json_pack("{s:{s:s}}", "processes", key, name));
}

int capture_write(struct capture *capture, const struct ipc_record *record)
{
	int status = put_process(capture, record->from_pid);

	if (!status)
		status = put_process(capture, record->to_pid);
	if (status)
		return status;
	return put_packet(capture, record->time, record->raw, record->raw_size, NULL, 0);
}

int capture_create(struct capture **ret_capture, const char *path, struct names *names)
{
	struct file_head head = { MAGIC_NS, 2, 4, 0, 0, MAX_PACKET, LINK_USER0 };
	int status = start(ret_capture, path, "we");

	if (status)
		return status;
	(*ret_capture)->offset = offset_now();
	(*ret_capture)->names = names;
	(*ret_capture)->written = json_object();
	if (!(*ret_capture)->written)
		return fail_memory();
	fwrite(&head, sizeof(head), 1, (*ret_capture)->file);
	return put_names(*ret_capture, names_to_json(names));
}

/* --- Reading -------------------------------------------------------------------- */

static int read_packet(struct capture *capture, struct ipc_record *ret_record)
{
	struct packet_head *head = &capture->head;
	size_t n = fread(head, 1, sizeof(*head), capture->file);
	void *packet;

	if (n == 0 && feof(capture->file))
		return 0;
	if (n != sizeof(*head) || head->kept > MAX_PACKET)
		return -EBADMSG;
	packet = realloc(capture->packet, head->kept + 1);
	if (!packet)
		return -ENOMEM;
	capture->packet = packet;
	if (fread(packet, 1, head->kept, capture->file) != head->kept)
		return -EBADMSG;
	ret_record->size = sizeof(*ret_record);
	return ipc_record_parse(packet, head->kept, ret_record) ?: 1;
}

static int get_names(struct capture *capture, struct names **ret_names)
{
	struct ipc_record record;
	json_t *json;

	if (read_packet(capture, &record) != 1 || record.kind != 0)
		return fail_with(STATUS_FAILED, "make one: ipcctl monitor --write FILE",
				 "%s is not a recording of ipcctl", capture->path);
	capture->offset = record.time;
	json = json_loadb(record.data, record.data_kept, 0, NULL);
	*ret_names = capture->names = names_from_json(json);
	json_decref(json);
	return *ret_names ? STATUS_OK : fail_memory();
}

int capture_read(struct capture *capture, struct ipc_record *ret_record)
{
	json_t *json;
	int r;

	while ((r = read_packet(capture, ret_record)) > 0 && ret_record->kind == 0) {
		json = json_loadb(ret_record->data, ret_record->data_kept, 0, NULL);
		names_learn(capture->names, json_object_get(json, "processes"));
		json_decref(json);
	}
	return r;
}

int capture_open(struct capture **ret_capture, const char *path, struct names **ret_names)
{
	struct file_head head;
	int status = start(ret_capture, path, "re");

	if (status)
		return status;
	if (fread(&head, sizeof(head), 1, (*ret_capture)->file) != 1 || head.magic != MAGIC_NS ||
	    head.link != LINK_USER0)
		return fail_with(STATUS_FAILED, "make one: ipcctl monitor --write FILE",
				 "%s is not a recording of ipcctl, or of another architecture",
				 path);
	return get_names(*ret_capture, ret_names);
}
