/* SPDX-License-Identifier: MIT */
/*
 * Where things stand in a .proto file, and what its author wrote above them:
 * protoc's SourceCodeInfo. A place is a path of field numbers and indices from
 * the FileDescriptorProto down ({6, 0, 2, 1}: the second method of the first
 * service; descriptor.proto explains it).
 */
#ifndef IDL_SOURCE_H
#define IDL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "google/protobuf/descriptor.pb-c.h"

#define PATH_MAX_LENGTH 16

struct path {
	int32_t steps[PATH_MAX_LENGTH];
	size_t length;
};

/* The path one or two steps further down: into a field, into its n-th element.
 * Paths are cut at PATH_MAX_LENGTH, which names the next thing above. */
struct path path_field(struct path path, int32_t field);
struct path path_element(struct path path, int32_t field, size_t index);

/* The locations of one file, in order of their paths. */
struct source {
	const Google__Protobuf__SourceCodeInfo__Location **locations;
	size_t n_locations;
};

struct source source_new(struct arena *arena, const Google__Protobuf__SourceCodeInfo *info);

/* Line and column, from 1, of the place or of the nearest one around it; 0 if
 * the file came without locations. */
void source_position(const struct source *source, struct path path, int *ret_line,
		     int *ret_column);

/* The comment above the place, or NULL. */
const char *source_comment(const struct source *source, struct path path);

/* What the comments in front of the file's first statement say after
 * "SPDX-License-Identifier:", or NULL. */
const char *source_licence(const struct source *source, struct arena *arena);

#endif /* IDL_SOURCE_H */
