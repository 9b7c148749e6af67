/* SPDX-License-Identifier: MIT */
/*
 * The parts of the server. server.c registers the object and has the short handlers. log.c has the
 * handlers that reply later or never. where.c has the handler that examines its own memory.
 */
#ifndef STORY_SERVER_H
#define STORY_SERVER_H

#include "clock.h"
#include "story.ipc.h"

/**
 * struct log - the lines that were logged and not yet read
 * @lines: @n_lines of them; each text is allocated
 * @reader: the call that waits for @wanted lines, or NULL
 */
struct log {
	struct log_line {
		char *text;
		uint64_t begin_usec;
		uint64_t end_usec;
	} *lines;
	size_t n_lines;
	struct ipc_call *reader;
	size_t wanted;
};

/**
 * struct server - the userdata of the handlers
 * @since_usec: when the name was registered
 * @log: see struct log
 */
struct server {
	uint64_t since_usec;
	struct log log;
};

/* log.c */
int serve_log(struct ipc_call *call, const Story__LogRequest *request, void *userdata);
int serve_read(struct ipc_call *call, const Story__ReadRequest *request, void *userdata);
int dump_log(struct ipc_call *call, int fd, char *const *args, size_t n_args, void *userdata);

/* where.c */
int serve_where(struct ipc_call *call, const Story__WhereRequest *request, void *userdata);

#endif /* STORY_SERVER_H */
