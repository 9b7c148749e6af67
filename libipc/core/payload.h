/* SPDX-License-Identifier: MIT */
/*
 * Payloads that travel as files. A message that can never fit into the receiver's region, and a
 * large call or reply for which it has no space at the moment, is sent once more, with its payload
 * in a sealed memory file. The file is the last entry of the object table and has the tag
 * PAYLOAD_TAG. The region contains only a frame header with the size (frame.h). The receiver maps
 * the file, and the layers above see an ordinary message.
 */
#ifndef IPC_PAYLOAD_H
#define IPC_PAYLOAD_H

#include "conn/thread.h"
#include "entry.h"

#define PAYLOAD_TAG	IPC_RAW_FILE_TAG

/* The payload of a message that came as a file. data is NULL if there is none. */
struct mapping {
	void *data;
	size_t size;
};

static inline bool payload_is_file(const struct ipc *ipc, const struct ipcbus_event *event)
{
	const struct ipcbus_object *last;

	if (likely(!event->object_count))
		return false;
	last = &event_objects(ipc, event)[event->object_count - 1];
	return last->type == IPCBUS_OBJECT_FD && last->tag == PAYLOAD_TAG;
}

/*
 * Maps the payload of an event for which payload_is_file() is true. Takes the file out of the
 * object table; offset and size of the event become those of the mapping. On failure all objects
 * of the event were released.
 *
 *   -EBADMSG   the file is not sealed, has another size than the payload, or has holes
 *   -EMSGSIZE  the payload is larger than ipc_set_message_max() allows
 */
int payload_open(struct ipc *ipc, struct ipcbus_event *event, struct mapping *ret_mapping);
void payload_close(struct mapping *mapping);

#endif /* IPC_PAYLOAD_H */
