// SPDX-License-Identifier: MIT
/*
 * Listening. The core says no more than whether it does, so why it does not is found by a socket of
 * our own.
 */
#include <errno.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net-private.h"

static int try_bind(const struct sockaddr *address, socklen_t size)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, address, size) < 0 || listen(fd, 1) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int try_path(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	r = try_bind((const struct sockaddr *)&address, sizeof(address));
	if (r == 0)
		unlink(path);
	return r;
}

/* Of "HOST:PORT" and "[HOST]:PORT". */
static int try_host(const char *address)
{
	const char *colon = strrchr(address, ':');
	struct addrinfo *found, wish = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM,
	};
	char host[NI_MAXHOST];
	size_t size;
	int r = 0;

	if (*address == '[' && colon > address && colon[-1] == ']')
		size = (size_t)(colon - ++address - 1);
	else
		size = colon ? (size_t)(colon - address) : 0;
	if (!size || size >= sizeof(host))
		return -EINVAL;
	memcpy(host, address, size);
	host[size] = 0;
	if (getaddrinfo(host, colon + 1, &wish, &found))
		return -ENOENT;
	for (struct addrinfo *at = found; r == 0 && at; at = at->ai_next)
		r = try_bind(at->ai_addr, at->ai_addrlen);
	freeaddrinfo(found);
	return r;
}

int net_listen(struct net *net, const char *address)
{
	bool tls = !strncmp(address, "tls:", 4);
	grpc_server_credentials *credentials;
	int port = net_vsock_listen(net, address), r;

	if (port)
		return port;
	credentials = tls ? net_tls_credentials(net) : grpc_insecure_server_credentials_create();
	if (!credentials)
		return -ENOMEM;
	port = grpc_server_add_http2_port(net->server, tls ? address + 4 : address, credentials);
	grpc_server_credentials_release(credentials);
	if (port > 0)
		return port;
	if (!strncmp(address, "unix:", 5))
		r = try_path(address + 5);
	else
		r = try_host(tls ? address + 4 : address);
	return r ?: tls ? -EKEYREJECTED : -EAGAIN;
}
