// SPDX-License-Identifier: MIT
/*
 * JSON of google.protobuf.Timestamp, Duration, FieldMask, Struct, ListValue, Value and the
 * wrappers. Each is converted from and to the JSON of a message with its fields, so that it needs
 * no encoding of its own.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "private.h"

#define DAY 86400
/* The years 1 to 9999. */
#define TIMESTAMP_MIN INT64_C(-62135596800)
#define TIMESTAMP_MAX INT64_C(253402300799)
/* 10,000 years. */
#define DURATION_MAX INT64_C(315576000000)
#define NANOS_MAX 999999999

const char *known_expected(enum schema_kind kind)
{
	switch (kind) {
	case KIND_TIMESTAMP:
		return "expected a time such as \"2026-01-31T12:00:00Z\"";
	case KIND_DURATION:
		return "expected a duration such as \"1.5s\"";
	case KIND_FIELD_MASK:
		return "expected paths such as \"name,lastChange\"";
	case KIND_LIST:
		return "expected an array";
	case KIND_WRAPPER:
		return "expected a value";
	default:
		return "expected a JSON object";
	}
}

/* --- Texts of numbers --------------------------------------------------------------- */

/* Takes a number of min to max digits. */
static bool take_digits(const char **text, size_t min, size_t max, int64_t *ret_value)
{
	size_t n = strspn(*text, "0123456789");

	if (n < min || n > max)
		return false;
	for (*ret_value = 0; n--; (*text)++)
		*ret_value = *ret_value * 10 + (**text - '0');
	return true;
}

/* Takes a fraction of a second, which may be missing. */
static bool take_nanos(const char **text, int64_t *ret_nanos)
{
	const char *begin = *text + 1;

	*ret_nanos = 0;
	if (**text != '.')
		return true;
	(*text)++;
	if (!take_digits(text, 1, 9, ret_nanos))
		return false;
	for (size_t n = *text - begin; n < 9; n++)
		*ret_nanos *= 10;
	return true;
}

/* Writes a point and three, six or nine digits; for 0, an empty text. */
static void put_nanos(char text[16], int64_t nanos)
{
	int digits = nanos % 1000 ? 9 : nanos % 1000000 ? 6 : 3;

	*text = '\0';
	if (!nanos)
		return;
	snprintf(text, 16, ".%09d", (int)nanos);
	text[digits + 1] = '\0';
}

static json_t *seconds_fields(int64_t seconds, int64_t nanos)
{
	return json_pack("{s:I, s:I}", "seconds", (json_int_t)seconds, "nanos", (json_int_t)nanos);
}

/* Reads the fields of seconds_fields(), but from the decoder, which has seconds in a string. */
static bool get_seconds(const json_t *fields, int64_t *ret_seconds, int64_t *ret_nanos)
{
	const char *seconds = value_text(fields, "seconds");

	*ret_seconds = seconds ? strtoll(seconds, NULL, 10) : 0;
	*ret_nanos = value_number(fields, "nanos");
	return seconds;
}

/* --- Timestamp and Duration ----------------------------------------------------------- */

/* Returns the days from 1970-01-01 to a date of the Gregorian calendar. Counts years from March, so
 * that a leap day is the last of its year, and in eras of 400 years. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t in_era, in_year;

	year -= month <= 2;
	in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	in_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + in_year;
	return year / 400 * 146097 + in_era - 719468;
}

/* The reverse of days_of(), for days in the years 1 to 9999. */
static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t era, in_era, year, in_year, month;

	days += 719468;
	era = days / 146097;
	in_era = days % 146097;
	year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	in_year = in_era - (365 * year + year / 4 - year / 100);
	month = (5 * in_year + 2) / 153;
	*ret_day = (int)(in_year - (153 * month + 2) / 5 + 1);
	*ret_month = (int)(month < 10 ? month + 3 : month - 9);
	*ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

/* Takes a character, and a number of two digits from min to max after it. */
static bool take_two(const char **text, char before, int64_t min, int64_t max, int64_t *ret_value)
{
	if (**text != before)
		return false;
	++*text;
	return take_digits(text, 2, 2, ret_value) && *ret_value >= min && *ret_value <= max;
}

/* Takes Z or an offset such as +01:00. */
static bool take_zone(const char **text, int64_t *ret_seconds)
{
	int64_t hours, minutes;
	char sign = **text;

	*ret_seconds = 0;
	if (sign == 'Z')
		return ++*text;
	if ((sign != '+' && sign != '-') || !take_two(text, sign, 0, 23, &hours) ||
	    !take_two(text, ':', 0, 59, &minutes))
		return false;
	*ret_seconds = (hours * 60 + minutes) * (sign == '+' ? 60 : -60);
	return true;
}

static json_t *timestamp_fields(const char *text)
{
	int64_t year, month, day, hour, minute, second, nanos, zone, days, seconds;
	int real_year, real_month, real_day;

	if (!take_digits(&text, 4, 4, &year) || !year || !take_two(&text, '-', 1, 12, &month) ||
	    !take_two(&text, '-', 1, 31, &day) || !take_two(&text, 'T', 0, 23, &hour) ||
	    !take_two(&text, ':', 0, 59, &minute) || !take_two(&text, ':', 0, 59, &second) ||
	    !take_nanos(&text, &nanos) || !take_zone(&text, &zone) || *text)
		return NULL;
	days = days_of(year, month, day);
	/* No such day, such as February 30. */
	date_of(days, &real_year, &real_month, &real_day);
	if (real_day != day)
		return NULL;
	seconds = days * DAY + hour * 3600 + minute * 60 + second - zone;
	if (seconds < TIMESTAMP_MIN || seconds > TIMESTAMP_MAX)
		return NULL;
	return seconds_fields(seconds, nanos);
}

static json_t *timestamp_json(const json_t *fields)
{
	int64_t seconds, nanos, days, in_day;
	char fraction[16];
	int year, month, day;

	if (!get_seconds(fields, &seconds, &nanos) || seconds < TIMESTAMP_MIN ||
	    seconds > TIMESTAMP_MAX || nanos < 0 || nanos > NANOS_MAX)
		return NULL;
	days = (seconds - TIMESTAMP_MIN) / DAY;
	in_day = (seconds - TIMESTAMP_MIN) % DAY;
	date_of(days + TIMESTAMP_MIN / DAY, &year, &month, &day);
	put_nanos(fraction, nanos);
	return json_sprintf("%04d-%02d-%02dT%02d:%02d:%02d%sZ", year, month, day,
			    (int)(in_day / 3600), (int)(in_day / 60 % 60), (int)(in_day % 60),
			    fraction);
}

static json_t *duration_fields(const char *text)
{
	bool negative = *text == '-';
	int64_t seconds, nanos;

	text += negative;
	if (!take_digits(&text, 1, 12, &seconds) || !take_nanos(&text, &nanos) ||
	    strcmp(text, "s") != 0 || seconds > DURATION_MAX)
		return NULL;
	return negative ? seconds_fields(-seconds, -nanos) : seconds_fields(seconds, nanos);
}

static json_t *duration_json(const json_t *fields)
{
	int64_t seconds, nanos;
	char fraction[16];
	bool negative;

	if (!get_seconds(fields, &seconds, &nanos) || seconds < -DURATION_MAX ||
	    seconds > DURATION_MAX || nanos < -NANOS_MAX || nanos > NANOS_MAX ||
	    (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
		return NULL;
	negative = seconds < 0 || nanos < 0;
	put_nanos(fraction, negative ? -nanos : nanos);
	return json_sprintf("%s%" PRId64 "%ss", negative ? "-" : "", negative ? -seconds : seconds,
			    fraction);
}

/* --- FieldMask ---------------------------------------------------------------------- */

/* Converts "barBaz" to "bar_baz". Returns NULL for text with an underscore. */
static json_t *snake_case(const char *text, size_t size)
{
	struct wire_buffer path = { 0 };
	json_t *value = NULL;

	for (size_t i = 0; i < size; i++) {
		bool upper = text[i] >= 'A' && text[i] <= 'Z';

		wire_put(&path, (const char[]){ '_', upper ? text[i] | 0x20 : text[i] } + !upper,
			 1 + upper);
	}
	if (!path.failed && (!size || !memchr(text, '_', size)))
		value = json_stringn(size ? (const char *)path.data : "", path.size);
	free(path.data);
	return value;
}

/* Writes "bar_baz" as "barBaz". Returns false for a path that snake_case() would not restore. */
static bool put_camel_case(struct wire_buffer *buffer, const char *path)
{
	for (; path && *path; path++) {
		if ((*path >= 'A' && *path <= 'Z') ||
		    (*path == '_' && !(path[1] >= 'a' && path[1] <= 'z')))
			return false;
		if (*path == '_')
			wire_put(buffer, &(char){ *++path & ~0x20 }, 1);
		else
			wire_put(buffer, path, 1);
	}
	return path;
}

static json_t *mask_fields(const char *text)
{
	json_t *paths = json_array();

	while (paths && *text) {
		size_t size = strcspn(text, ",");

		paths = value_append(paths, snake_case(text, size));
		text += size + (text[size] == ',');
	}
	return paths ? json_pack("{s:o}", "paths", paths) : NULL;
}

static json_t *mask_json(const json_t *fields)
{
	struct wire_buffer buffer = { 0 };
	json_t *path, *value = NULL;
	bool good = true;
	size_t i;

	json_array_foreach(json_object_get(fields, "paths"), i, path) {
		if (i)
			wire_put(&buffer, ",", 1);
		good = good && put_camel_case(&buffer, json_string_value(path));
	}
	if (good && !buffer.failed)
		value = json_stringn(buffer.data ? (const char *)buffer.data : "", buffer.size);
	free(buffer.data);
	return value;
}

/* --- Values ----------------------------------------------------------------------------- */

static const char *member_of(const json_t *json)
{
	if (json_is_null(json))
		return "nullValue";
	if (json_is_boolean(json))
		return "boolValue";
	if (value_is_string(json))
		return "stringValue";
	if (json_is_object(json))
		return "structValue";
	return json_is_array(json) ? "listValue" : "numberValue";
}

/* Returns the only member of a google.protobuf.Value, or null if there is none. */
static json_t *value_json(json_t *fields)
{
	json_t *number = json_object_get(fields, "numberValue");
	void *member = json_object_iter(fields);

	/* A string is NaN or an infinity, which JSON lacks. */
	if (number && !json_is_number(number))
		return NULL;
	return member ? json_incref(json_object_iter_value(member)) : json_null();
}

json_t *known_fields(enum schema_kind kind, const json_t *json)
{
	const char *text = value_string(json);

	switch (kind) {
	case KIND_TIMESTAMP:
		return text ? timestamp_fields(text) : NULL;
	case KIND_DURATION:
		return text ? duration_fields(text) : NULL;
	case KIND_FIELD_MASK:
		return text ? mask_fields(text) : NULL;
	case KIND_STRUCT:
		return json_is_object(json) ? json_pack("{s:O}", "fields", json) : NULL;
	case KIND_LIST:
		return json_is_array(json) ? json_pack("{s:O}", "values", json) : NULL;
	case KIND_VALUE:
		return json_pack("{s:O}", member_of(json), json);
	case KIND_WRAPPER:
		return json_is_null(json) ? NULL : json_pack("{s:O}", "value", json);
	default:
		return json_is_object(json) ? json_incref((json_t *)json) : NULL;
	}
}

json_t *known_json(enum schema_kind kind, json_t *fields)
{
	json_t *json;

	switch (fields ? kind : KIND_PLAIN) {
	case KIND_TIMESTAMP:
		json = timestamp_json(fields);
		break;
	case KIND_DURATION:
		json = duration_json(fields);
		break;
	case KIND_FIELD_MASK:
		json = mask_json(fields);
		break;
	case KIND_STRUCT:
		json = json_incref(json_object_get(fields, "fields"));
		break;
	case KIND_LIST:
		json = json_incref(json_object_get(fields, "values"));
		break;
	case KIND_VALUE:
		json = value_json(fields);
		break;
	case KIND_WRAPPER:
		json = json_incref(json_object_get(fields, "value"));
		break;
	default:
		return fields;
	}
	json_decref(fields);
	return json;
}
