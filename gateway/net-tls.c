// SPDX-License-Identifier: MIT
/*
 * TLS, and the identity of peers: see net.h and net-private.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "net-private.h"

/* --- Certificates of the server ------------------------------------------------------------- */

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

void net_pem_done(struct net_pem *pem)
{
	free((char *)pem->certificate);
	free((char *)pem->key);
	free((char *)pem->client_ca);
}

int net_set_pem(struct net *net, const struct net_pem *pem)
{
	struct net_pem own = { copy(pem->certificate), copy(pem->key), copy(pem->client_ca) };
	struct net_pem old;

	if (!own.certificate || !own.key || !own.client_ca != !pem->client_ca) {
		net_pem_done(&own);
		return -ENOMEM;
	}
	pthread_mutex_lock(&net->lock);
	old = net->pem;
	net->pem = own;
	net->version++;
	pthread_mutex_unlock(&net->lock);
	net_pem_done(&old);
	return 0;
}

/* Returns changed certificates to the core, which calls this function before each handshake. */
static grpc_ssl_certificate_config_reload_status fetch(void *userdata,
						       grpc_ssl_server_certificate_config **config)
{
	grpc_ssl_certificate_config_reload_status status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
	struct listener *listener = userdata;
	struct net *net = listener->net;
	grpc_ssl_pem_key_cert_pair pair;

	pthread_mutex_lock(&net->lock);
	if (!net->version) {
		status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
	} else if (listener->version == net->version) {
		status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
	} else {
		pair = (grpc_ssl_pem_key_cert_pair){ net->pem.key, net->pem.certificate };
		/* The core requires authorities even if clients need no certificate. */
		*config = grpc_ssl_server_certificate_config_create(
			net->pem.client_ca ?: net->pem.certificate, &pair, 1);
		listener->version = net->version;
	}
	pthread_mutex_unlock(&net->lock);
	return status;
}

grpc_server_credentials *net_tls_credentials(struct net *net)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	bool mutual = net->pem.client_ca;

	if (!listener)
		return NULL;
	listener->net = net;
	listener->next = net->listeners;
	net->listeners = listener;
	return grpc_ssl_server_credentials_create_with_options(
		grpc_ssl_server_credentials_create_options_using_config_fetcher(
			mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY :
				 GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
			fetch, listener));
}

bool net_pem_is_valid(const char *pem)
{
	BIO *file = BIO_new_mem_buf(pem, -1);
	X509 *certificate;
	size_t n = 0;
	bool end;

	for (; file && (certificate = PEM_read_bio_X509(file, NULL, NULL, NULL)); n++)
		X509_free(certificate);
	/* Reading always ends with an error. After the last certificate, the error is
	 * PEM_R_NO_START_LINE. */
	end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(file);
	return n && end;
}

/* --- Names in certificates ------------------------------------------------------------------- */

/* Returns one allocation: the array of pointers, followed by the texts. */
static char **names_of(const grpc_auth_context *context)
{
	const grpc_auth_property_iterator begin = grpc_auth_context_peer_identity(context);
	grpc_auth_property_iterator at = begin;
	const grpc_auth_property *property;
	size_t n = 1, bytes = 0;
	char **names, *text;

	while ((property = grpc_auth_property_iterator_next(&at))) {
		n++;
		bytes += property->value_length + 1;
	}
	names = malloc(n * sizeof(*names) + bytes);
	if (!names)
		return NULL;
	text = (char *)(names + n);
	n = 0;
	at = begin;
	while ((property = grpc_auth_property_iterator_next(&at))) {
		if (memchr(property->value, 0, property->value_length))
			continue;
		names[n++] = text;
		text = mempcpy(text, property->value, property->value_length);
		*text++ = 0;
	}
	names[n] = NULL;
	return names;
}

char **net_call_names(const struct net_call *call)
{
	grpc_auth_context *context = grpc_call_auth_context(call->call);
	char **names;

	if (context && grpc_auth_context_peer_is_authenticated(context))
		names = names_of(context);
	else
		names = calloc(1, sizeof(*names));
	grpc_auth_context_release(context);
	return names;
}

char *net_call_peer(const struct net_call *call)
{
	/* A server without TLS has no certificates of clients. */
	char **names = call->net->listeners ? net_call_names(call) : NULL;
	char *name = names && names[0] ? strdup(names[0]) : NULL;

	free(names);
	return name;
}

char *net_call_address(const struct net_call *call)
{
	char *peer = grpc_call_get_peer(call->call), *address = NULL;

	if (peer)
		address = net_vsock_address(peer) ?: strdup(peer);
	gpr_free(peer);
	return address;
}
