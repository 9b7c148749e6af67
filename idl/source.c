// SPDX-License-Identifier: MIT
/*
 * SourceCodeInfo, sorted once so that every question is a binary search.
 */
#include <stdlib.h>
#include <string.h>

#include "source.h"

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

static int compare_steps(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b)
{
	for (size_t i = 0; i < n_a && i < n_b; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;

	return (n_a > n_b) - (n_a < n_b);
}

static int compare_locations(const void *a, const void *b)
{
	const Location *x = *(const Location *const *)a, *y = *(const Location *const *)b;

	return compare_steps(x->path, x->n_path, y->path, y->n_path);
}

struct source source_new(struct arena *arena, const Google__Protobuf__SourceCodeInfo *info)
{
	struct source source = { 0 };

	if (!info)
		return source;

	source.n_locations = info->n_location;
	source.locations = arena_array(arena, info->n_location + 1, sizeof(*source.locations));
	for (size_t i = 0; i < info->n_location; i++)
		source.locations[i] = info->location[i];

	qsort(source.locations, source.n_locations, sizeof(*source.locations), compare_locations);
	return source;
}

static int compare_path(const void *key, const void *element)
{
	const Location *location = *(const Location *const *)element;
	const struct path *path = key;

	return compare_steps(path->steps, path->length, location->path, location->n_path);
}

static const Location *source_find(const struct source *source, const struct path *path)
{
	const Location **found;

	if (!source->n_locations)
		return NULL;

	found = bsearch(path, source->locations, source->n_locations,
			sizeof(*source->locations), compare_path);
	return found ? *found : NULL;
}

void source_position(const struct source *source, struct path path, int *ret_line,
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

const char *source_comment(const struct source *source, struct path path)
{
	const Location *location = source_find(source, &path);

	return location ? location->leading_comments : NULL;
}
