// SPDX-License-Identifier: MIT
/*
 * Blobs and shared memory of generated C++: large ones, and what a stranger says of them.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include "fixture.hpp"

#include "desk.hpp"
#include "ipc/ipc.pb.h"

namespace {

using Blobs = ipc::with_objects<desk_app::Blobs>;
using Shared = ipc::with_objects<desk_app::Shared>;

class shelf : public desk_app::Shelf::Service {
public:
	Blobs Turn(const Blobs &request, const ipc::call &) override
	{
		Blobs reply;
		int n = request->blobs_size();

		/* Not in the order of the fields. */
		if (n)
			reply.put(*reply->mutable_last(), request.blob(request->blobs(0)));
		for (int i = n; i-- > 0;)
			reply.put(*reply->add_blobs(), request.blob(request->blobs(i)));
		return reply;
	}

	Shared Share(const Shared &request, const ipc::call &) override
	{
		Shared reply;
		auto theirs = request.take_memory(request->memory(), ipc::memory::writable);
		auto own = ipc::memory::create(theirs.size());

		request->text().copy(static_cast<char *>(theirs.data()), theirs.size());
		request->text().copy(static_cast<char *>(own.data()), own.size());
		reply.put(*reply->mutable_memory(), own);
		kept = own;
		return reply;
	}

	std::optional<ipc::memory> kept;
};

struct bench {
	bench()
		: server(ipc::connection::open()), client(ipc::connection::open()),
		  own(std::make_shared<shelf>()), object(ipc::make_object(server, own)),
		  peer((server.register_name("test.shelf", object),
			client.get<desk_app::Shelf>("test.shelf"))),
		  server_thread(server)
	{
	}
	~bench() { server.unregister_name("test.shelf"); }

	ipc::connection server, client;
	std::shared_ptr<shelf> own;
	ipc::object object;
	desk_app::Shelf::Proxy peer;
	serving server_thread;
};

std::string pattern(std::size_t size, unsigned int seed)
{
	std::string bytes(size, '\0');

	for (std::size_t i = 0; i < size; i++)
		bytes[i] = static_cast<char>(i * 31 + seed);
	return bytes;
}

CASE(blobs_of_every_size)
{
	bench b;

	for (std::size_t size : { 0, 1, 65536, 65537, 4 << 20, 20 << 20 }) {
		std::string data = pattern(size, 1), other = pattern(70000, 2);
		Blobs request;

		request.put(*request->add_blobs(), data);
		request.put(*request->add_blobs(), "small");
		request.put(*request->add_blobs(), other);
		Blobs reply = b.peer.Turn(request);
		CHECK(reply.blob(reply->blobs(0)) == other);
		CHECK(reply.blob(reply->blobs(1)) == "small");
		CHECK(reply.blob(reply->blobs(2)) == data);
		CHECK(reply.blob(reply->last()) == data);
		/* Once more: it is still there. Moved, too. */
		Blobs moved = std::move(reply);
		CHECK(moved.blob(moved->blobs(2)) == data);
	}
	/* One that was never set has no bytes. */
	Blobs request;
	request->add_blobs();
	Blobs reply = b.peer.Turn(request);
	CHECK(reply.blob(reply->blobs(0)).empty());
}

CASE(a_field_is_put_again)
{
	std::string first = pattern(80000, 1), second = pattern(90000, 2);
	bench b;
	Blobs request;
	ipc::Blob *field = request->add_blobs();

	request.put(*field, first);
	request.put(*field, second);
	Blobs reply = b.peer.Turn(request);
	CHECK(reply.blob(reply->blobs(0)) == second);
	request.put(*field, "small");
	CHECK(request.blob(*field) == "small");
	reply = b.peer.Turn(request);
	CHECK(reply.blob(reply->blobs(0)) == "small");
	/* A message can be sent again. */
	reply = b.peer.Turn(request);
	CHECK(reply.blob(reply->last()) == "small");
}

/* --- Lies ---------------------------------------------------------------------------------- */

/* The errno of a request with these bytes. */
int lie(const bench &b, std::string_view bytes)
{
	try {
		(*b.peer).call(ipc::message(number_of("desk.app.Shelf/Turn"), bytes));
	} catch (const ipc::error &e) {
		return e.number_of_errno();
	}
	return 0;
}

CASE(lies_are_refused)
{
	bench b;

	/* Blob { size: 1000 }, and nothing behind the message. */
	CHECK(lie(b, std::string_view("\x0a\x03\x08\xe8\x07", 5)) == EBADMSG);
	/* Blob { size: UINT64_MAX } twice. */
	CHECK(lie(b, "\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
		     "\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") == EBADMSG);
	CHECK(b.peer.Turn(Blobs())->blobs_size() == 0);
}

/* What one side writes, the other one sees, as far as the owner permits. */
CASE(memory_is_shared)
{
	bench b;
	Shared request;
	auto memory = ipc::memory::create(8192, ipc::memory::writable);

	request->set_text("written by the service");
	request.put(*request->mutable_memory(), memory);
	Shared reply = b.peer.Share(request);
	CHECK(memory.bytes().substr(0, 22) == "written by the service");

	auto theirs = reply.take_memory(reply->memory());
	CHECK_FAILS(ENOENT, reply.take_memory(reply->memory()));
	CHECK(theirs.size() == 8192 && !theirs.is_sealed());
	CHECK(theirs.bytes().substr(0, 22) == "written by the service");
	static_cast<char *>(b.own->kept->data())[0] = 'W';
	CHECK(theirs.bytes()[0] == 'W');
	CHECK_FAILS(EPERM, ipc::memory::map(theirs.file(), ipc::memory::writable));

	/* Mapped for writing elsewhere, it cannot be sealed. */
	auto again = ipc::memory::map(memory.file(), ipc::memory::writable);
	CHECK_FAILS(EBUSY, memory.seal());
	b.own->kept->seal();
	CHECK(theirs.is_sealed() && b.own->kept->is_sealed());

	/* As the only memory, or for reading alone, it is refused by a service that writes. */
	Shared readable;
	readable.put(*readable->mutable_memory(), *b.own->kept);
	CHECK_FAILS(EPERM, b.peer.Share(readable));
	CHECK_FAILS(ENOENT, b.peer.Share(Shared()));
}

/* Files that are no memory of fixed size, or too much of it. */
CASE(memory_of_a_stranger)
{
	bench b;
	ipc::fd plain(::open("/dev/zero", O_RDWR)), growing(::memfd_create("growing", MFD_ALLOW_SEALING));
	ipc::fd empty(::memfd_create("empty", MFD_ALLOW_SEALING));

	CHECK(::ftruncate(growing.get(), 4096) == 0);
	CHECK(::fcntl(empty.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	for (ipc::fd *file : { &plain, &growing, &empty }) {
		Shared request;

		request.put(*request->mutable_memory()->mutable_fd(), std::move(*file));
		CHECK_FAILS(EBADMSG, b.peer.Share(request));
	}
	CHECK_FAILS(EBADMSG, ipc::memory::map(ipc::fd()));
	CHECK_FAILS(EINVAL, ipc::memory::create(0));

	Shared huge;
	huge.put(*huge->mutable_memory(), ipc::memory::create((1UL << 30) + 4096, ipc::memory::writable));
	CHECK_FAILS(EMSGSIZE, b.peer.Share(huge));
}

} // namespace

int main(int argc, char **argv)
{
	return run_cases(argc, argv);
}
