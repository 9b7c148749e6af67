// SPDX-License-Identifier: MIT
/*
 * Metadata: see metadata.h. The engine limits how much of it a client may send.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "metadata.h"

static bool begins(const struct iovec *name, const char *with)
{
	size_t n = strlen(with);

	return name->iov_len >= n && !memcmp(name->iov_base, with, n);
}

static bool is(const struct iovec *name, const char *what)
{
	return name->iov_len == strlen(what) && begins(name, what);
}

static bool passes(const struct iovec *name)
{
	return !begins(name, ":") && !begins(name, "grpc-") && !begins(name, "ipc-") &&
	       !is(name, "user-agent") && !is(name, "content-type") && !is(name, "te");
}

static bool is_binary(const struct iovec *name)
{
	return name->iov_len > 4 &&
	       !memcmp((const char *)name->iov_base + name->iov_len - 4, "-bin", 4);
}

static char *put(char *to, const struct iovec *bytes)
{
	memcpy(to, bytes->iov_base, bytes->iov_len);
	to[bytes->iov_len] = 0;
	return to + bytes->iov_len + 1;
}

static char *put_base64(char *to, const struct iovec *bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *at = bytes->iov_base;
	size_t left = bytes->iov_len;

	for (; left; left -= left < 3 ? left : 3, at += 3) {
		unsigned int three = at[0] << 16 | (left > 1 ? at[1] << 8 : 0) |
				     (left > 2 ? at[2] : 0);

		*to++ = digits[three >> 18];
		*to++ = digits[three >> 12 & 63];
		*to++ = left > 1 ? digits[three >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[three & 63] : '=';
	}
	*to++ = 0;
	return to;
}

static int build(const struct net_call *call, const char *peer, const char ***ret_metadata)
{
	size_t n = 0, size = 0;
	struct iovec name, value;
	const char **strings;
	char *at;

	for (size_t i = 0; net_call_metadata(call, i, &name, &value); i++)
		if (passes(&name)) {
			n += 2;
			size += name.iov_len + 1 + (value.iov_len + 2) / 3 * 4 + 1;
			size += value.iov_len;
		}
	if (peer) {
		n += 2;
		size += strlen(peer) + 1;
	}
	*ret_metadata = NULL;
	if (!n)
		return 0;
	strings = malloc((n + 1) * sizeof(*strings) + size);
	if (!strings)
		return -ENOMEM;
	at = (char *)(strings + n + 1);
	n = 0;
	for (size_t i = 0; net_call_metadata(call, i, &name, &value); i++) {
		if (!passes(&name))
			continue;
		strings[n++] = at;
		at = put(at, &name);
		strings[n++] = at;
		at = is_binary(&name) ? put_base64(at, &value) : put(at, &value);
	}
	if (peer) {
		strings[n++] = METADATA_PEER;
		strings[n++] = strcpy(at, peer);
	}
	strings[n] = NULL;
	*ret_metadata = strings;
	return 0;
}

int metadata_of(const struct net_call *call, const char ***ret_metadata)
{
	char *peer = net_call_peer(call);
	int r = build(call, peer, ret_metadata);

	free(peer);
	return r;
}
