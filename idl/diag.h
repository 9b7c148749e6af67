/* SPDX-License-Identifier: MIT */
/*
 * Errors in a .proto file, for its author. Each error is one line "file:line:column: text". They
 * are collected, so that one run shows all errors.
 */
#ifndef IDL_DIAG_H
#define IDL_DIAG_H

#include "source.h"
#include "text.h"

struct diag {
	struct text text;
	unsigned int count;
};

void diag_add(struct diag *diag, const char *file, const Google__Protobuf__SourceCodeInfo *source,
	      struct path path, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Returns all errors as one text, or NULL if there are none. protoc prints it after "--ipc_out:
 * ". */
const char *diag_report(const struct diag *diag, struct arena *arena);

void diag_done(struct diag *diag);

#endif /* IDL_DIAG_H */
