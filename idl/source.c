// SPDX-License-Identifier: MIT
/*
 * SourceCodeInfo. Only services, methods and elements with errors are looked up, so the list is
 * searched linearly.
 */
#include <stdbool.h>
#include <string.h>

#include "source.h"

/* Fields of FileDescriptorProto. */
#define FILE_PACKAGE	2
#define FILE_SYNTAX	12

typedef Google__Protobuf__SourceCodeInfo Source;
typedef Google__Protobuf__SourceCodeInfo__Location Location;

struct path path_field(struct path path, int32_t field)
{
	if (path.length < PATH_MAX_LENGTH)
		path.steps[path.length++] = field;

	return path;
}

struct path path_element(struct path path, int32_t field, size_t index)
{
	return path_field(path_field(path, field), (int32_t)index);
}

static const Location *source_find(const Source *source, const struct path *path)
{
	for (size_t i = 0; source && i < source->n_location; i++) {
		const Location *location = source->location[i];

		if (location->n_path == path->length &&
		    (!path->length ||
		     !memcmp(location->path, path->steps, path->length * sizeof(*path->steps))))
			return location;
	}

	return NULL;
}

void source_position(const Source *source, struct path path, int *ret_line,
		     int *ret_column)
{
	*ret_line = *ret_column = 0;
	for (;; path.length--) {
		const Location *location = source_find(source, &path);

		if (location && location->n_span >= 2) {
			*ret_line = location->span[0] + 1;
			*ret_column = location->span[1] + 1;
			return;
		}
		if (!path.length)
			return;
	}
}

const char *source_comment(const Source *source, struct path path)
{
	const Location *location = source_find(source, &path);

	return location ? location->leading_comments : NULL;
}

static const char *license_in(const char *comment, struct arena *arena)
{
	static const char tag[] = "SPDX-License-Identifier:";
	const char *text = comment ? strstr(comment, tag) : NULL;
	size_t length;

	if (!text)
		return NULL;
	text += strlen(tag);
	text += strspn(text, " ");
	/* Identifiers, AND, OR, WITH and parentheses. No characters that could end a comment. */
	length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			      "0123456789-.+() ");
	while (length && text[length - 1] == ' ')
		length--;
	return length ? arena_printf(arena, "%.*s", (int)length, text) : NULL;
}

static const char *license_above(const Location *location, struct arena *arena)
{
	const char *license;

	for (size_t i = 0; i < location->n_leading_detached_comments; i++) {
		license = license_in(location->leading_detached_comments[i], arena);
		if (license)
			return license;
	}
	return license_in(location->leading_comments, arena);
}

const char *source_license(const Source *source, struct arena *arena)
{
	/* Either of them is the first statement; syntax may be omitted. */
	static const int32_t first[] = { FILE_SYNTAX, FILE_PACKAGE };
	const char *license = NULL;

	for (size_t i = 0; !license && i < sizeof(first) / sizeof(first[0]); i++) {
		struct path path = path_field((struct path){ 0 }, first[i]);
		const Location *location = source_find(source, &path);

		if (location)
			license = license_above(location, arena);
	}
	return license;
}

static bool is_about_declaration(const Location *location)
{
	return location->leading_comments && location->n_path >= 2 &&
	       location->path[0] >= FILE_MESSAGE && location->path[0] <= FILE_SERVICE;
}

Source *source_comments(const Source *source, struct arena *arena)
{
	Source *comments = arena_alloc(arena, sizeof(*comments));
	size_t all = source ? source->n_location : 0;

	google__protobuf__source_code_info__init(comments);
	comments->location = arena_array(arena, all + 1, sizeof(*comments->location));
	for (size_t i = 0; i < all; i++) {
		const Location *from = source->location[i];
		Location *to;

		if (!is_about_declaration(from))
			continue;
		to = arena_alloc(arena, sizeof(*to));
		google__protobuf__source_code_info__location__init(to);
		to->n_path = from->n_path;
		to->path = from->path;
		to->leading_comments = from->leading_comments;
		comments->location[comments->n_location++] = to;
	}
	return comments->n_location ? comments : NULL;
}
