// SPDX-License-Identifier: MIT
/*
 * A program without an IPC library: messages of protobuf-c, packed by hand into packets of a Unix
 * socket. Each side reuses its buffer, as a careful programmer would. A packet does not name its
 * method, because there is only one.
 */
#include "stream.h"

#include "bench.pb-c.h"

#include <errno.h>
#include <unistd.h>

enum { CLIENT, SERVER };

static int send_packet(int fd, const void *data, size_t size)
{
	ssize_t n = write(fd, data, size);

	return n < 0 ? -errno : 0;
}

static int receive_packet(int fd, void *data, size_t *ret_size)
{
	ssize_t n = read(fd, data, STREAM_BUFFER_SIZE);

	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	*ret_size = n;
	return 0;
}

static int reply(struct bench_case *c)
{
	struct stream_state *s = c->state;
	Bench__PutReply reply = BENCH__PUT_REPLY__INIT;
	Bench__PutRequest *request;
	size_t size = 0;
	int r;

	r = receive_packet(s->in[SERVER], s->buffer, &size);
	if (r < 0)
		return r;
	request = bench__put_request__unpack(NULL, size, s->buffer);
	if (!request)
		return -EBADMSG;
	reply.number = request->payload.len;
	bench__put_request__free_unpacked(request, NULL);
	return send_packet(s->out[SERVER], s->buffer, bench__put_reply__pack(&reply, s->buffer));
}

static int protobuf_serve(struct bench_case *c)
{
	int r;

	r = bench_ready(c);
	while (r == 0)
		r = reply(c);
	return r;
}

static int protobuf_round(struct bench_case *c)
{
	struct stream_state *s = c->state;
	Bench__PutRequest request = BENCH__PUT_REQUEST__INIT;
	Bench__PutReply *reply;
	size_t size = 0;
	int r;

	request.payload.data = (uint8_t *)c->request;
	request.payload.len = c->size;
	r = send_packet(s->out[CLIENT], s->buffer, bench__put_request__pack(&request, s->buffer));
	if (r == 0)
		r = receive_packet(s->in[CLIENT], s->buffer, &size);
	if (r < 0)
		return r;
	reply = bench__put_reply__unpack(NULL, size, s->buffer);
	if (!reply)
		return -EBADMSG;
	r = reply->number == c->size ? 0 : -EPROTO;
	bench__put_reply__free_unpacked(reply, NULL);
	return r;
}

const struct bench_transport bench_protobuf = {
	.name = "seqpacket",
	.call = "typed",
	.state_size = sizeof(struct stream_state),
	.create = stream_create_seqpacket,
	.serve = protobuf_serve,
	.round = protobuf_round,
};
