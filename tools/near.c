// SPDX-License-Identifier: MIT
/*
 * The nearest name: see near.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "near.h"
#include "text.h"

struct near near_begin(const char *wanted)
{
	return (struct near){ .wanted = wanted, .distance = NEAR_MAX };
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters must be inserted, removed, replaced or swapped with the next one. */
static size_t distance_of(const char *a, const char *b)
{
	size_t rows[3][NEAR_MAX], *before = rows[0], *last = rows[1], *now = rows[2];
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		last[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *oldest = before;

		now[0] = i;
		for (size_t j = 1; j <= n; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[j - 1]);

			now[j] = least(last[j - 1] + !same, least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[n];
}

static bool is_last_part(const char *name, const char *part)
{
	size_t n = strlen(name), m = strlen(part);

	return m && n > m && strchr("./", name[n - m - 1]) && !strcasecmp(name + n - m, part);
}

void near_offer(struct near *near, const char *name)
{
	size_t n = strlen(near->wanted), distance;

	if (n >= NEAR_MAX || strlen(name) >= NEAR_MAX || !strcmp(name, near->wanted))
		return;
	distance = distance_of(near->wanted, name);
	if (distance > (n < 3 ? 0 : n < 5 ? 1 : n < 9 ? 2 : n / 4)) {
		if (!is_last_part(name, near->wanted))
			return;
		distance = NEAR_MAX - 1;
	}
	if (distance >= near->distance)
		return;
	near->distance = distance;
	snprintf(near->name, sizeof(near->name), "%s", name);
}

void near_question(const struct near *near, char *text, size_t size)
{
	*text = '\0';
	if (*near->name)
		snprintf(text, size, "; is \"%s\" meant?", near->name);
	text_clean(text);
}
