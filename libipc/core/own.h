/* SPDX-License-Identifier: MIT */
/* Methods that the library serves itself, and which objects do so. */
#ifndef IPC_OWN_H
#define IPC_OWN_H

/* Numbers of the library's own methods: channel-server.h, stream.h. A peer may name another
 * process's object for them, so no object of a program serves them. */
#define RAW_NUMBER_OWN		(IPC_NUMBER_BUILTIN + 4)
#define RAW_NUMBER_OWN_END	(IPC_NUMBER_BUILTIN + 32)
/* In an object's flags: it serves them. For the door of channels, and the gateway's links. */
#define RAW_SERVE_OWN		(1U << 31)

/* A method of all objects, like those in <ipc/raw.h>: () -> the door. */
#define IPC_NUMBER_CHANNEL (IPC_NUMBER_BUILTIN + 4)

#endif /* IPC_OWN_H */
