// SPDX-License-Identifier: MIT
/*
 * The list of errors.
 */
#include <stdarg.h>
#include <stdio.h>

#include "diag.h"

void diag_add(struct diag *diag, const char *file, const Google__Protobuf__SourceCodeInfo *source,
	      struct path path, const char *format, ...)
{
	char message[1024];
	int line, column;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);

	source_position(source, path, &line, &column);
	text_printf(&diag->text, "%s%s:", diag->count ? "\n" : "", file);
	if (line)
		text_printf(&diag->text, "%d:%d:", line, column);
	text_printf(&diag->text, " %s", message);
	diag->count++;
}

const char *diag_report(const struct diag *diag, struct arena *arena)
{
	if (!diag->count)
		return NULL;

	/* protoc prints "--ipc_out: " first, so a list starts on the next line. */
	if (diag->count > 1)
		return arena_printf(arena, "%u errors\n%s", diag->count, diag->text.data);

	return arena_printf(arena, "%s", diag->text.data);
}

void diag_done(struct diag *diag)
{
	text_done(&diag->text);
}
