// SPDX-License-Identifier: MIT
/*
 * When certificates end: see metrics.h. Of X.509 it reads the way to the field "notAfter" and no
 * more. gRPC is what verifies certificates.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "metrics.h"

/* Tags of DER. */
enum {
	DER_INTEGER = 0x02,
	DER_UTC_TIME = 0x17,
	DER_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_VERSION = 0xa0,
};

struct der {
	const unsigned char *at;
	const unsigned char *end;
};

/* Takes the next value out of der. Its tag, or -EBADMSG. */
static int next(struct der *der, struct der *ret_value)
{
	const unsigned char *at = der->at;
	size_t size, n;
	int tag;

	if (der->end - at < 2)
		return -EBADMSG;
	tag = *at++;
	size = *at++;
	if (size & 0x80) {
		n = size & 0x7f;
		if (!n || n > 4 || (size_t)(der->end - at) < n)
			return -EBADMSG;
		for (size = 0; n; n--)
			size = size << 8 | *at++;
	}
	if ((size_t)(der->end - at) < size)
		return -EBADMSG;
	*ret_value = (struct der){ at, at + size };
	der->at = at + size;
	return tag;
}

/* Goes into a sequence, and into the first one in that, and so on. */
static bool enter(struct der *der, unsigned int depth)
{
	struct der value;

	for (; depth; depth--) {
		if (next(der, &value) != DER_SEQUENCE)
			return false;
		*der = value;
	}
	return true;
}

/* YYMMDDHHMMSSZ, or with four digits for the year. */
static int take_time(int tag, const struct der *value, int64_t *ret_seconds)
{
	struct tm tm = { 0 };
	char text[20] = "";
	const char *end;
	size_t size = (size_t)(value->end - value->at);

	if ((tag != DER_UTC_TIME || size != 13) && (tag != DER_TIME || size != 15))
		return -EBADMSG;
	/* Of two digits, 50 to 99 are of the last century. */
	if (tag == DER_UTC_TIME)
		strcpy(text, *value->at >= '5' ? "19" : "20");
	memcpy(text + strlen(text), value->at, size);
	end = strptime(text, "%Y%m%d%H%M%SZ", &tm);
	if (!end || *end)
		return -EBADMSG;
	*ret_seconds = timegm(&tm);
	return 0;
}

static int expiry_of(struct der der, int64_t *ret_seconds)
{
	/* serialNumber, signature, issuer. The version may be before them; validity is behind. */
	static const int before[] = { DER_INTEGER, DER_SEQUENCE, DER_SEQUENCE };
	struct der value, first;
	int tag;

	/* Certificate, TBSCertificate. */
	if (!enter(&der, 2))
		return -EBADMSG;
	first = der;
	if (next(&first, &value) == DER_VERSION)
		der = first;
	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
		if (next(&der, &value) != before[i])
			return -EBADMSG;
	if (!enter(&der, 1) || next(&der, &value) < 0)
		return -EBADMSG;
	tag = next(&der, &value);
	return tag < 0 ? tag : take_time(tag, &value, ret_seconds);
}

/* Decodes base64 up to end, without blanks, and returns the size. */
static size_t decode(const char *text, const char *end, unsigned char *to)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned int bits = 0, n = 0;
	unsigned char *at = to;
	const char *digit;

	for (; text < end; text++) {
		digit = *text ? strchr(digits, *text) : NULL;
		if (!digit)
			continue;
		bits = bits << 6 | (unsigned int)(digit - digits);
		n += 6;
		if (n >= 8) {
			n -= 8;
			*at++ = (unsigned char)(bits >> n);
		}
	}
	return (size_t)(at - to);
}

int certificate_expiry(const char *pem, int64_t *ret_seconds)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	const char *at = pem, *end;
	unsigned char *bytes;
	int64_t seconds;
	bool found = false;
	int r = 0;

	while (r == 0 && (at = strstr(at, begin))) {
		at += strlen(begin);
		end = strstr(at, "-----END CERTIFICATE-----");
		if (!end)
			return -EBADMSG;
		bytes = malloc((size_t)(end - at) + 1);
		if (!bytes)
			return -ENOMEM;
		r = expiry_of((struct der){ bytes, bytes + decode(at, end, bytes) }, &seconds);
		free(bytes);
		if (r == 0 && (!found || seconds < *ret_seconds))
			*ret_seconds = seconds;
		found |= r == 0;
		at = end;
	}
	return r < 0 || found ? r : -EBADMSG;
}
