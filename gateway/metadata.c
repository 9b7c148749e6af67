// SPDX-License-Identifier: MIT
/*
 * Metadata: see metadata.h. The engine limits their size.
 */
#include <errno.h>
#include <openssl/evp.h>
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

/* Returns true if the protocol reserves the name. */
static bool is_protocol(const struct iovec *name)
{
	return begins(name, ":") || begins(name, "grpc-") || is(name, "user-agent") ||
	       is(name, "content-type") || is(name, "te");
}

static bool passes(const struct iovec *name)
{
	return !is_protocol(name) && !begins(name, "ipc-");
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
	return to + EVP_EncodeBlock((unsigned char *)to, bytes->iov_base, (int)bytes->iov_len) + 1;
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

/* --- To gRPC ---------------------------------------------------------------------------------- */

/* Decodes base64 with its padding. Returns the end of the bytes at to, or NULL. */
static char *take_base64(char *to, const char *text)
{
	size_t size = strlen(text), digits = strcspn(text, "=");
	int n = EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)text, (int)size);

	if (n < 0 || size % 4 || size - digits > 2)
		return NULL;
	return to + n - (size - digits);
}

static const char *next(const struct ipc_call *call, const struct ipc_stream *stream,
			const char *name, const char **ret_value)
{
	return call ? ipc_raw_next_metadata(call, name, ret_value) :
		      ipc_raw_stream_next_metadata(stream, name, ret_value);
}

/* Stores decoded bytes at `at`. Returns the end of these bytes, or NULL if gRPC cannot carry the
 * metadata. */
static char *convert(struct net_metadata *metadata, const char *name, const char *value, char *at)
{
	const struct iovec bytes = { (char *)name, strlen(name) };

	*metadata = (struct net_metadata){ name, value, strlen(value) };
	if (is_binary(&bytes)) {
		metadata->value = at;
		at = take_base64(at, value);
		if (!at)
			return NULL;
		metadata->size = (size_t)(at - (const char *)metadata->value);
	}
	return is_protocol(&bytes) || !net_metadata_is_legal(metadata) ? NULL : at;
}

int metadata_to_head(const struct ipc_call *call, const struct ipc_stream *stream,
		     struct net_head *head, struct net_metadata **ret_metadata,
		     const char **ret_bad)
{
	struct net_metadata *metadata;
	size_t n = 0, size = 0;
	const char *name = NULL, *value;
	char *at;

	*ret_metadata = NULL;
	while ((name = next(call, stream, name, &value))) {
		n++;
		size += strlen(name) + strlen(value) + 2;
		if (size > METADATA_MAX)
			return -EMSGSIZE;
	}
	if (!n)
		return 0;
	metadata = malloc(n * sizeof(*metadata) + size);
	if (!metadata)
		return -ENOMEM;
	at = (char *)(metadata + n);
	n = 0;
	while ((name = next(call, stream, name, &value))) {
		at = convert(&metadata[n++], name, value, at);
		if (!at) {
			free(metadata);
			*ret_bad = name;
			return -EINVAL;
		}
	}
	head->metadata = metadata;
	head->n_metadata = n;
	*ret_metadata = metadata;
	return 0;
}
