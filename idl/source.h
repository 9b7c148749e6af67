/* SPDX-License-Identifier: MIT */
/*
 * Positions in a .proto file and its comments: protoc's SourceCodeInfo. A place is a path of field
 * numbers and indices that begins at the FileDescriptorProto. {6, 0, 2, 1} is the second method of
 * the first service; descriptor.proto explains it.
 */
#ifndef IDL_SOURCE_H
#define IDL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "google/protobuf/descriptor.pb-c.h"

#define PATH_MAX_LENGTH 16

/* Fields of FileDescriptorProto that have declarations. */
#define FILE_DEPENDENCY 3
#define FILE_MESSAGE 4
#define FILE_ENUM    5
#define FILE_SERVICE 6

struct path {
	int32_t steps[PATH_MAX_LENGTH];
	size_t length;
};

/* Append a field, or a field and the index of an element, to the path. A path is cut at
 * PATH_MAX_LENGTH; then it names the element that contains the place. */
struct path path_field(struct path path, int32_t field);
struct path path_element(struct path path, int32_t field, size_t index);

/* In all functions source may be NULL: then the file has no locations and no comments. */

/* Finds line and column, from 1, of the place or of the nearest place that contains it. If there is
 * none, both are 0. */
void source_position(const Google__Protobuf__SourceCodeInfo *source, struct path path,
		     int *ret_line, int *ret_column);

/* Returns the comment above the place, or NULL. */
const char *source_comment(const Google__Protobuf__SourceCodeInfo *source, struct path path);

/* Returns the text after "SPDX-License-Identifier:" in the comments before the file's syntax or
 * package statement, or NULL. */
const char *source_license(const Google__Protobuf__SourceCodeInfo *source, struct arena *arena);

/* Returns a copy that has only the comments above declarations, or NULL if there are none. The copy
 * borrows the texts. */
Google__Protobuf__SourceCodeInfo *source_comments(const Google__Protobuf__SourceCodeInfo *source,
						  struct arena *arena);

#endif /* IDL_SOURCE_H */
