/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with a .proto file, for its author: "file:line:column: text",
 * a line each, collected so that one run shows everything.
 */
#ifndef IDL_DIAG_H
#define IDL_DIAG_H

#include "source.h"
#include "text.h"

struct diag {
	struct text text;
	unsigned int count;
};

void diag_add(struct diag *diag, const char *file, const struct source *source,
	      struct path path, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* All of it, as protoc shows it behind "--ipc_out: "; NULL if nothing is wrong. */
const char *diag_report(const struct diag *diag, struct arena *arena);

void diag_done(struct diag *diag);

#endif /* IDL_DIAG_H */
